"""The way to a server: Kong's internal route, which balances, checks health and adds the server's credentials."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import anyio
from multidict import CIMultiDict
from yarl import URL

from mcp_core import endpoint, methods, passing
from mcp_core.headers import Headers
from mcp_core.outcome import INTERNAL_ERROR, UNAVAILABLE, Reject
from mcp_core.passing import Hidden
from mcp_core.seal import Context
from mcp_sidecar.settings import Settings
from mcp_sidecar.shares import PLACES

IDLE_SECONDS: Final = 15.0
"""Well below the time after which Kong closes an idle connection, so that none is used that Kong just closed."""

_MAX_HEAD: Final = 64 * 1024
"""Bytes of one header of an answer: some servers make their session ids of tokens."""

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
        self._places = anyio.CapacityLimiter(PLACES)
        self._hidden = Hidden()
        self._pools: dict[bool, aiohttp.ClientSession] = {}
        self.paths: dict[str, str] = {}
        """The path of each server of which the guards have told one, for who asks a server of itself."""

    def _client(self, *, fresh: bool) -> aiohttp.ClientSession:
        """Return the pool, or the one that keeps no connection: each belongs to the event loop that first uses it."""
        if fresh not in self._pools:
            secure = self._settings.kong_url.startswith("https:")
            self._pools[fresh] = aiohttp.ClientSession(
                # Neither proxies nor .netrc of the environment: the internal key goes to Kong and nowhere else.
                trust_env=False,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("user-agent", "content-type"),
                connector=aiohttp.TCPConnector(
                    ssl=ssl.create_default_context() if secure else False,
                    limit=0,
                    force_close=fresh,
                    keepalive_timeout=None if fresh else IDLE_SECONDS,
                ),
                # A stream may be silent for hours; how long an answer may take is measured as a whole, by its reader.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect_timeout),
                max_line_size=_MAX_HEAD,
                max_field_size=_MAX_HEAD,
            )
        return self._pools[fresh]

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.close()

    @asynccontextmanager
    async def send(self, context: Context, headers: Headers, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send the request on and give the answer, of which only the head has been read.

        Raises:
            UpstreamError: Kong could not be reached, or broke off before the answer was whole.
        """
        self._remember(context)
        # The server's own path, or another one of its replica's, which the guard has sealed and opened again.
        path = context.endpoint or _with_its_slash(context.stream_path)
        url = URL(f"{self._settings.kong_url}/{context.server}{path}", encoded=True)
        passed = self._headers(context, headers)
        try:
            async with self._place():
                response = await self._head(context, url, passed, body if context.http_method == "POST" else None)
                try:
                    yield response
                finally:
                    response.close() if not response.content.at_eof() else response.release()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _failure(error) from error

    def _remember(self, context: Context) -> None:
        if context.stream_path is None:
            self.paths.pop(context.server, None)
        else:
            self.paths[context.server] = context.stream_path

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            with anyio.fail_after(self._settings.connect_timeout):
                await self._places.acquire_on_behalf_of(place := object())
        except TimeoutError:
            raise _full() from None
        try:
            yield
        finally:
            self._places.release_on_behalf_of(place)

    async def _head(
        self, context: Context, url: URL, headers: CIMultiDict[str], body: bytes | None
    ) -> aiohttp.ClientResponse:
        async def ask(*, fresh: bool) -> aiohttp.ClientResponse:
            client = self._client(fresh=fresh)
            return await client.request(context.http_method, url, headers=headers, data=body, allow_redirects=False)

        try:
            return await ask(fresh=False)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            # Kong may close an idle connection (at a reload, say) just when it is used. What only asks for a surface
            # may be asked twice, on a connection that nobody can have closed; what the gateway does not know, may not.
            known = methods.METHODS.get(context.method)
            if context.method and (known is None or not known.repeatable):
                raise
            return await ask(fresh=True)

    def _headers(self, context: Context, headers: Headers) -> CIMultiDict[str]:
        """Return what the server gets of the agent's headers, behind the gateway's own.

        Those come first: Kong's auth plugins read no more than a hundred.
        """
        sent = CIMultiDict(
            {
                "host": self._settings.internal_host,
                methods.INTERNAL_KEY_HEADER: self._settings.internal_key,
                methods.AFFINITY_HEADER: context.affinity,
                methods.ACCEPT_ENCODING_HEADER: "identity",
            }
        )
        if context.session is not None:
            sent[methods.SESSION_HEADER] = context.session
        hidden = self._hidden if context.hide is None else Hidden(context.hide)
        for name, value in headers.items():
            if passing.passes(name, hidden):
                for line in [value] if isinstance(value, str) else value:
                    if (text := _text(line)) is not None:
                        sent.add(name, text)
        # A request without Accept would be refused by servers that do as the specification says.
        sent.setdefault("accept", _ACCEPT[context.http_method])
        return sent


def _with_its_slash(path: str | None) -> str:
    """Return a server's own path where it ends in a slash, else nothing.

    For the internal route of a server Kong takes the slash off its service's path (path_handling v0). By the internal
    route for messages (072) the sidecar can name the whole path.
    """
    if path is None or path == "/" or not path.endswith("/") or "?" in path:
        return ""
    return path if endpoint.read_uri(path) == path else ""


def _text(value: str) -> str | None:
    """Return a header value, each character of which is one byte, as the client wants it: it writes UTF-8."""
    try:
        return value.encode("latin-1").decode() if _VALUE.fullmatch(value) else None
    except UnicodeDecodeError:
        return None


def _full() -> UpstreamError:
    text = "The gateway has too many streams open: try again later, or add sidecars."
    return UpstreamError(Reject(UNAVAILABLE, text, "pool-exhausted", headers={"Retry-After": "5"}), "unreachable")


def _failure(error: aiohttp.ClientError | TimeoutError) -> UpstreamError:
    if isinstance(error, TimeoutError):
        text = "The gateway's internal route took no connection in time: check that Kong runs and is not overloaded."
        return UpstreamError(Reject(INTERNAL_ERROR, text, "connect-timeout", status=504), "unreachable")
    if isinstance(error, aiohttp.ClientConnectorError):
        text = "The gateway's internal route cannot be reached: check that Kong runs and MCP_SIDECAR_KONG_URL names it."
        return UpstreamError(Reject(INTERNAL_ERROR, text, "connect-failed", status=502), "unreachable")
    text = "The connection to the server broke before its answer was whole. Try again."
    return UpstreamError(Reject(INTERNAL_ERROR, text, "broken-off", status=502), "broken")
