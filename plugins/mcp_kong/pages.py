"""What the guard does on a route of pages: it sends a request on to the sidecar, with a signed word that it came by.

A page is no MCP message, so nothing of it is judged here. Who may see what is the sidecar's to say, which believes no
request without that word (mcp_core.page_word).
"""

from __future__ import annotations

import time
from typing import Final

from mcp_core import methods
from mcp_core.headers import Headers
from mcp_core.page_word import MAX_BODY, Page, PageSigner
from mcp_core.principal import Principal
from mcp_kong import parts
from mcp_kong.pdk import Kong
from mcp_kong.settings import Settings
from mcp_kong.tokens import REDACTED

METHODS: Final = frozenset({"GET", "HEAD", "POST"})
_TEXT: Final = {"Content-Type": "text/plain; charset=utf-8"}


class Pages:
    """The pages of one route."""

    def __init__(self, settings: Settings) -> None:
        self._sidecar = settings.sidecar
        self._signer = PageSigner(settings.keys)

    def open(self, kong: Kong, method: str, headers: Headers, principal: Principal) -> None:
        """Open the way to the sidecar for a request that a page may make."""
        if method not in METHODS:
            kong.response.exit(
                405, "Pages are read with GET, and forms sent with POST.\n", {**_TEXT, "Allow": "GET, POST"}
            )
            return
        body = parts.body(kong) if method == "POST" else b""
        if len(body) > MAX_BODY:
            kong.response.exit(413, f"A form has {MAX_BODY} bytes at most.\n", _TEXT)
            return
        path = kong.request.get_path()
        page = Page(method, path, kong.request.get_raw_query(), body)
        if not kong.service.set_upstream(self._sidecar):
            kong.response.exit(503, "The pages are not available: their upstream is not configured.\n", _TEXT)
            return
        kong.service.request.set_scheme("http")
        kong.service.request.set_path(path)
        told = [name for name in headers if name.startswith(methods.IDENTITY_PREFIXES)]
        word = self._signer.sign(page, principal, now=time.time())
        kong.service.request.set_headers({**parts.cleared(told), methods.CONTEXT_HEADER: word})
        for name in (methods.CONTEXT_HEADER, "cookie"):
            kong.log.set_serialize_value(f"request.headers.{name}", REDACTED)
