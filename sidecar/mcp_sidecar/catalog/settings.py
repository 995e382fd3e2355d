"""What the sidecar is told about the registry: where agents reach the gateway, and how servers are called there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_NAMESPACE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,126}[A-Za-z0-9])?")
"""What stands before the slash of a name in server.json (its schema of 2025-12-11), in a length that leaves some."""


@dataclass(frozen=True)
class CatalogSettings:
    """`public_url` is where agents reach Kong, without a slash at its end: without it there is no registry.

    `named` is the namespace of servers' names in the registry, "" for that of the URL's host.
    """

    public_url: str | None = None
    named: str = ""

    @property
    def namespace(self) -> str:
        """Return what stands before the slash in servers' names: the labels of the host in reverse."""
        host = urlsplit(self.public_url or "").hostname or ""
        if self.named or not host:
            return self.named or "localhost"
        return host.replace(":", "-").strip("-") if _is_address(host) else ".".join(reversed(host.split(".")))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _public_url(text: str) -> str:
    wanted = "write where agents reach the gateway, such as https://mcp.example.com, without credentials or a query"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(wanted) from None
    extra = url.query or url.fragment or "@" in url.netloc or port == 0
    if url.scheme not in ("http", "https") or not url.hostname or extra or not text.isascii() or not text.isprintable():
        raise ValueError(wanted)
    if re.search(r"[\s\"<>{}\\^`|]", text) is not None:
        raise ValueError(wanted)
    return text.rstrip("/")


def _namespace(text: str) -> str:
    if _NAMESPACE.fullmatch(text) is None:
        raise ValueError("write a name of reversed labels, com.example.mcp say: letters, digits, . and - between them")
    return text


CATALOG_VARIABLES: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    "MCP_SIDECAR_PUBLIC_URL": ("public_url", _public_url),
    "MCP_SIDECAR_REGISTRY_NAMESPACE": ("named", _namespace),
}
"""Variable -> the field it sets and its parser, which raises ValueError saying what to write."""
