"""Alerts by webhook, sent by a running sidecar to a receiver that checks the signature as it should."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.server
import json
import queue
import re
import threading
import time

import anyio
import pytest
from prometheus_client import CollectorRegistry

from mcp_sidecar.surface.alerts import PER_SERVER, Alerts, Notice
from mcp_sidecar.surface.pin_metrics import PinMetrics

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
    return sidecar.get("/metrics", {"authorization": f"Bearer {words.metrics_token}"}).body.decode()


@pytest.mark.requirement("REV-010")
def test_a_receiver_that_fails_is_tried_again(see, receiver):
    receiver.statuses = [500]
    see(TOOL)
    see(CHANGED)
    assert alert(receiver) == alert(receiver) | {}


@pytest.fixture
def plain(start, receiver):
    """A sidecar with a webhook and without a store."""
    return start(
        MCP_SIDECAR_WEBHOOK_URL=f"http://127.0.0.1:{receiver.server_port}/hook", MCP_SIDECAR_WEBHOOK_SECRET=SECRET
    )


@pytest.mark.requirement("HEAD-007")
def test_an_answer_that_was_withheld_is_told_once_for_each_server(plain, kong, words, receiver):
    kong.answers(words.json_answer(b"{secret"))
    for server in ("files", "files", "notes", "files", "notes"):
        plain.ask(server=server, path=f"/inspect/{server}")
    first, second = alert(receiver), alert(receiver)
    at = first["at"]
    assert first == {
        "type": "answer.withheld",
        "at": at,
        "server": "files",
        "method": "tools/list",
        "reason": "text",
        "why": "answer: a text that is not one JSON message",
    }
    assert (second["type"], second["server"]) == ("answer.withheld", "notes")
    words.until(lambda: 'webhooks_total{outcome="delivered"} 2.0' in metrics(plain.sidecar, words))
    assert receiver.alerts.empty()


@pytest.mark.requirement("HEAD-007")
def test_an_answer_that_passes_and_a_refusal_of_a_server_raise_no_alert(plain, kong, words, receiver):
    kong.answers(words.json_answer(words.result("a")))
    plain.ask()
    kong.answers(words.json_answer(b"no", status="500 Oh"))
    plain.ask()
    kong.answers(words.json_answer(b"{secret"))
    plain.ask()
    assert alert(receiver)["reason"] == "text"
    assert receiver.alerts.empty()


@pytest.mark.requirement("HEAD-007")
def test_a_server_that_flaps_does_not_flood_the_webhook_nor_silence_other_servers():
    metrics = PinMetrics(CollectorRegistry())
    alerts = Alerts(metrics, "http://127.0.0.1:9/hook", b"secret")
    for number in range(PER_SERVER + 50):
        alerts.say(Notice(f"kind-{number}", "files"))
    alerts.say(Notice("kind-0", "notes"))
    posted = []
    with alerts._send, alerts._queue, contextlib.suppress(anyio.WouldBlock):
        while True:
            posted.append(alerts._queue.receive_nowait())
    assert [one["type"] for one in posted] == [*(f"kind-{n}" for n in range(PER_SERVER)), "alerts.limited", "kind-0"]
    limited = posted[PER_SERVER]
    assert (limited["server"], limited["most"], posted[-1]["server"]) == ("files", PER_SERVER, "notes")
    assert metrics.webhooks.labels("limited")._value.get() == 50
