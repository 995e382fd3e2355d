"""The protected resource metadata of one MCP server (RFC 9728), and where clients look for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
HEADERS: Final = {
    "Content-Type": "application/json",
    "Cache-Control": "public, max-age=300",
    # Public, and read by agents in browsers, whose SDK sends MCP-Protocol-Version with it.
    "Access-Control-Allow-Origin": "*",
}
PREFLIGHT: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "MCP-Protocol-Version",
    "Access-Control-Max-Age": "300",
}


def path_of(resource: str) -> str:
    """Return the path of a resource's document: the well-known one, then its own (RFC 9728, section 3.1)."""
    return WELL_KNOWN + urlsplit(resource).path.removesuffix("/")


def url_of(resource: str) -> str:
    """Return the URL of a resource's document."""
    parts = urlsplit(resource)
    return f"{parts.scheme}://{parts.netloc}{path_of(resource)}"


def is_asked(path: str) -> bool:
    """Return whether a path of the gateway is one at which clients look for such a document."""
    return path == WELL_KNOWN or path.startswith(f"{WELL_KNOWN}/")


def document(
    resource: str, issuers: Iterable[str], scopes: Iterable[str], more: Mapping[str, object] | None = None
) -> bytes:
    """Return the document as JSON (RFC 9728, section 2). `scopes` are those that a client should begin with."""
    values: dict[str, object] = {"resource": resource, "authorization_servers": list(issuers)}
    if supported := list(scopes):
        values["scopes_supported"] = supported
    values |= {"bearer_methods_supported": ["header"], **(more or {})}
    return json.dumps(values, separators=(",", ":")).encode()
