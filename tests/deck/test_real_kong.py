"""decK against a real Kong with a database: what a platform team does, from the first sync to taking a server away.

Kong has no start command: plugin server and sidecar run beside it, and its dump was written beforehand.
"""

import asyncio
import shutil
import subprocess

import httpx
import psycopg
import pytest
import yaml

from deck.support import DECK, deck_binary
from e2e.calls import Calls, verdict
from e2e.harness import JSON_HEADERS, connect_to, modern
from kong_mcp.dev import free_port
from servers.launch import replicas, wait_for
from servers.own_kong import BIN, PLUGINS, OwnKong, other_plugins
from servers.postgres import program, run_postgres

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not (shutil.which("kong") and program("postgres") and program("initdb")), reason="needs Kong and PostgreSQL"
    ),
]
AGENT = {"apikey": "agents-key-0123456789"}
OPEN = {"allow": ["good", "whoami"]}


class Team:
    """A platform team: a node of its own with a database, a folder of decK files, and two MCP servers."""

    def __init__(self, node, folder, servers):
        self.node, self.folder, self.servers = node, folder, servers
        shutil.copy(DECK / "shared.yaml", folder)
        (folder / "servers").mkdir()

    def declare(self, name, tools=OPEN):
        """Write a server's file: the template, filled in."""
        text = (DECK / "template.yaml").read_text(encoding="utf-8").replace("NAME", name)
        text = text.replace("HOST:PORT", f"127.0.0.1:{self.servers[name].port}")
        document = yaml.safe_load(text)
        document["_plugin_configs"][f"mcp-guard-{name}"]["tools"] = tools
        path = self.folder / "servers" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        return path

    def deck(self, what, *options):
        command = [deck_binary(), "gateway", what, "--kong-addr", self.node.admin_url, *options]
        if what != "ping":
            command += [self.folder / "shared.yaml", self.folder / "servers"]
        return subprocess.run(command, env=self.node.environment, capture_output=True, text=True, check=False)

    def sync(self):
        done = self.deck("sync")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def changes(self):
        """Whether decK finds a difference; the text says which."""
        done = self.deck("diff", "--non-zero-exit-code")
        assert done.returncode in {0, 2}, done.stdout + done.stderr
        return done.returncode == 2, done.stdout

    def url(self, server):
        return f"http://127.0.0.1:{self.node.port}/{server}/mcp"

    def call(self, client, server, tool):
        return client.post(self.url(server), **modern(tool))

    def wait_until_served(self, server, tool="good"):
        with httpx.Client(headers=AGENT, timeout=30, trust_env=False) as client:
            wait_for(lambda: self.call(client, server, tool).status_code == 200, lambda: self.node.error_log[-3000:])

    def entities(self, kind):
        with httpx.Client(trust_env=False, timeout=30) as client:
            return client.get(f"{self.node.admin_url}/{kind}").json()["data"]

    def admin(self, method, path, **json):
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.request(method, f"{self.node.admin_url}/{path}", json=json or None)
            assert answer.is_success, answer.text
            return answer.json() if answer.content else None


