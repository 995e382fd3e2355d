"""Health checks hurt nobody: a replica that takes connections is never asked, and one that is back is asked once."""

import contextlib
import json
import threading

import httpx
import pytest

from e2e.harness import CONSUMERS, POLICY, Running, call, modern
from kong_mcp.dev import DevSettings, free_port, run_dev
from kong_mcp.servers import parse_server
from servers.hostile_server import NOT_ALLOWED, HostileServer, head
from servers.launch import wait_for

pytestmark = [pytest.mark.long, pytest.mark.slow]
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Counting(HostileServer):
    """An MCP server that writes down what reached it, each connection too. A GET gets some bytes, or nothing ever."""

    def __init__(self, port=0, got=NOT_ALLOWED, status=b"200 OK"):
        self.requests, self.connections = [], 0
        self._got, self._status, self._closed = got, status, threading.Event()
        super().__init__(port=port)

    def _serve(self, connection):
        self.connections += 1
        super()._serve(connection)

    def close(self):
        self._closed.set()
        super().close()

    def _answer(self, request, write):
        self.requests.append((request.method, request.target))
        if request.method != "POST":
            self._closed.wait() if self._got is None else write(self._got)
            return
        message = json.loads(request.body)
        text = {"content": [{"type": "text", "text": str(self.port)}], "resultType": "complete"}
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": text}).encode()
        write(head(length=len(body)).replace(b"200 OK", self._status) + body)


@contextlib.contextmanager
def gateway(kind, *ports):
    """Run a gateway in front of one server with replicas at these ports."""
    server = parse_server("notes=" + ",".join(f"http://127.0.0.1:{port}/mcp" for port in ports))
    with run_dev(DevSettings([server], kind, port=0, policy=POLICY, consumers=CONSUMERS)) as dev:
        yield Running(dev, {})


def ask(running):
    """Call a tool, and return the status and the text."""
    with running.client("bob") as client:
        answer = client.post(running.url(), **modern("good"))
    return answer.status_code, answer.text


def ask_both(running):
    """Call so often that some call is tried on each of two replicas, whichever way it takes."""
    for _ in range(20):
        assert ask(running)[0] == 200


@pytest.mark.requirement("E2E-028")
def test_a_replica_that_takes_connections_is_never_asked_and_one_that_is_back_is_asked_once(kind):
    port = free_port()
    with contextlib.closing(Counting()) as well, gateway(kind, well.port, port) as running:
        ask_both(running)
        with contextlib.closing(Counting(port)) as back:
            wait_for(lambda: str(port) in ask(running)[1], lambda: "the replica that is back is not used")
            asked = [request for request in back.requests if request[0] != "POST"]
            assert asked == [("GET", "/.well-known/kong-mcp-alive")]
    assert {method for method, _ in well.requests} == {"POST"}
    assert {target for _, target in [*well.requests, *back.requests]} == {"/mcp", "/.well-known/kong-mcp-alive"}
    assert well.connections == len(well.requests)


@pytest.mark.requirement("E2E-028")
@pytest.mark.parametrize("got", [FAILED, b"", None], ids=["500", "a connection that breaks", "no head"])
def test_a_server_whose_get_fails_stays_up(kind, got):
    other = free_port()
    with contextlib.closing(Counting(got=got)) as server, gateway(kind, server.port, other) as running:
        with running.client("bob") as client:
            for _ in range(3):
                with contextlib.suppress(httpx.ReadTimeout):
                    client.get(running.url(), headers={"Accept": "text/event-stream"}, timeout=1)
        ask_both(running)
        # The other replica is gone and is asked until it is back: so checks ran, and this one was not among them.
        with contextlib.closing(Counting(other, got=FAILED)) as back:
            wait_for(lambda: str(other) in ask(running)[1], lambda: "the replica that is back is not used")
            assert ("GET", "/.well-known/kong-mcp-alive") in back.requests
        assert ask(running)[0] == 200
    assert ("GET", "/.well-known/kong-mcp-alive") not in server.requests


@pytest.mark.requirement("E2E-029")
def test_a_tool_s_http_503_closes_nothing(kind):
    with (
        contextlib.closing(Counting(status=b"503 Service Unavailable")) as server,
        gateway(kind, server.port) as running,
    ):
        for _ in range(6):
            status, text = ask(running)
            assert status == 503
            assert "peer" not in text
        assert len(server.requests) == 6
        with running.client("bob") as client:
            assert client.post(running.url(), json=call("bad")).json()["error"]["message"] == "Unknown tool: bad"
