"""What the sidecar is told about issuers of tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from mcp_core.auth.config import is_loopback
from mcp_core.methods import AUTHORIZATION_HEADER
from mcp_core.passing import Hidden, passes
from mcp_sidecar.auth.addresses import Network
from mcp_sidecar.auth.fetch import network
from mcp_sidecar.auth.revocations import REVOKED_VARIABLE
from mcp_sidecar.auth.secret import WANTED, IssuerClient, Secret

ISSUER_KEYS_VARIABLE: Final = "KONG_MCP_ISSUER_KEYS"
"""Environment variable with the path of this node's file of issuers' keys: guards read what the sidecar writes."""
ASK_SOCKET_VARIABLE: Final = "KONG_MCP_ASK_SOCKET"
"""Environment variable with the path of the socket at which this node's guards ask the sidecar."""
_MOST: Final = 64
_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_LONGEST_SOCKET: Final = 100
"""Bytes of a Unix socket's path, with room for the kernel's own NUL (unix(7): 108)."""


@dataclass(frozen=True)
class AuthSettings:
    """Settings of issuers. Times are seconds. `issuers` maps each to where its keys are, None where it is to say so.

    `keep` is how long keys count that cannot be fetched anew. `networks` may be asked beside public addresses.
    `clients` are the gateway's own, by issuer, for what an issuer answers to its clients alone. `look_credentials` are
    headers with which the gateway itself asks servers: their names, and where their values are.
    """

    issuer_keys: str | None = None
    issuers: Mapping[str, str | None] = field(default_factory=dict)
    issuer_refresh: float = 60.0
    issuer_keep: float = 86_400.0
    issuer_networks: tuple[Network, ...] = ()
    issuer_clients: Mapping[str, IssuerClient] = field(default_factory=dict)
    ask_socket: str | None = None
    revoked: str | None = None
    look_credentials: Mapping[str, tuple[str, Secret]] = field(default_factory=dict)

    def problem(self) -> str | None:
        """Return what is missing where one setting needs another."""
        if self.issuers and self.issuer_keys is None:
            return f"{ISSUER_KEYS_VARIABLE} is not set: the guards read the issuers' keys from the file that it names"
        if strange := sorted(self.issuer_clients.keys() - self.issuers.keys()):
            return f"MCP_SIDECAR_ISSUER_CLIENTS: {strange[0]} is none of MCP_SIDECAR_ISSUERS"
        if self.issuer_clients and self.ask_socket is None:
            return f"{ASK_SOCKET_VARIABLE} is not set: guards ask at the socket that it names"
        if self.issuer_keep < self.issuer_refresh:
            return (
                "MCP_SIDECAR_ISSUER_KEEP is shorter than MCP_SIDECAR_ISSUER_REFRESH: keys would end before they are new"
            )
        return None


def _issuers(text: str) -> dict[str, str | None]:
    issuers: dict[str, str | None] = {}
    wanted = "write issuers as tokens have them, commas between; after a blank, the URL of its keys may follow one"
    for part in text.split(","):
        issuer, *rest = part.split() if part.strip() else [""]
        if len(rest) > 1 or not all(_is_url(one) for one in (issuer, *rest)) or issuer in issuers:
            raise ValueError(wanted)
        issuers[issuer] = rest[0] if rest else None
    if len(issuers) > _MOST:
        raise ValueError(f"write {_MOST} issuers at most")
    return issuers


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    plain = bool(parts.hostname) and port != 0 and text.isascii() and "@" not in parts.netloc and not parts.fragment
    return plain and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")))


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("write the full path of a file in a folder that the sidecar may write")
    return text


def _socket(text: str) -> str:
    if not text.startswith("/") or len(text.encode()) > _LONGEST_SOCKET:
        raise ValueError(f"write the full path of a socket, {_LONGEST_SOCKET} bytes at most")
    return text


def _clients(text: str) -> dict[str, IssuerClient]:
    clients: dict[str, IssuerClient] = {}
    wanted = "write ISSUER CLIENT-ID SECRET with blanks, and commas between issuers; of SECRET "
    for part in text.split(","):
        words = part.split()
        if len(words) != 3 or not _is_url(words[0]) or words[0] in clients:
            raise ValueError(wanted + WANTED)
        clients[words[0]] = IssuerClient(words[1], Secret.parse(words[2]))
    return clients


def _look_credentials(text: str) -> dict[str, tuple[str, Secret]]:
    wanted = "write SERVER HEADER SECRET, with commas between; SECRET is a reference: "
    found: dict[str, tuple[str, Secret]] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        words = part.split()
        if len(words) != 3 or words[0] in found or _HEADER.fullmatch(words[1]) is None:
            raise ValueError(wanted + WANTED)
        name = words[1].lower()
        if not passes(name, Hidden(())) and name != AUTHORIZATION_HEADER:
            raise ValueError(
                "this header is the gateway's own, or of one hop; name the one by which the server knows its callers"
            )
        found[words[0]] = name, Secret.parse(words[2])
    return found


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value <= 604_800:
        raise ValueError("write a number of seconds from 1 to 604800")
    return value


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("write networks as 10.1.0.0/16, with commas between them") from None


AUTH_VARIABLES: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    ISSUER_KEYS_VARIABLE: ("issuer_keys", _path),
    "MCP_SIDECAR_ISSUERS": ("issuers", _issuers),
    "MCP_SIDECAR_ISSUER_REFRESH": ("issuer_refresh", _seconds),
    "MCP_SIDECAR_ISSUER_KEEP": ("issuer_keep", _seconds),
    "MCP_SIDECAR_ISSUER_NETWORKS": ("issuer_networks", _networks),
    "MCP_SIDECAR_ISSUER_CLIENTS": ("issuer_clients", _clients),
    ASK_SOCKET_VARIABLE: ("ask_socket", _socket),
    REVOKED_VARIABLE: ("revoked", _path),
    "MCP_SIDECAR_LOOK_CREDENTIALS": ("look_credentials", _look_credentials),
}
"""Variable -> the field it sets and its parser, which raises ValueError saying what to write."""
