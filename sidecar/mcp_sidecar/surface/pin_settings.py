"""What the sidecar is told about pins: the store, the rules, who may review, who hears of news."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from mcp_core.errand import Address, AddressError
from mcp_core.pins.states import DEFAULT_RULES, Drift, FirstUse, Rules
from mcp_core.servers import ServersFileError
from mcp_sidecar.store.chain import SELF
from mcp_sidecar.store.engine import store_url
from mcp_sidecar.store.store import SETTLE
from mcp_sidecar.surface.listed import read_file
from mcp_sidecar.surface.tellings import Mail, MailServer, WebhookShape, addresses

SNAPSHOT_VARIABLE: Final = "KONG_MCP_SNAPSHOT"
"""Environment variable with the path of this node's snapshot: the plugin server reads what the sidecar writes."""
MIN_SECRET: Final = 24

_REVIEWER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_SERVER: Final = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class PinSettings:
    """Settings of pins. Without a store there are none: with pins enforced, nothing is shown then. Times are seconds.

    `reviewers` maps names to the tokens with which they may decide over HTTP, `readers` those with which they may see
    what is decided; `servers` those that are looked at before
    any agent comes, to where they are, or None where deck/ names things; `servers_file` lists more (mcp_core.servers).
    """

    store: str | None = field(default=None, repr=False)
    snapshot: str | None = None
    first_use: FirstUse = DEFAULT_RULES.first_use
    drift: Drift = DEFAULT_RULES.drift
    settle: float = SETTLE
    refresh_interval: float = 1.0
    look_interval: float = 300.0
    servers: Mapping[str, Address | None] = field(default_factory=dict)
    servers_file: str | None = None
    reviewers: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    readers: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    webhook_url: str | None = field(default=None, repr=False)
    webhook_secret: bytes = field(default=b"", repr=False)
    webhook_shape: WebhookShape = WebhookShape.JSON
    mail_server: MailServer | None = None
    mail_from: str = ""
    mail_to: tuple[str, ...] = ()
    mail_password: str = field(default="", repr=False)

    @property
    def rules(self) -> Rules:
        """Return how new versions are graded."""
        return Rules(self.first_use, self.drift)

    @property
    def mail(self) -> Mail | None:
        """Return how alerts are mailed, None where they are not."""
        if self.mail_server is None:
            return None
        return Mail(self.mail_server, self.mail_from, self.mail_to, self.mail_password)

    def problem(self) -> str | None:
        """Return what is missing where one setting needs another."""
        if self.webhook_url is not None and not self.webhook_secret:
            return "MCP_SIDECAR_WEBHOOK_SECRET is not set: alerts are signed with it (`openssl rand -hex 32`)"
        if self.mail_server is not None and not (self.mail_from and self.mail_to):
            return "MCP_SIDECAR_MAIL_FROM and MCP_SIDECAR_MAIL_TO are not both set: mail has a sender and receivers"
        if self.mail_server is not None and self.mail_server.user and not self.mail_password:
            return "MCP_SIDECAR_MAIL_PASSWORD is not set, and MCP_SIDECAR_MAIL_SERVER names a user"
        tokens = [*self.reviewers.values(), *self.readers.values()]
        if self.reviewers.keys() & self.readers.keys() or len(set(tokens)) != len(tokens):
            return "MCP_SIDECAR_READERS: a reader is also a reviewer, or has a reviewer's token: give each their own"
        if self.store is None and (self.snapshot or tokens or self.servers or self.servers_file):
            return "MCP_SIDECAR_STORE is not set: a snapshot, reviewers and servers to look at need a store"
        return None


def _store(text: str) -> str:
    store_url(text)
    return text


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("write the full path of a file in a folder that the sidecar may write")
    return text


