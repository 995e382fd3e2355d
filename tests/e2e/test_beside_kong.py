"""A real Kong without a start command, its plugin server beside it: when that comes late, dies, or is another.

Nothing of it opens a route: the server behind never hears of a call that the guard has not let pass.
"""

import contextlib
import os
import re
import shutil

import httpx
import pytest
import yaml

from deck.support import DECK
from e2e.calls import Calls, kill_under_calls, verdict
from e2e.harness import JSON_HEADERS, modern
from servers.launch import replicas
from servers.own_kong import BIN, PLUGINS, OwnKong, other_plugins

pytestmark = [pytest.mark.long, pytest.mark.skipif(not shutil.which("kong"), reason="there is no kong on the PATH")]
AGENT = {"apikey": "agents-key-0123456789"}
NOBODY = 65534
# Imports what the plugin server needs, then goes on as somebody else, who may not be allowed to read this Python.
AS_ANOTHER = """import os, sys
import mcp_kong.guard, mcp_kong.snapshots, mcp_core.seal
from kong_pluginserver import cli
os.setgroups([int(sys.argv[2])])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[1]))
cli.main(sys.argv[3:])
"""


@contextlib.contextmanager
def own_kong(replica, **more):
    """A node, not started yet, that takes one server and one agent from decK files; calls need no sidecar on it."""
    node = OwnKong(**more)
    try:
        template = (DECK / "template.yaml").read_text(encoding="utf-8").replace("NAME", "notes")
        server = node.folder / "notes.yaml"
        server.write_text(template.replace("HOST:PORT", f"127.0.0.1:{replica.port}").replace('["*"]', "[good]"))
        agents = node.folder / "agents.yaml"
        agent = {"username": "agent", "keyauth_credentials": [{"key": AGENT["apikey"]}]}
        agents.write_text(yaml.safe_dump({"_format_version": "3.0", "consumers": [agent]}))
        node.load(DECK / "shared.yaml", DECK / "answers.yaml", server, agents)
        node.url = f"http://127.0.0.1:{node.port}/notes/mcp"
        yield node
    finally:
        node.close()


@pytest.fixture(scope="module")
def replica():
    with replicas("notes") as (one,):
        yield one


@pytest.fixture
def node(replica):
    with own_kong(replica) as node:
        yield node


