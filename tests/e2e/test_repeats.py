"""A server that has too much to do gets a list three times at most, and once where it says when to come back."""

import contextlib
import http.server
import threading

import pytest

from e2e.harness import CONSUMERS, JSON_HEADERS, KINDS, POLICY, Running
from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.servers import parse_server

pytestmark = pytest.mark.slow
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


class Counting(http.server.ThreadingHTTPServer):
    """Counts what is posted to it, and answers it all alike: with a status and headers, or, without one, not at all."""

    daemon_threads = True

    def __init__(self, status, headers):
        self.count = 0
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_said):
                pass

            def do_GET(self):
                self.send_response(405)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                owner.count += 1
                self.close_connection = True
                if status is not None:
                    self.send_response(status)
                    for name, value in {**headers, "Content-Length": "0", "Connection": "close"}.items():
                        self.send_header(name, value)
                    self.end_headers()

        super().__init__(("127.0.0.1", 0), Handler)


SERVERS = {
    "busy": (503, {}),
    "later": (503, {"Retry-After": "7"}),
    "limited": (429, {"Retry-After": "7"}),
    "broken": (None, {}),
    "called": (None, {}),
}
"""What each of them answers to everything."""


@pytest.fixture(scope="module", params=KINDS)
def counted(request):
    """A gateway in front of them, and what counts."""
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(Counting(*answer)) for name, answer in SERVERS.items()}
        for server in servers.values():
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        parsed = [parse_server(f"{name}=http://127.0.0.1:{one.server_address[1]}/mcp") for name, one in servers.items()]
        settings = DevSettings(parsed, request.param, port=0, policy=POLICY, consumers=CONSUMERS, store=None)
        yield Running(stack.enter_context(run_dev(settings)), {}), servers


@pytest.mark.requirement("SIDE-042")
@pytest.mark.parametrize("name", ["busy", "broken"])
def test_a_server_that_cannot_answer_gets_a_list_three_times_at_most(counted, name):
    running, servers = counted
    with running.client("bob") as client:
        answer = client.post(running.url(name), json=LIST, headers=JSON_HEADERS)
    assert answer.status_code in (502, 503)
    assert answer.json()["id"] == 1
    assert servers[name].count == 3


@pytest.mark.requirement("SIDE-041")
@pytest.mark.parametrize("name", ["later", "limited"])
def test_a_server_that_says_when_to_come_back_gets_it_once_and_the_agent_hears_when(counted, name):
    running, servers = counted
    with running.client("bob") as client:
        answer = client.post(running.url(name), json=LIST, headers=JSON_HEADERS)
    assert (answer.status_code, answer.headers["retry-after"]) == (SERVERS[name][0], "7")
    assert answer.json()["id"] == 1
    assert servers[name].count == 1


@pytest.mark.requirement("SIDE-042")
def test_a_call_is_sent_once(counted):
    running, servers = counted
    with running.client("bob") as client:
        call = LIST | {"method": "tools/call", "params": {"name": "good", "arguments": {}}}
        client.post(running.url("called"), json=call, headers=JSON_HEADERS)
    assert servers["called"].count == 1