def _servers_file(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("write the full path of the file that `kong-mcp deck render --servers-out` writes")
    try:
        read_file(text)
    except ServersFileError as error:
        raise ValueError(str(error)) from None
    return text


def _sender(text: str) -> str:
    (found, *more) = addresses(text)
    if more:
        raise ValueError("write one address")
    return found


def _word(words: type[FirstUse | Drift | WebhookShape]) -> Callable[[str], FirstUse | Drift | WebhookShape]:
    def parse(text: str) -> FirstUse | Drift | WebhookShape:
        try:
            return words(text.lower())
        except ValueError:
            raise ValueError(f"write one of {', '.join(words)}") from None

    return parse


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.05 <= value <= 86400:
        raise ValueError("write a number of seconds from 0.05 to 86400")
    return value


def _servers(text: str) -> dict[str, Address | None]:
    servers: dict[str, Address | None] = {}
    for part in text.split(","):
        name, equals, where = part.strip().partition("=")
        if _SERVER.fullmatch(name) is None:
            raise ValueError("write the names of servers, as the guards have them, with commas between them")
        scheme, _, rest = where.partition("://")
        upstream, slash, path = rest.partition("/")
        try:
            servers[name] = Address.read(upstream, scheme, slash + path) if equals else None
        except AddressError:
            wanted = f"{name}=http://mcp-{name}-sessions/mcp"
            raise ValueError(f"write {name}, or {name}=SCHEME://KONG-UPSTREAM/PATH such as {wanted}") from None
    return servers


def _secret(text: str) -> bytes:
    if len(text) < MIN_SECRET or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"write at least {MIN_SECRET} visible ASCII characters: `openssl rand -hex 32` makes some")
    return text.encode()


def _reviewers(text: str) -> dict[str, bytes]:
    reviewers: dict[str, bytes] = {}
    for number, part in enumerate(text.split(","), 1):
        name, equals, token = part.strip().partition("=")
        if not equals or _REVIEWER.fullmatch(name) is None or name == SELF or name in reviewers:
            raise ValueError(f"number {number}: write NAME=TOKEN with commas between them, each name once")
        reviewers[name] = _secret(token)
    if len(set(reviewers.values())) != len(reviewers):
        raise ValueError("two of them have the same token: give each their own")
    return reviewers


def _webhook(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or not text.isascii():
        raise ValueError("write the URL to which alerts are posted")
    return text


PIN_VARIABLES: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    SNAPSHOT_VARIABLE: ("snapshot", _path),
    "MCP_SIDECAR_STORE": ("store", _store),
    "MCP_SIDECAR_FIRST_USE": ("first_use", _word(FirstUse)),
    "MCP_SIDECAR_DRIFT": ("drift", _word(Drift)),
    "MCP_SIDECAR_SETTLE": ("settle", _seconds),
    "MCP_SIDECAR_REFRESH_INTERVAL": ("refresh_interval", _seconds),
    "MCP_SIDECAR_LOOK_INTERVAL": ("look_interval", _seconds),
    "MCP_SIDECAR_SERVERS": ("servers", _servers),
    "MCP_SIDECAR_SERVERS_FILE": ("servers_file", _servers_file),
    "MCP_SIDECAR_REVIEWERS": ("reviewers", _reviewers),
    "MCP_SIDECAR_READERS": ("readers", _reviewers),
    "MCP_SIDECAR_WEBHOOK_URL": ("webhook_url", _webhook),
    "MCP_SIDECAR_WEBHOOK_SECRET": ("webhook_secret", _secret),
    "MCP_SIDECAR_WEBHOOK_SHAPE": ("webhook_shape", _word(WebhookShape)),
    "MCP_SIDECAR_MAIL_SERVER": ("mail_server", MailServer.read),
    "MCP_SIDECAR_MAIL_FROM": ("mail_from", _sender),
    "MCP_SIDECAR_MAIL_TO": ("mail_to", addresses),
    "MCP_SIDECAR_MAIL_PASSWORD": ("mail_password", str),
}
"""Variable -> the field it sets and its parser, which raises ValueError saying what to write."""
