"""Where a server that somebody asks for may be: a public address, or one in a network that was named.

What is checked is what is connected to: the name is resolved once, and the look goes to that address (OWASP, server
side request forgery). Redirects are not followed.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from mcp_sidecar.auth.addresses import Network, is_allowed


class UrlRefusedError(ValueError):
    """A URL cannot be looked at; the message says why, and what would allow it."""


@dataclass(frozen=True, slots=True)
class CheckedPlace:
    """A URL, and the address that stands for its host in `reached`; `host` is what is asked for there."""

    url: str
    reached: str
    host: str
    address: str


def find_place(url: str, networks: Sequence[Network]) -> CheckedPlace:
    """Return where a URL leads. Raises UrlRefusedError."""
    wanted = "write https://HOST/PATH, without credentials, query or fragment"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise UrlRefusedError(wanted) from None
    extra = parts.query or parts.fragment or "@" in parts.netloc or not url.isascii() or not url.isprintable()
    if parts.scheme not in ("http", "https") or not host or extra or " " in url:
        raise UrlRefusedError(wanted)
    try:
        found = list(dict.fromkeys(one[4][0] for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    except (OSError, UnicodeError):
        raise UrlRefusedError(f"{host} has no address: is the name right?") from None
    addresses = [str(one) for one in found]
    # A name that also leads elsewhere may lead there the next time.
    for address in addresses:
        if not is_allowed(address, networks):
            raise UrlRefusedError(
                f"{host} leads to {address}, which is no public address: if it is meant to, give --network with its "
                f"network, {address}/{128 if ':' in address else 32} say"
            )
    shown = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    reached = urlunsplit((parts.scheme, f"{shown}:{port}", parts.path or "/", "", ""))
    return CheckedPlace(url, reached, parts.netloc, addresses[0])
