"""`kong-mcp server` and `kong-mcp deck`: what they write and print, and the statuses that CI sees."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from kong_mcp.cli import main
from kong_mcp.declare.emit import yaml_text
from kong_mcp.declare.new_file import schema_for
from mcp_core.pins.states import Pinning, Trust
from mcp_core.servers import read_servers

TEXT = (
    "name: weather\ntitle: Weather\nowner: team-sky\nreplicas: ['http://10.0.0.7:8080/mcp']\n"
    "tools: {allow: ['get_*']}\n"
)
VARIABLES = {"DECK_MCP_SIDECAR_TARGET": "127.0.0.1:8790"}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "servers"
    folder.mkdir()
    (folder / "weather.yaml").write_text(TEXT, encoding="utf-8")
    return folder


def run(*arguments, **options):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], **options)


@pytest.mark.requirement("FILE-010")
def test_good_files_are_status_0(folder):
    done = run("server", "check", folder)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "1 server: good\n")


@pytest.mark.requirement("FILE-010")
@pytest.mark.requirement("FILE-001")
def test_a_bad_file_is_status_1_with_its_line(folder):
    (folder / "bad.yaml").write_text("name: bad\nreplicas: [h]\n", encoding="utf-8")
    done = run("server", "check", folder)
    assert done.exit_code == 1
    assert f"{folder}/bad.yaml:2: replicas[0]: found 'h'; write http://HOST:PORT/PATH" in done.stderr
    assert "1 to mend; nothing is rendered or synced until then" in done.stderr


@pytest.mark.requirement("FILE-010")
def test_a_warning_is_status_1_only_where_it_is_asked_for(folder):
    (folder / "open.yaml").write_text("name: open\nreplicas: ['http://h/mcp']\nauth: []\n", encoding="utf-8")
    assert run("server", "check", folder).exit_code == 0
    strict = run("server", "check", "--strict", folder)
    assert strict.exit_code == 1
    assert "open.yaml:3: warning: auth: " in strict.stderr


@pytest.mark.requirement("FILE-010")
@pytest.mark.requirement("FILE-006")
def test_problems_are_json_for_other_programs(folder, tmp_path):
    lock = tmp_path / "mcp.lock"
    lock.write_text("format: 1\nservers: {weather: {tool: {set_x: {digest: a}}}}\n")
    done = run("server", "check", "--json", "--lock", lock, folder)
    (one,) = json.loads(done.stdout)
    assert (done.exit_code, one["level"], one["line"], one["field"]) == (0, "warning", 5, "tools.allow[0]")
    lock.write_text("nonsense")
    assert "not a lock file" in run("server", "check", "--lock", lock, folder).stderr


@pytest.mark.requirement("FILE-010")
def test_add_writes_a_file_that_is_good(folder):
    options = {"--title": "Notes: all", "--owner": "me", "--tag": "production", "--path": "/team/notes", "--allow": "*"}
    options |= {"--deny": "delete_*", "--prompt": "p", "--resource": "note://*", "--pins": "enforce", "--dir": folder}
    words = [word for option in options.items() for word in option]
    done = run("server", "add", "notes", "https://a/mcp", "https://b/mcp", *words)
    assert done.exit_code == 0, done.stderr
    text = (folder / "notes.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == {
        "name": "notes",
        "title": "Notes: all",
        "owner": "me",
        "tags": ["production"],
        "replicas": ["https://a/mcp", "https://b/mcp"],
        "path": "/team/notes",
        "tools": {"allow": ["*"], "deny": ["delete_*"]},
        "prompts": {"allow": ["p"]},
        "resources": {"allow": ["note://*"]},
        "pins": {"mode": "enforce"},
    }
    assert text.startswith("name: notes\ntitle: 'Notes: all'\n")
    assert run("server", "check", folder).exit_code == 0


@pytest.mark.requirement("FILE-010")
@pytest.mark.parametrize(
    ("arguments", "explanation"),
    [
        (["Weather", "http://h/mcp"], "Weather.yaml:1: name: found 'Weather'; write a DNS label"),
        (["../evil", "http://h/mcp"], "write a DNS label"),
        (["a", "h:1/mcp"], "a.yaml:3: replicas[0]"),
        (["a", "http://h/mcp?api_key=v"], "query.api_key: found a secret in plain text; write {vault://"),
        (["a", "http://h/mcp?a=b&a=c"], "each name once"),
        (["a", "http://h/mcp?a=b", "http://i/mcp?a=c"], "the same query in the URL of every replica"),
        (["a", "http://h/mcp?a=x{vault://env/k}"], "stands alone"),
        (["a", "http://h/mcp", "http://h/other"], "may differ in host and port only"),
        (["a", "http://h/mcp", "--path", "/weather/mcp"], "at /weather/mcp already"),
        (["weather-sessions", "http://h/mcp"], "mcp-weather-sessions twice"),
        (["weather", "http://h/mcp"], "weather.yaml is there already"),
        (["a", "http://h/mcp", "--owner", "a\nb"], "write it on one line"),
    ],
)
def test_add_writes_nothing_that_is_not_good_and_new(folder, arguments, explanation):
    before = sorted(folder.parent.rglob("*"))
    done = run("server", "add", *arguments, "--dir", folder)
    assert done.exit_code == 1
    assert explanation in done.stderr
    assert sorted(folder.parent.rglob("*")) == before
    assert (folder / "weather.yaml").read_text(encoding="utf-8") == TEXT


@pytest.mark.requirement("ROUTE-083")
def test_add_takes_the_query_out_of_the_urls(tmp_path):
    urls = [f"https://{host}/mcp?plan=basic&api_key={{vault://env/maps-key}}" for host in ("a.example", "b.example")]
    assert run("server", "add", "maps", *urls, "--allow", "*", "--dir", tmp_path).exit_code == 0
    written = yaml.safe_load((tmp_path / "maps.yaml").read_text(encoding="utf-8"))
    assert written["replicas"] == ["https://a.example/mcp", "https://b.example/mcp"]
    assert written["query"] == {"plan": "basic", "api_key": "{vault://env/maps-key}"}
    assert run("server", "check", tmp_path).exit_code == 0


def test_add_makes_the_folder_and_says_that_nothing_is_allowed_yet(tmp_path):
    done = run("server", "add", "a", "http://h/mcp", "--dir", tmp_path / "new")
    assert done.exit_code == 0
    assert "agents see nothing of it yet" in done.stderr


def test_the_first_line_leads_editors_to_the_schema_where_there_is_one(tmp_path):
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec" / "server-file.schema.json").write_text("{}")
    (tmp_path / "deck" / "servers").mkdir(parents=True)
    assert schema_for(tmp_path / "deck" / "servers") == "../../spec/server-file.schema.json"
    done = run("server", "add", "a", "http://h/mcp", "--dir", tmp_path / "deck" / "servers")
    assert done.exit_code == 0
    first = (tmp_path / "deck" / "servers" / "a.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../../spec/server-file.schema.json"


@pytest.mark.requirement("FILE-010")
def test_servers_are_listed_and_shown(folder):
    table = run("server", "list", folder).stdout.splitlines()
    assert table[0].split() == ["NAME", "PATH", "REPLICAS", "OWNER", "TITLE"]
    assert table[1].split() == ["weather", "/weather/mcp", "1", "team-sky", "Weather"]
    (one,) = json.loads(run("server", "list", "--json", folder).stdout)
    assert (one["name"], one["path"], one["owner"]) == ("weather", "/weather/mcp", "team-sky")
    shown = run("server", "show", "weather", folder).stdout
    assert "agents find it at /weather/mcp" in shown
    assert "upstreams in Kong: mcp-weather, mcp-weather-sessions" in shown
    assert json.loads(run("server", "show", "weather", "--json", folder).stdout)["written"]["tools"] == {
        "allow": ["get_*"]
    }
    none = run("server", "show", "wether", folder)
    assert (none.exit_code, "there is no server wether; there are: weather" in none.stderr) == (1, True)


@pytest.mark.requirement("FILE-001")
@pytest.mark.parametrize("command", [["deck", "render"], ["deck", "diff"], ["deck", "sync"], ["server", "list"]])
def test_nothing_is_made_of_a_folder_with_a_bad_file(folder, command, deck):
    (folder / "bad.yaml").write_text("name: bad\n", encoding="utf-8")
    done = run(*command, folder, env=VARIABLES)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "bad.yaml:1: found no replicas" in done.stderr
    assert not deck.called.exists()


def test_a_state_is_written_whole_and_compared(folder, tmp_path):
    out = tmp_path / "state.yaml"
    assert run("deck", "render", folder, "--out", out, "--check").exit_code == 1
    assert run("deck", "render", folder, "--out", out).exit_code == 0
    assert run("deck", "render", folder, "--out", out, "--check").exit_code == 0
    assert run("deck", "render", folder).stdout == out.read_text(encoding="utf-8")
    out.write_text(out.read_text(encoding="utf-8") + "# mine\n")
    stale = run("deck", "render", folder, "--out", out, "--check")
    assert (stale.exit_code, "is stale: kong-mcp deck render" in stale.stderr) == (1, True)
    assert out.read_text(encoding="utf-8").endswith("# mine\n")
    assert {path.name for path in tmp_path.iterdir()} == {"servers", "state.yaml"}
    assert run("deck", "render", folder, "--check").exit_code == 2


def test_what_is_in_the_state_may_be_chosen(folder, tmp_path):
    def state(*options):
        return yaml.safe_load(run("deck", "render", folder, *options).stdout)

    assert [plugin["name"] for plugin in state()["plugins"]] == ["mcp-answers"]
    assert "plugins" not in state("--no-answers")
    alone = state("--no-shared")
    assert "consumers" not in alone
    assert alone["_info"]["select_tags"] == ["kong-mcp-servers"]
    assert run("deck", "render", folder, "--tag", "a,b").exit_code == 2
    assert state("--tag", "team-sky")["_info"]["select_tags"] == ["team-sky"]
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml_text({"_format_version": "3.0", "upstreams": [{"name": "closed"}]}))
    assert len(state("--shared-file", mine)["upstreams"]) == 3
    mine.write_text("services: []\n")
    assert "not decK state" in run("deck", "render", folder, "--shared-file", mine).stderr


class Deck:
    """A program called deck that writes down how it was called."""

    def __init__(self, folder: Path):
        self.called = folder / "called.json"
        self.folder = folder / "bin"
        self.folder.mkdir()
        program = self.folder / "deck"
        program.write_text(
            f"#!{sys.executable}\nimport json, os, sys\n"
            f"json.dump([sys.argv[1:], sys.stdin.read()], open({str(self.called)!r}, 'w'))\n"
            "sys.exit(int(os.environ.get('DECK_STATUS', 0)))\n"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def deck(tmp_path, monkeypatch):
    deck = Deck(tmp_path)
    monkeypatch.setenv("PATH", f"{deck.folder}{os.pathsep}{os.environ['PATH']}")
    return deck


@pytest.mark.requirement("FILE-009")
@pytest.mark.parametrize("command", ["diff", "sync"])
def test_deck_is_called_with_the_state_and_its_flags_and_its_status_is_kept(folder, deck, command):
    environment = {**VARIABLES, "DECK_STATUS": "2"}
    done = run("deck", command, folder, "--", "--kong-addr", "http://127.0.0.1:1", env=environment)
    assert done.exit_code == 2
    arguments, text = json.loads(deck.called.read_text())
    assert arguments == ["gateway", command, "-", "--kong-addr", "http://127.0.0.1:1"]
    assert text == run("deck", "render", folder).stdout


@pytest.mark.requirement("FILE-009")
def test_deck_is_not_called_while_a_variable_is_missing(folder, deck):
    done = run("deck", "sync", folder, env={"DECK_MCP_SIDECAR_TARGET": None})
    assert done.exit_code == 1
    assert "set DECK_MCP_SIDECAR_TARGET in the environment" in done.stderr
    assert not deck.called.exists()


@pytest.mark.requirement("FILE-009")
def test_a_deck_that_is_not_there_is_said(folder, tmp_path):
    done = run("deck", "sync", folder, env={**VARIABLES, "PATH": str(tmp_path)})
    assert (done.exit_code, "there is no `deck` on the PATH" in done.stderr) == (1, True)


@pytest.mark.parametrize("command", [["server"], ["server", "add"], ["server", "check"], ["deck"], ["deck", "sync"]])
def test_the_help_has_an_example(command):
    done = run(*command, "--help")
    assert done.exit_code == 0
    assert f"kong-mcp {command[0]} " in done.stdout.split("\n\n", 2)[2]


@pytest.mark.requirement("FILE-081")
def test_the_servers_are_listed_for_the_sidecar_beside_the_state_for_kong(folder, tmp_path):
    out, state = tmp_path / "servers.json", tmp_path / "state.yaml"
    text = "pins: {mode: enforce, trust: known}\ntls: {verify: false}\n"
    (folder / "weather.yaml").write_text(TEXT.replace("http:", "https:") + text, encoding="utf-8")
    assert run("deck", "render", folder, "--servers-out", out, "--out", state, "--check").exit_code == 1
    assert run("deck", "render", folder, "--servers-out", out, "--out", state).exit_code == 0
    assert run("deck", "render", folder, "--servers-out", out, "--out", state, "--check").exit_code == 0
    (one,) = read_servers(out.read_bytes()).values()
    assert (one.name, one.title, one.owner, one.path) == ("weather", "Weather", "team-sky", "/weather/mcp")
    assert one.replicas == ("https://10.0.0.7:8080/mcp",)
    assert (one.verified, one.pins, one.trust) == (False, Pinning.ENFORCE, Trust.KNOWN)
    assert one.policy["tools"] == {"allow": ["get_*"]}
    upstreams = [upstream["name"] for upstream in yaml.safe_load(state.read_text(encoding="utf-8"))["upstreams"]]
    assert (one.address.upstream in upstreams, one.address.scheme, one.address.path) == (True, "https", "/mcp")


@pytest.mark.requirement("FILE-081")
def test_nothing_is_listed_while_a_file_must_be_mended_or_the_list_is_stale(folder, tmp_path):
    out, state = tmp_path / "servers.json", tmp_path / "state.yaml"
    assert run("deck", "render", folder, "--servers-out", out, "--out", state).exit_code == 0
    out.write_text("{}", encoding="utf-8")
    stale = run("deck", "render", folder, "--servers-out", out, "--out", state, "--check")
    assert (stale.exit_code, f"--servers-out {out}" in stale.stderr) == (1, True)
    (folder / "other.yaml").write_text("name: Other\n", encoding="utf-8")
    assert run("deck", "render", folder, "--servers-out", out).exit_code == 1
    assert out.read_text(encoding="utf-8") == "{}"


def logging(state):
    """Return the log plugins of a state by service."""
    return {
        service["name"]: [plugin["name"] for plugin in service.get("plugins", ()) if plugin["name"] == "http-log"]
        for service in state["services"]
    }


@pytest.mark.requirement("TEL-011")
def test_mcp_answers_tells_the_collector_when_it_is_asked_for(folder):
    plain = yaml.safe_load(run("deck", "render", folder).stdout)
    collected = yaml.safe_load(run("deck", "render", "--collector", folder).stdout)
    (quiet,), (answers,) = (
        [plugin for plugin in state["plugins"] if plugin["name"] == "mcp-answers"] for state in (plain, collected)
    )
    assert "collector" not in quiet["config"]
    collector = answers["config"]["collector"]
    assert collector["http_endpoint"] == 'http://${{ env "DECK_MCP_SIDECAR_TARGET" }}/collector'
    assert collector["token"] == '${{ env "DECK_MCP_COLLECTOR_TOKEN" }}'
    assert collector["queue"]["max_batch_size"] == 400
    assert "mcp-collector" not in plain["_plugin_configs"].keys() | collected["_plugin_configs"].keys()
    assert not any(logging(collected).values())


@pytest.mark.requirement("TEL-011")
def test_without_mcp_answers_an_http_log_of_each_server_tells_and_leaves_out_what_may_be_secret(folder):
    collected = yaml.safe_load(run("deck", "render", "--collector", "--no-answers", folder).stdout)
    config = collected["_plugin_configs"]["mcp-collector"]
    assert {"request.headers", "request.uri", "request.url", "request.querystring"} <= config[
        "custom_fields_by_lua"
    ].keys()
    assert logging(collected) == {"mcp-internal": [], "mcp-internal-stream": [], "mcp-weather": ["http-log"]}
    weather = next(service for service in collected["services"] if service["name"] == "mcp-weather")
    assert {tag for plugin in weather["plugins"] for tag in plugin["tags"]} == {"kong-mcp", "kong-mcp-server-weather"}


@pytest.mark.requirement("TEL-011")
def test_a_plugin_that_runs_for_some_services_does_not_tell_of_all(folder, tmp_path):
    shared = tmp_path / "shared.yaml"
    own = "{name: mcp-answers, service: {name: mcp-weather}}"
    shared.write_text(f'_format_version: "3.0"\nplugins: [{own}]\n', encoding="utf-8")
    collected = yaml.safe_load(run("deck", "render", "--collector", "--shared-file", shared, folder).stdout)
    assert logging(collected)["mcp-weather"] == ["http-log"]


@pytest.mark.requirement("TEL-011")
def test_a_server_with_an_http_log_of_its_own_is_refused_by_line(folder):
    own = "plugins:\n- name: http-log\n  config: {http_endpoint: 'http://logs/'}\n"
    (folder / "weather.yaml").write_text(TEXT + own, encoding="utf-8")
    assert run("deck", "render", "--collector", folder).exit_code == 0
    refused = run("deck", "render", "--collector", "--no-answers", folder)
    assert refused.exit_code == 1
    assert "weather.yaml:6: found http-log" in refused.stderr
    assert "render without --collector" in refused.stderr
