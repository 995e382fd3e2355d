"""An alert as people read it: in the shape of Slack, and as e-mail. Texts of servers are in ASCII, line by line."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from enum import StrEnum
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from mcp_core.scan.excerpt import escaped

MAIL_SECONDS: Final = 20.0
"""How long a mail server may take for one step."""
_MOST: Final = 300
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+")
_PORTS: Final = {"smtp": 25, "smtps": 465}


class WebhookShape(StrEnum):
    """What the webhook gets."""

    JSON = "json"
    """The alert as it is."""
    SLACK = "slack"
    """A text, as Slack's incoming webhooks take it, and Mattermost's and others' too."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in: by TLS from the start (smtps), or as SMTP has it; with a user STARTTLS is a must."""

    host: str
    port: int
    secure: bool
    user: str = ""

    @classmethod
    def read(cls, text: str) -> MailServer:
        """Read smtp://HOST:PORT or smtps://USER@HOST:PORT. Raises ValueError."""
        url = urlsplit(text)
        extra = url.path not in ("", "/") or url.query or url.fragment or url.password is not None
        if url.scheme not in _PORTS or not url.hostname or extra or not text.isascii() or not text.isprintable():
            raise ValueError("write smtp://HOST:PORT or smtps://USER@HOST:PORT; the password has a variable of its own")
        port = url.port or _PORTS[url.scheme]
        return cls(url.hostname, port, url.scheme == "smtps", unquote(url.username or ""))


@dataclass(frozen=True, slots=True)
class Mail:
    """How alerts are mailed. `trust` is what vouches for the server's certificate, None for the system's."""

    server: MailServer
    sender: str
    receivers: tuple[str, ...]
    password: str = field(default="", repr=False)
    trust: ssl.SSLContext | None = field(default=None, repr=False)

    def send(self, alert: Mapping[str, Any]) -> None:
        """Mail one alert. Blocks; raises OSError, or smtplib.SMTPException, which is one."""
        message = EmailMessage()
        message["Subject"] = subject(alert)
        message["From"], message["To"] = self.sender, ", ".join(self.receivers)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody answers it by machine
        message.set_content("\n".join(lines(alert)) + "\n")
        trust = self.trust or ssl.create_default_context()
        where = self.server.host, self.server.port
        with (
            smtplib.SMTP_SSL(*where, timeout=MAIL_SECONDS, context=trust)
            if self.server.secure
            else smtplib.SMTP(*where, timeout=MAIL_SECONDS)
        ) as client:
            if self.server.user:
                if not self.server.secure:
                    client.starttls(context=trust)
                client.login(self.server.user, self.password)
            client.send_message(message)


def addresses(text: str) -> tuple[str, ...]:
    """Read addresses of mail with commas between them. Raises ValueError."""
    found = tuple(one.strip() for one in text.split(","))
    if not all(map(_ADDRESS.fullmatch, found)):
        raise ValueError("write addresses such as team@example.com, with commas between them")
    return found


def subject(alert: Mapping[str, Any]) -> str:
    """Return one line about an alert: what it is, and of which server."""
    server = f": {_line(alert['server'])}" if alert.get("server") else ""
    return f"kong-mcp {_line(alert.get('type', 'alert'))}{server}"


def lines(alert: Mapping[str, Any]) -> Iterator[str]:
    """Yield an alert in lines of ASCII."""
    yield subject(alert)
    for word, value in alert.items():
        if word == "findings" and isinstance(value, list):
            for one in value:
                place, text = _line(one.get("path", "")), _line(one.get("excerpt", ""))
                yield f"- {_line(one.get('message', ''))} At {place}: {text}"
        elif word not in ("type", "server") and value not in ("", [], None):
            yield f"{_line(word)}: {', '.join(map(_line, value)) if isinstance(value, list) else _line(value)}"


def slack(alert: Mapping[str, Any]) -> dict[str, str]:
    """Return an alert in Slack's shape: nothing in it is markup, a link or a mention."""
    text = "\n".join(lines(alert))
    # https://api.slack.com/reference/surfaces/formatting: three signs are escaped, and code is shown as it is.
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("`", "'")):
        text = text.replace(sign, written)
    return {"text": f"```\n{text}\n```"}


def _line(value: object) -> str:
    return escaped(str(value))[:_MOST]
