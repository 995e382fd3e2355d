"""Servers that want a query in their URL, as hosted ones do: on every way, and in nobody's sight."""

import contextlib
import json
import time

import httpx
import pytest
import yaml

from e2e.harness import CONSUMERS, JSON_HEADERS, KINDS, Running, call, modern
from e2e.test_headers import message
from e2e.test_sessions import initialize
from kong_mcp import dev
from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.servers import ServerSpecError, parse_server
from mcp_core.errand import Address, Errand, ErrandSigner
from mcp_core.seal import parse_keys
from servers.launch import Replica, wait_for

pytestmark = pytest.mark.long

SECRET = "0f-the server/&=1"
QUERY = "api_key=0f-the%20server%2F%26%3D1&plan=basic"
POLICY = {"tools": {"allow": ["good"]}, "pins": {"mode": "monitor"}}


@contextlib.contextmanager
def asked_with_a_query(kind, folder=None, text="plan=basic&api_key={vault://env/notes-key}", options=()):
    """Run a server that is asked with a query, its key in the environment, and Kong's own log of each request."""
    written = dev.write_state

    def write_state(*arguments, **more):
        path = written(*arguments, **more)
        if folder is not None:
            state = yaml.safe_load(path.read_text())
            state.setdefault("plugins", []).append({"name": "file-log", "config": {"path": str(folder / "records")}})
            path.write_text(yaml.safe_dump(state))
        return path

    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setenv("NOTES_KEY", SECRET)
        patch.setattr(dev, "write_state", write_state)
        replica = Replica("notes-1", *options)
        stack.callback(replica.kill)
        servers = [parse_server(f"notes={replica.url}?{text}")]
        settings = DevSettings(servers, kind, port=0, policy=POLICY, consumers=CONSUMERS)
        yield Running(stack.enter_context(run_dev(settings)), {"notes": [replica]})


def everything(running, suffix=""):
    """Ask all that an agent may ask: initialize, calls, lists, a stream, an end, in both eras, each with a suffix."""
    url = running.url() + suffix
    listed = message("tools/list", _meta=modern("good")["json"]["params"]["_meta"])
    said = []
    with running.client("bob") as client:
        headers = initialize(client, url)
        said += [client.post(url, json=one, headers=headers) for one in (call("good"), message("tools/list"))]
        with client.stream("GET", url, headers=headers | JSON_HEADERS | {"Accept": "text/event-stream"}) as stream:
            said.append(stream)
        said.append(client.delete(url, headers=headers))
        said.append(client.post(url, **modern("good")))
        said.append(
            client.post(url, json=listed, headers={"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"})
        )
    assert [one.status_code for one in said] == [200] * len(said)
    return said


@pytest.mark.skipif("kong" not in KINDS, reason="no Kong on the PATH, whose log plugins are looked at")
@pytest.mark.requirement("ROUTE-301")
def test_a_word_that_came_too_late_is_in_no_record_of_kongs(tmp_path):
    with asked_with_a_query("kong", tmp_path) as running:
        late = Errand(Address("mcp-notes", "http", "/mcp", QUERY), "POST /notes", "a1", int(time.time()) - 1)
        said = ErrandSigner(parse_keys(running.dev.settings.keys)).sign(late)
        headers = {"Host": "mcp-internal", "Mcp-Gateway-Target": said, "X-Last": "yes"}
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.post(f"http://127.0.0.1:{running.dev.port}/notes", json=call("good"), headers=headers)
        assert answer.status_code == 404
        written = tmp_path / "records"
        wait_for(lambda: written.exists() and "x-last" in written.read_text(), lambda: "no record")
        records = written.read_text()
        assert said not in records
        assert "mcp-gateway-target" not in records


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.requirement("ROUTE-086")
def test_a_server_is_asked_with_its_query_alone_on_every_way_and_nobody_else_sees_it(kind, tmp_path):
    with asked_with_a_query(kind, tmp_path if kind == "kong" else None) as running:
        replica = running.servers["notes"][0]
        for suffix in ("", "?api_key=agents", "?api_key=agents&plan=gold&x=y", "?", "?%61pi_key=agents;plan=gold"):
            before = len(replica.targets())
            answers = everything(running, suffix)
            assert set(replica.targets()[before:]) == {f"/mcp?{QUERY}"}
            for answer in answers:
                told = str(answer.headers) + ("" if answer.is_stream_consumed is False else answer.text)
                assert "0f-the" not in told
        if kind == "kong":
            wait_for(lambda: len((tmp_path / "records").read_text().splitlines()) >= 60, lambda: "too few records")
            records = (tmp_path / "records").read_text()
            assert "0f-the" not in records
        for path in running.dev.folder.rglob("*"):
            # The gateway runs: what it writes for a moment, and moves, may be gone.
            with contextlib.suppress(FileNotFoundError):
                assert not path.is_file() or b"0f-the" not in path.read_bytes(), path


@pytest.mark.requirement("ROUTE-087")
def test_a_local_gateway_says_which_variable_the_environment_has_not():
    with (
        pytest.raises(ServerSpecError, match="no NOBODYS_KEY, which its query's api_key"),
        asked_with_a_query("devkit", text="plan=basic&api_key={vault://env/nobodys-key}"),
    ):
        pass


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.requirement("ROUTE-088")
def test_the_old_transports_messages_go_where_the_server_says_without_the_query_of_its_stream(kind):
    """As clients do: what a stream announces is a URI of its own (RFC 3986, section 5.2)."""
    with asked_with_a_query(kind, options=["--sse"]) as running, running.client("bob") as client:
        replica = running.servers["notes"][0]
        with client.stream("GET", running.url(), headers={"Accept": "text/event-stream"}) as stream:
            lines = stream.iter_lines()
            place = next(line.removeprefix("data: ") for line in lines if line.startswith("data: "))
            assert "0f-the" not in place
            client.post(running.url().replace("/notes/mcp", "") + place, json=message("initialize", **OPENING))
            answer = next(line for line in lines if line.startswith("data: "))
        assert json.loads(answer.removeprefix("data: "))["result"]["serverInfo"]
        opened, *posted = replica.targets()
        assert opened == f"/sse?{QUERY}"
        assert posted
        assert all("api_key" not in one and "session" in one for one in posted)


OPENING = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
