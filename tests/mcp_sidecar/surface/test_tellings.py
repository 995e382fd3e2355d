"""Alerts for people: Slack's shape, and mail to a real SMTP listener."""

from __future__ import annotations

import email
import queue
import socketserver
import threading

import anyio
import pytest
from prometheus_client import CollectorRegistry

from mcp_sidecar.surface.alerts import Alerts, Notice
from mcp_sidecar.surface.pin_metrics import PinMetrics
from mcp_sidecar.surface.pin_settings import PIN_VARIABLES, PinSettings
from mcp_sidecar.surface.tellings import Mail, MailServer, addresses, lines, slack, subject

ALERT = {
    "type": "surface.seen",
    "at": 1_800_000_000,
    "server": "notes",
    "kind": "tools",
    "name": "x\r\nBcc: eve@example.com\u202e<!channel> `*_~",
    "state": "quarantined",
    "fields": [],
    "findings": [{"rule": "R", "path": "/description", "message": "It steers.", "excerpt": "<https://e|x>\n```"}],
}


class Handler(socketserver.StreamRequestHandler):
    """As much of SMTP (RFC 5321) as one message takes; the first connections are turned away as `busy` says."""

    def handle(self):
        if self.server.busy:
            self.server.busy -= 1
            self.wfile.write(b"421 busy\r\n")
            return
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                data = []
                while (line := self.rfile.readline()) != b".\r\n":
                    data.append(line)
                self.server.mails.put(b"".join(data))
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


@pytest.fixture
def smtp():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.mails, server.busy = queue.Queue(), 0
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def mail_by(smtp):
    return Mail(
        MailServer("127.0.0.1", smtp.server_address[1], secure=False), "gate@example.com", ("team@example.com",)
    )


@pytest.mark.requirement("TELL-001")
def test_slack_gets_a_text_in_which_nothing_is_markup():
    text = slack(ALERT)["text"]
    assert text.startswith("```\nkong-mcp surface.seen: notes\n")
    assert text.count("```") == 2
    assert not set("<>\u202e\r") & set(text)
    assert "&lt;!channel&gt;" in text


@pytest.mark.requirement("TELL-001")
def test_a_text_of_a_server_stays_on_its_line():
    found = list(lines(ALERT))
    assert all(one.isascii() and one.isprintable() for one in found)
    assert len(found) == 6
    assert "\n" not in subject({"type": "a\nb", "server": "c\r\nBcc: d"})


@pytest.mark.requirement("TELL-002")
def test_a_mail_has_the_alert_and_no_header_of_a_servers_making(smtp):
    mail_by(smtp).send(ALERT)
    told = email.message_from_bytes(smtp.mails.get(timeout=60))
    assert (told["Subject"], told["To"], told["Bcc"]) == ("kong-mcp surface.seen: notes", "team@example.com", None)
    assert "It steers. At /description" in told.get_payload()


@pytest.mark.requirement("TELL-002")
def test_an_alert_is_mailed_again_when_the_server_was_busy(smtp, monkeypatch):
    monkeypatch.setattr("mcp_sidecar.surface.alerts.FIRST_PAUSE", 0.01)
    smtp.busy = 2

    async def run():
        alerts = Alerts(PinMetrics(CollectorRegistry()), mail=mail_by(smtp))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(alerts.run)
            alerts.say(Notice("store.other", "notes", {"do": "look"}))
            with anyio.fail_after(60):
                told = await anyio.to_thread.run_sync(smtp.mails.get)
            tasks.cancel_scope.cancel()
        alerts.close()
        return told

    assert b"do: look" in anyio.run(run)
    assert smtp.mails.empty()


@pytest.mark.requirement("TELL-003")
@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("MCP_SIDECAR_MAIL_SERVER", "mail.example.com"),
        ("MCP_SIDECAR_MAIL_SERVER", "smtp://a:b@h"),
        ("MCP_SIDECAR_MAIL_SERVER", "http://h"),
        ("MCP_SIDECAR_MAIL_FROM", "a@b, c@d"),
        ("MCP_SIDECAR_MAIL_TO", "Team <a@b>"),
        ("MCP_SIDECAR_MAIL_TO", "a@b\r\nBcc: c@d"),
        ("MCP_SIDECAR_WEBHOOK_SHAPE", "teams"),
    ],
)
def test_what_cannot_be_mailed_by_is_refused_at_the_start(variable, text):
    with pytest.raises(ValueError, match="write"):
        PIN_VARIABLES[variable][1](text)


@pytest.mark.requirement("TELL-003")
def test_a_mail_server_needs_sender_receivers_and_its_users_password():
    server = MailServer.read("smtps://gate@mail.example.com")
    assert (server.port, server.secure, server.user) == (465, True, "gate")
    assert "MAIL_TO" in PinSettings(mail_server=server).problem()
    named = {"mail_server": server, "mail_from": "a@b", "mail_to": addresses("c@d, e@f")}
    assert "MAIL_PASSWORD" in PinSettings(**named).problem()
    assert PinSettings(**named, mail_password="x").problem() is None
    assert "x-secret" not in repr(PinSettings(**named, mail_password="x-secret"))
