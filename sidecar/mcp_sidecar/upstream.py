"""The way to a server: Kong's internal route, which balances, checks health and adds the server's credentials."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx

from mcp_core import methods
from mcp_core.headers import Headers, single
from mcp_core.outcome import INTERNAL_ERROR, UNAVAILABLE, Reject
from mcp_core.seal import Context
from mcp_sidecar.settings import Settings

MAX_CONNECTIONS: Final = 4096
"""Connections to Kong at most: each open stream holds one."""
IDLE_CONNECTIONS: Final = 256
IDLE_SECONDS: Final = 15.0
"""Well below the time after which Kong closes an idle connection, so that none is used that Kong just closed."""

_PASSED: Final = (
    "accept",
    "content-type",
    methods.VERSION_HEADER,
    methods.METHOD_HEADER,
    methods.NAME_HEADER,
    methods.LAST_EVENT_HEADER,
    "traceparent",
    "tracestate",
    "user-agent",
)
_ACCEPT: Final = {"POST": "application/json, text/event-stream", "GET": "text/event-stream", "DELETE": "*/*"}
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class UpstreamError(Exception):
    """Kong's internal route did not answer. `refusal` lacks the agent's id; `outcome` is for counting."""

    def __init__(self, refusal: Reject, outcome: str) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal
        self.outcome = outcome


class Upstream:
    """A pool of connections to Kong."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = httpx.AsyncClient(
            # Neither proxies nor .netrc of the environment: the internal key goes to Kong and nowhere else.
            trust_env=False,
            follow_redirects=False,
            http2=False,
            verify=ssl.create_default_context() if settings.kong_url.startswith("https:") else False,
            limits=httpx.Limits(
                max_connections=MAX_CONNECTIONS,
                max_keepalive_connections=IDLE_CONNECTIONS,
                keepalive_expiry=IDLE_SECONDS,
            ),
            # A stream may be silent for hours; how long an answer may take is measured as a whole, by its reader.
            timeout=httpx.Timeout(settings.connect_timeout, read=None, write=60.0),
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    @asynccontextmanager
    async def send(self, context: Context, headers: Headers, body: bytes) -> AsyncIterator[httpx.Response]:
        """Send the request on and give the answer, of which only the head has been read.

        Raises:
            UpstreamError: Kong could not be reached, or broke off before the answer was whole.
        """
        request = httpx.Request(
            context.http_method,
            # The server's own path, or another one of its replica's, which the guard has sealed and opened again.
            f"{self._settings.kong_url}/{context.server}{context.endpoint or ''}",
            headers=self._headers(context, headers),
            content=body if context.http_method == "POST" else None,
        )
        try:
            response = await self._head(request, context.method)
            try:
                yield response
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise _failure(error) from error

    async def _head(self, request: httpx.Request, method: str) -> httpx.Response:
        try:
            return await self._client.send(request, stream=True)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            # Kong may close an idle connection (at a reload, say) just when it is used. What only asks for a surface
            # may be asked twice; what the gateway does not know, may not.
            known = methods.METHODS.get(method)
            if method and (known is None or not known.repeatable):
                raise
            return await self._client.send(request, stream=True)

    def _headers(self, context: Context, headers: Headers) -> list[tuple[bytes, bytes]]:
        names = [*_PASSED, *(name for name in headers if name.startswith(methods.PARAM_HEADER_PREFIX))]
        passed = {name: value for name in names if (value := single(headers, name)) is not None}
        # A request without Accept would be refused by servers that do as the specification says.
        passed.setdefault("accept", _ACCEPT[context.http_method])
        passed["host"] = self._settings.internal_host
        passed["accept-encoding"] = "identity"
        passed[methods.INTERNAL_KEY_HEADER] = self._settings.internal_key
        passed[methods.AFFINITY_HEADER] = context.affinity
        if context.session is not None:
            passed[methods.SESSION_HEADER] = context.session
        return [(name.encode(), value.encode("latin-1")) for name, value in passed.items() if _VALUE.fullmatch(value)]


def _failure(error: httpx.TransportError) -> UpstreamError:
    if isinstance(error, httpx.PoolTimeout):
        text = "The gateway has too many streams open: try again later, or add sidecars."
        return UpstreamError(Reject(UNAVAILABLE, text, "pool-exhausted", headers={"Retry-After": "5"}), "unreachable")
    if isinstance(error, httpx.ConnectTimeout):
        text = "The gateway's internal route took no connection in time: check that Kong runs and is not overloaded."
        return UpstreamError(Reject(INTERNAL_ERROR, text, "connect-timeout", status=504), "unreachable")
    if isinstance(error, httpx.ConnectError):
        text = "The gateway's internal route cannot be reached: check that Kong runs and MCP_SIDECAR_KONG_URL names it."
        return UpstreamError(Reject(INTERNAL_ERROR, text, "connect-failed", status=502), "unreachable")
    text = "The connection to the server broke before its answer was whole. Try again."
    return UpstreamError(Reject(INTERNAL_ERROR, text, "broken-off", status=502), "broken")