@pytest.fixture
def client():
    with httpx.Client(headers=JSON_HEADERS | AGENT, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_unguarded(replica):
    """Whatever a test does, what the policy denies is never executed."""
    yield
    assert ["tool", "bad"] not in replica.executed()


@pytest.mark.requirement("SRV-044")
def test_until_the_plugin_server_is_there_every_route_is_closed_and_then_it_opens(node, client, replica):
    before = replica.executed()
    node.start_kong()
    assert [verdict(client, node.url, tool) for tool in ("good", "bad")] == ["500", "500"]
    assert replica.executed() == before
    node.start_plugin_server()
    assert [verdict(client, node.url, tool) for tool in ("good", "bad")] == ["passed", "refused"]


@pytest.mark.requirement("SRV-044")
def test_when_it_is_killed_calls_are_refused_and_when_it_is_back_they_pass(node):
    node.start_plugin_server()
    node.start_kong()
    kill_under_calls(node, AGENT)


@pytest.mark.requirement("SRV-044")
@pytest.mark.parametrize("passing", [False, True])
def test_a_restart_under_calls_lets_nothing_pass_unguarded(replica, passing):
    with own_kong(replica, passing=passing) as node:
        node.start_plugin_server()
        node.start_kong()
        with Calls(node.url, "good", AGENT) as good, Calls(node.url, "bad", AGENT) as bad:
            for _ in range(3):
                good.wait_for_more(20, "passed")
                node.plugin_server.stop()
                node.start_plugin_server()
            good.wait_for_more(20, "passed")
            bad.wait_for_more(20, "refused")
    assert set(good.verdicts) <= {"passed", "500"}
    assert set(bad.verdicts) <= {"refused", "500"}


@pytest.mark.requirement("SRV-043")
def test_what_comes_while_there_is_none_waits_for_the_next_server_where_systemd_keeps_the_socket(replica, client):
    with own_kong(replica, passing=True) as node:
        node.start_plugin_server()
        node.start_kong()
        for _ in range(3):
            assert [verdict(client, node.url, tool) for tool in ("good", "bad")] == ["passed", "refused"]
            node.plugin_server.stop()
            # Kong has seen the end of the connections that it keeps when it has answered something that came after.
            assert client.get(f"http://127.0.0.1:{node.port}/").status_code == 404
            with Calls(node.url, "good", AGENT) as good, Calls(node.url, "bad", AGENT) as bad:
                node.start_plugin_server()
                good.wait_for_more(20)
                bad.wait_for_more(20)
            assert set(good.verdicts) == {"passed"}
            assert set(bad.verdicts) == {"refused"}


@pytest.mark.requirement("SRV-040")
@pytest.mark.parametrize("changes", [{"priority": 1300}, {"Schema": "GUARD_SCHEMA[:-1]"}], ids=["priority", "fields"])
def test_a_dump_of_another_release_opens_nothing_and_the_log_says_so(node, client, replica, tmp_path, changes):
    before = replica.executed()
    node.write_dump(other_plugins(tmp_path / "other", **changes))
    node.start_plugin_server()
    node.start_kong()
    assert [verdict(client, node.url, tool) for tool in ("good", "bad", "good")] == ["500", "500", "500"]
    assert replica.executed() == before
    said = [event["message"] for event in node.plugin_server.events() if event["event"] == "instance_not_started"]
    assert said
    assert all("mcp-pluginserver --dump mcp-guard" in one and "restart Kong" in one for one in said)
    node.write_dump()
    node.stop_kong()
    node.start_kong()
    assert verdict(client, node.url, "good") == "passed"


@pytest.mark.requirement("SRV-040")
def test_a_dump_of_a_release_that_showed_nothing_opens_nothing(node, client):
    dump = node.dump.read_text()
    node.dump.write_text(re.sub(r', \{"described_[^}]*\}\}', "", dump))
    assert node.dump.read_text() != dump
    node.start_plugin_server()
    node.start_kong()
    assert verdict(client, node.url, "good") == "500"


def as_another(node, uid, gid, *options):
    """Have the plugin server run under another uid and gid than Kong."""
    command = [BIN / "python", "-c", AS_ANOTHER, str(uid), str(gid), "--plugins", PLUGINS, "--socket", node.socket]
    node.plugin_server.command = [*command, *options]


@pytest.mark.requirement("SRV-042")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_under_another_uid_kong_is_let_in_by_its_group_alone(node, client):
    node.values["nginx_user"] = "nobody nogroup"
    run = node.folder / "run"
    run.mkdir()
    os.chown(run, 12345, 12345)
    node.socket = run / "mcp.sock"
    node.values["pluginserver_mcp_guard_socket"] = str(node.socket)
    as_another(node, 12345, 12345)
    node.start_plugin_server()
    node.start_kong()
    assert [verdict(client, node.url, tool) for tool in ("good", "bad")] == ["500", "500"]
    assert "Permission denied" in node.error_log
    node.plugin_server.stop()
    as_another(node, 12345, NOBODY, "--socket-group", "nogroup")
    node.start_plugin_server()
    assert [verdict(client, node.url, tool) for tool in ("good", "bad")] == ["passed", "refused"]


@pytest.mark.requirement("SRV-042")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize(("buffer", "status"), [("64k", 503), ("4m", 200)])
def test_a_body_in_a_file_of_kong_s_is_refused_under_another_uid_and_a_larger_buffer_mends_it(
    node, client, buffer, status
):
    node.values |= {"nginx_user": "nobody nogroup", "nginx_http_client_body_buffer_size": buffer}
    os.chown(node.folder, 12345, NOBODY)
    as_another(node, 12345, NOBODY, "--socket-group", "nogroup")
    node.start_plugin_server()
    node.start_kong()
    request = modern("good")
    request["json"]["params"]["arguments"] = {"text": "x" * 500_000}
    assert client.post(node.url, **request).status_code == status
    assert verdict(client, node.url, "good") == "passed"
