"""A sidecar that has no processor for a while: Kong's checks get no answer, and lists are not taken from it at once."""

import contextlib
import json
import math
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from e2e.collectors_place import Sidecar
from e2e.harness import KINDS, modern, start
from servers.launch import wait_for

NOBODY_THERE = 503
GIVEN_UP, ANSWERED = "given up", "answered"
ANSWER = {"jsonrpc": "2.0", "id": 1, "result": {"tools": []}}


@pytest.fixture(params=KINDS)
def running(request):
    with start(request.param, {"notes": 1}) as gateway:
        yield gateway


class Starving:
    """How many of Kong's next checks get no answer, and what became of those that came, in order."""

    def __init__(self):
        self._left = 0.0
        self.seen = []

    def keep_from(self, checks):
        self.seen.clear()
        self._left = checks

    def takes(self):
        """Return whether the check that has just come gets no answer."""
        taken = self._left > 0
        self._left -= taken
        return taken


@contextlib.contextmanager
def in_its_place(running):
    """Listen where the sidecar did: lists are answered at once, and Kong's checks as the yielded Starving says."""
    starving = Starving()

    class Starved(BaseHTTPRequestHandler):
        def do_GET(self):
            if starving.takes():
                self.rfile.read(1)  # until Kong closes
                starving.seen.append(GIVEN_UP)
            else:
                self._answer(b"{}")
                starving.seen.append(ANSWERED)

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
            yield starving
        finally:
            starving.keep_from(0)
            server.shutdown()


def lists(running, client):
    asked = modern("")
    del asked["headers"]["Mcp-Name"], asked["json"]["params"]["name"], asked["json"]["params"]["arguments"]
    asked["json"]["method"] = asked["headers"]["Mcp-Method"] = "tools/list"
    return client.post(running.url(), **asked).status_code


@pytest.mark.requirement("HEALTH-010")
def test_lists_are_taken_from_a_sidecar_by_a_second_check_without_answer_and_given_back_by_one_with(running):
    with in_its_place(running) as starving, running.client("ada") as client:

        def asked():
            return lists(running, client)

        # Whoever checked or asked while nobody listened has taken it out.
        wait_for(lambda: asked() == 200, lambda: f"HTTP {asked()}", 30)
        starving.keep_from(1)
        while GIVEN_UP not in starving.seen or starving.seen[-1] != ANSWERED:
            assert asked() == 200, starving.seen
        starving.keep_from(math.inf)
        wait_for(lambda: asked() == NOBODY_THERE, lambda: f"{starving.seen}", 30)
        wait_for(lambda: starving.seen.count(GIVEN_UP) >= 2, lambda: f"{starving.seen}", 30)
        starving.keep_from(0)
        wait_for(lambda: asked() == 200, lambda: f"{starving.seen}", 30)
