"""Alerts by webhook, sent by a running sidecar to a receiver that checks the signature as it should."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import queue
import re
import threading
import time

import pytest

STARTED = int(time.time())
SECRET = "a-secret-for-webhooks-0123456789"
TOOL = {"name": "read", "description": "Reads a note."}
CHANGED = TOOL | {"description": "Writes a note."}


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes alerts, and answers with the statuses of `statuses`, then 204."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.alerts.put((dict(self.headers), body))
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_arguments):
        """Write nothing."""


@pytest.fixture
def receiver():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.alerts, server.statuses = queue.Queue(), []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def see(start, tmp_path, kong, words, receiver):
    """Have a sidecar with a webhook see tools, and return the sidecar."""
    guard = start(
        MCP_SIDECAR_STORE=str(tmp_path / "store.db"),
        MCP_SIDECAR_WEBHOOK_URL=f"http://127.0.0.1:{receiver.server_port}/hook",
        MCP_SIDECAR_WEBHOOK_SECRET=SECRET,
    )

    def see(*tools):
        text = json.dumps({"jsonrpc": "2.0", "id": 7, "result": {"tools": list(tools)}}).encode()
        kong.answers(words.json_answer(text))
        guard.ask(pins="enforce")
        return guard.sidecar

    return see


def alert(receiver):
    """Return the next alert, after a look at its signature."""
    headers, body = receiver.alerts.get(timeout=10)
    signed = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["kong-mcp-signature"])
    assert STARTED <= int(signed[1]) <= time.time()
    wanted = hmac.new(SECRET.encode(), signed[1].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(wanted, signed[2])
    return json.loads(body)


@pytest.mark.requirement("REV-010")
def test_a_change_that_waits_for_a_reviewer_is_told_and_a_clean_item_is_not(see, receiver, words):
    see(TOOL)
    sidecar = see(CHANGED)
    told = alert(receiver)
    assert (told["type"], told["server"], told["name"]) == ("surface.seen", "files", "read")
    assert (told["state"], told["fields"]) == ("quarantined", ["description"])
    assert receiver.alerts.empty()
    text = sidecar.log.read_text()
    assert '"event": "surface seen"' in text
    assert SECRET not in text
    assert "/hook" not in text
    words.until(lambda: 'webhooks_total{outcome="delivered"} 1.0' in metrics(sidecar, words))


def metrics(sidecar, words):
    return sidecar.get("/metrics", {"x-mcp-internal-key": words.internal_key}).body.decode()


@pytest.mark.requirement("REV-010")
def test_a_receiver_that_fails_is_tried_again(see, receiver):
    receiver.statuses = [500]
    see(TOOL)
    see(CHANGED)
    assert alert(receiver) == alert(receiver) | {}