@pytest.fixture(scope="module")
def node():
    deck_binary()
    port = free_port()
    with run_postgres(port) as url:
        with psycopg.connect(url.format("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE kong")
        own = OwnKong(database=port)
        try:
            own.kong("migrations", "bootstrap")
            own.start_plugin_server()
            own.start_kong()
            own.start_sidecar()
            yield own
        finally:
            own.close()


@pytest.fixture(scope="module")
def team(node, tmp_path_factory):
    with replicas("files", "search") as (files, search):
        team = Team(node, tmp_path_factory.mktemp("team"), {"files": files, "search": search})
        # Somebody else's, who knows nothing of decK: no sync may touch them.
        team.admin("PUT", "services/theirs", host="127.0.0.1", port=9)
        team.admin("PUT", "services/theirs/routes/theirs", paths=["/theirs"])
        team.admin("PUT", "consumers/agent", tags=["group:readers"])
        team.admin("POST", "consumers/agent/key-auth", key=AGENT["apikey"])
        yield team


@pytest.fixture
def synced(team):
    """Both servers declared and served, whatever a test before has left."""
    for name in ("files", "search"):
        team.declare(name)
    team.sync()
    for name in ("files", "search"):
        team.wait_until_served(name)
    yield team
    assert [entity["name"] for entity in team.entities("services") if not entity["tags"]] == ["theirs"]
    assert [entity["name"] for entity in team.entities("routes") if not entity["tags"]] == ["theirs"]
    assert [entity["username"] for entity in team.entities("consumers") if entity["tags"] == ["group:readers"]] == [
        "agent"
    ]


@pytest.mark.requirement("DECK-020")
def test_deck_reaches_a_kong_that_was_given_no_start_command(team):
    done = team.deck("ping")
    assert (done.returncode, "Kong version:" in done.stdout) == (0, True), done.stderr


@pytest.mark.requirement("DECK-020")
@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_an_official_client_lists_and_calls_what_was_synced(synced, mode):
    async def use():
        async with connect_to(synced.url("files"), AGENT, mode) as client:
            listed = await client.list_tools()
            called = await client.call_tool("good", {"text": "x"})
            return [tool.name for tool in listed.tools], called.content[0].text

    assert asyncio.run(use()) == (["good", "whoami"], "good: x")


@pytest.mark.requirement("DECK-021")
def test_a_second_sync_finds_nothing_to_do(synced):
    assert synced.changes() == (False, "Summary:\n  Created: 0\n  Updated: 0\n  Deleted: 0\n")
    assert synced.sync() == "Summary:\n  Created: 0\n  Updated: 0\n  Deleted: 0\n"


@pytest.mark.requirement("DECK-020")
def test_a_policy_changes_under_calls_and_nothing_passes_that_should_not(synced):
    with Calls(synced.url("files"), "whoami", AGENT) as calls:
        calls.wait_for_more(50, "passed")
        synced.declare("files", {"allow": ["good"]})
        synced.sync()
        with httpx.Client(headers=AGENT, timeout=30, trust_env=False) as client:
            wait_for(lambda: "error" in synced.call(client, "files", "whoami").json(), lambda: "never refused")
        executed = len(synced.servers["files"].executed())
        calls.wait_for_more(50, "refused")
    assert set(calls.verdicts) == {"passed", "refused"}, "a call failed"
    # A request that was on its way when the change arrived may still end after the first refusal of another agent.
    for own in calls.of_agents:
        assert set(own[own.index("refused") :]) == {"refused"}
    assert len(synced.servers["files"].executed()) == executed


@pytest.mark.requirement("DECK-022")
def test_a_server_whose_file_is_taken_away_is_gone_and_nothing_else_is(synced):
    (synced.folder / "servers/search.yaml").unlink()
    found, plan = synced.changes()
    assert found
    assert "theirs" not in plan
    assert "agent" not in plan
    assert "files" not in plan
    synced.sync()
    with httpx.Client(headers=AGENT, timeout=30, trust_env=False) as client:
        wait_for(lambda: synced.call(client, "search", "good").status_code == 404, lambda: "still routed")
        assert synced.call(client, "files", "good").status_code == 200
    assert not [entity["name"] for entity in synced.entities("upstreams") if "search" in entity["name"]]
    assert synced.changes()[0] is False


@pytest.mark.requirement("DECK-022")
def test_what_somebody_changed_by_hand_is_shown_and_put_right(synced):
    (guard,) = [entity for entity in synced.entities("routes/mcp-files/plugins") if entity["name"] == "mcp-guard"]
    synced.admin("PATCH", f"plugins/{guard['id']}", config={"tools": {"allow": ["*"], "deny": []}})
    found, shown = synced.changes()
    assert found
    assert "updating plugin mcp-guard for route mcp-files" in shown
    synced.sync()
    assert synced.changes()[0] is False


BROKEN = {
    "an unknown field of the guard": lambda text: text.replace("tools:", "tolls:"),
    "a guard without a server": lambda text: text.replace("server: files", "# nothing"),
    "no YAML": lambda text: text + "services: [",
    "an unknown plugin": lambda text: text.replace("name: mcp-guard", "name: mcp-guart"),
    "a name that a route cannot have": lambda text: text.replace("name: mcp-files-stream", "name: 'mcp files?'"),
}


@pytest.mark.requirement("DECK-022")
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_before_anything_changes(synced, broken):
    before = {kind: synced.entities(kind) for kind in ("services", "routes", "plugins", "upstreams", "consumers")}
    path = synced.declare("files", {"allow": ["*"]})
    path.write_text(broken(path.read_text()))
    synced.declare("search", {"allow": ["*"]})
    refused = synced.deck("validate")
    assert refused.returncode != 0, refused.stdout
    assert {kind: synced.entities(kind) for kind in before} == before


class ServerFiles:
    """A folder of server files, and the commands that give it to a real decK."""

    def __init__(self, team, folder):
        self.team, self.folder = team, folder
        (folder / "deck").symlink_to(deck_binary())

    def declare(self, name, **more):
        path = self.folder / f"{name}.yaml"
        url = f"http://127.0.0.1:{self.team.servers[name].port}/mcp"
        path.write_text(yaml.safe_dump({"name": name, "replicas": [url], "tools": OPEN, **more}, sort_keys=False))
        return path

    def run(self, what, *flags):
        environment = self.team.node.environment
        return subprocess.run(
            [BIN / "kong-mcp", "deck", what, self.folder, "--", "--kong-addr", self.team.node.admin_url, *flags],
            env=environment | {"PATH": f"{self.folder}:{environment['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    def differs(self):
        """Whether `kong-mcp deck diff` finds a difference, and what it says: its exit status is decK's."""
        done = self.run("diff", "--non-zero-exit-code")
        assert done.returncode in {0, 2}, done.stdout + done.stderr
        return done.returncode == 2, done.stdout


@pytest.fixture
def files(team, tmp_path):
    files = ServerFiles(team, tmp_path)
    for name in ("files", "search"):
        files.declare(name)
    done = files.run("sync")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("files", "search"):
        team.wait_until_served(name)
    return files


@pytest.mark.requirement("DECK-073")
def test_server_files_are_synced_and_a_second_sync_finds_nothing_to_do(files):
    assert files.differs()[0] is False
    again = files.run("sync")
    assert (again.returncode, again.stdout) == (0, "Summary:\n  Created: 0\n  Updated: 0\n  Deleted: 0\n")
    # Somebody else's stays through it all.
    assert "theirs" in [entity["name"] for entity in files.team.entities("services")]


@pytest.mark.requirement("DECK-073")
def test_what_was_changed_by_hand_is_shown_by_a_diff_of_server_files_and_put_right_by_a_sync(files):
    (service,) = [entity for entity in files.team.entities("services") if entity["name"] == "mcp-files"]
    files.team.admin("PATCH", f"services/{service['id']}", read_timeout=1234)
    found, shown = files.differs()
    assert found
    assert "updating service mcp-files" in shown
    assert "1234" in shown
    assert files.run("sync").returncode == 0
    assert files.differs()[0] is False


@pytest.mark.requirement("DECK-073")
def test_a_server_whose_server_file_is_taken_away_is_gone(files):
    (files.folder / "search.yaml").unlink()
    assert files.differs()[0] is True
    assert files.run("sync").returncode == 0
    assert [entity["name"] for entity in files.team.entities("services") if "search" in entity["name"]] == []
    assert files.differs()[0] is False


BROKEN_FILES = {
    "an unknown field": lambda path: path.write_text(path.read_text() + "tolls: {}\n"),
    "no YAML": lambda path: path.write_text(path.read_text() + "a: [\n"),
    "a secret in plain text": lambda path: path.write_text(
        path.read_text() + "plugins:\n- name: key-auth\n  config: {password: 'hunter2-hunter2'}\n"
    ),
    "two servers of one name": lambda path: path.with_name("again.yaml").write_text(path.read_text()),
    "a replica without a scheme": lambda path: path.write_text(path.read_text().replace("http://", "")),
}


@pytest.mark.requirement("DECK-073")
@pytest.mark.parametrize("what", ["diff", "sync"])
@pytest.mark.parametrize("broken", BROKEN_FILES.values(), ids=BROKEN_FILES)
def test_while_a_server_file_is_broken_nothing_is_synced(team, tmp_path, broken, what):
    files = ServerFiles(team, tmp_path)
    files.declare("search", tools={"allow": ["*"]})
    broken(files.declare("files"))
    before = {kind: team.entities(kind) for kind in ("services", "routes", "plugins", "upstreams", "consumers")}
    refused = files.run(what)
    assert refused.returncode == 1
    assert ".yaml:" in refused.stderr + refused.stdout
    assert {kind: team.entities(kind) for kind in before} == before


@pytest.mark.requirement("SRV-040")
def test_an_upgrade_takes_a_new_dump_and_a_restart_of_kong_but_no_sync(synced, tmp_path):
    node, usual = synced.node, synced.node.plugin_server.command
    newer = other_plugins(tmp_path / "newer", priority=941)
    with httpx.Client(headers=JSON_HEADERS | AGENT, timeout=30, trust_env=False) as client:
        for command, plugins in ([*usual[:2], newer, *usual[3:]], newer), (usual, PLUGINS):
            node.plugin_server.stop()
            node.plugin_server.command = command
            node.start_plugin_server()
            assert verdict(client, synced.url("files"), "good") == "500"
            node.write_dump(plugins)
            node.stop_kong()
            node.start_kong()
            wait_for(lambda: verdict(client, synced.url("files"), "good") == "passed", lambda: node.error_log[-3000:])
            assert synced.changes()[0] is False
