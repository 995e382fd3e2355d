"""Servers whose session ids are long, as a JWT is: they are sealed, and come back to the server as they were."""

import contextlib
import json

import pytest

from e2e.harness import CONSUMERS, POLICY, Running, call
from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.servers import parse_server
from servers.hostile_server import ACCEPTED, NOT_ALLOWED, HostileServer, head

pytestmark = pytest.mark.slow
_CHARACTERS = "eyJhbGciOiJFUzI1NiJ9.-_~!"
_INFO = {"capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}, "protocolVersion": "2025-11-25"}
_RESULTS = {
    "initialize": _INFO,
    "tools/list": {"tools": [{"name": "good", "inputSchema": {"type": "object"}}]},
    "tools/call": {"content": [{"type": "text", "text": "done"}]},
}


class Named(HostileServer):
    """An MCP server whose client says by its name how long the session id shall be. It keeps what it was told."""

    def __init__(self):
        self.told = []
        super().__init__()

    def _answer(self, request, write):
        self.told.append((request.method, request.headers.get("mcp-session-id")))
        if request.method == "DELETE":
            write(head(length=0))
            return
        if request.method != "POST":
            write(NOT_ALLOWED)
            return
        message = json.loads(request.body)
        if "id" not in message:
            write(ACCEPTED)
            return
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": _RESULTS[message["method"]]}).encode()
        more = []
        if message["method"] == "initialize":
            more = [f"Mcp-Session-Id: {session_id(int(message['params']['clientInfo']['name']))}"]
        write(head("application/json", *more, length=len(body)) + body)


def session_id(length):
    return (_CHARACTERS * (length // len(_CHARACTERS) + 1))[:length]


@pytest.fixture(scope="module")
def running(kind):
    with contextlib.closing(Named()) as server:
        one = parse_server(f"notes=http://127.0.0.1:{server.port}/mcp")
        with run_dev(DevSettings([one], kind, port=0, policy=POLICY, consumers=CONSUMERS)) as dev:
            yield Running(dev, {"notes": server})


def _initialize(client, url, length):
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": str(length), "version": "1"},
    }
    return client.post(url, json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})


@pytest.mark.requirement("E2E-102")
@pytest.mark.parametrize("length", [1, 1024, 1025, 1500, 2048, 4096])
def test_a_session_id_of_any_honest_length_is_sealed_and_comes_back_as_it_was(running, length):
    server = running.servers["notes"]
    with running.client("bob") as client:
        answer = _initialize(client, running.url(), length)
        assert answer.status_code == 200, answer.text
        headers = {"Mcp-Session-Id": answer.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-11-25"}
        listed = client.post(running.url(), json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=headers)
        assert [tool["name"] for tool in listed.json()["result"]["tools"]] == ["good"]
        called = client.post(running.url(), json=call("good", arguments={}), headers=headers)
        assert called.json()["result"]["content"][0]["text"] == "done"
        assert client.delete(running.url(), headers=headers).status_code == 200
    assert [told for _, told in server.told[-3:]] == [session_id(length)] * 3


@pytest.mark.requirement("E2E-102")
def test_a_session_id_that_no_header_could_carry_back_is_an_error_that_says_so(running):
    with running.client("bob") as client:
        answer = _initialize(client, running.url(), 4097)
    assert "mcp-session-id" not in answer.headers
    assert answer.json()["id"] == 0
    assert "4096" in answer.json()["error"]["message"]
