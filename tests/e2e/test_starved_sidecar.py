"""A sidecar that has no processor for a while: Kong's checks get no answer, and lists are not taken from it at once."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from e2e.collectors_place import Sidecar
from e2e.harness import KINDS, modern, start
from servers.launch import wait_for

NOBODY_THERE = 503
ANSWER = {"jsonrpc": "2.0", "id": 1, "result": {"tools": []}}


@pytest.fixture(params=KINDS)
def running(request):
    with start(request.param, {"notes": 1}) as gateway:
        yield gateway


@contextlib.contextmanager
def in_its_place(running):
    """Listen where the sidecar did: lists are answered at once, and Kong's checks while `well` is set.

    Gives (well, how many checks in a row Kong gave up).
    """
    well, given_up = threading.Event(), []
    well.set()

    class Starved(BaseHTTPRequestHandler):
        def do_GET(self):
            if not well.is_set():
                self.rfile.read(1)  # until Kong closes
                given_up.append(self.path)
                return
            given_up.clear()
            self._answer(b"{}")

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(json.dumps(ANSWER).encode())

        def _answer(self, body):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    Sidecar(running.dev.sidecar).kill()
    with ThreadingHTTPServer(("127.0.0.1", running.dev.sidecar_port), Starved) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield well, given_up
        finally:
            well.set()
            server.shutdown()


def lists(running, client):
    asked = modern("")
    del asked["headers"]["Mcp-Name"], asked["json"]["params"]["name"], asked["json"]["params"]["arguments"]
    asked["json"]["method"] = asked["headers"]["Mcp-Method"] = "tools/list"
    return client.post(running.url(), **asked).status_code


@pytest.mark.requirement("HEALTH-010")
def test_lists_are_taken_from_a_sidecar_by_a_second_check_without_answer_and_given_back_by_one_with(running):
    with in_its_place(running) as (well, given_up), running.client("ada") as client:
        # Whoever checked or asked while nobody listened has taken it out.
        wait_for(lambda: lists(running, client) == 200, lambda: f"HTTP {lists(running, client)}", 30)
        well.clear()
        wait_for(lambda: len(given_up) == 1, lambda: f"{given_up}", 30)
        assert lists(running, client) == 200
        wait_for(lambda: lists(running, client) == NOBODY_THERE, lambda: f"{given_up}", 30)
        assert len(given_up) >= 2
        well.set()
        wait_for(lambda: lists(running, client) == 200, lambda: f"{given_up}", 30)
