"""The way to members of virtual servers for one principal: each request goes past the member's own guard."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager

import aiohttp

from mcp_core.acting import GOOD_SECONDS, Acting, digest
from mcp_core.claims import Target
from mcp_core.headers import Headers
from mcp_core.principal import Principal
from mcp_core.question import Question
from mcp_core.repeat import Tries
from mcp_sidecar.upstream.internal_route import Upstream


class ActingWay:
    """What Upstream is to servers, to members: what is sent is said to be for a principal of a virtual server."""

    def __init__(self, upstream: Upstream, by: str, principal: Principal) -> None:
        self._upstream = upstream
        self._by = by
        self._principal = principal

    def begin(self, server: str) -> Tries:
        """Return the further tries of one request."""
        return self._upstream.begin(server)

    def send(
        self,
        target: Target,
        question: Question,
        http_method: str,
        headers: Headers,
        body: bytes = b"",
        hide: Collection[str] | None = None,
        tries: Tries | None = None,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Send a request and give the answer, as Upstream.send does."""
        sent = body if http_method == "POST" else b""
        expires = int(time.time()) + GOOD_SECONDS
        acting = Acting(target.server, self._by, http_method, digest(sent), self._principal, expires)
        return self._upstream.act(acting, target, question, headers, sent, hide, tries)
