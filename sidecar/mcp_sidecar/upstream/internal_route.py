"""The way to a server: Kong's internal route, which balances, checks health and adds the server's credentials.

Where a request goes is signed, and said to Kong alone (target.Errand).
"""

from __future__ import annotations

import re
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

import aiohttp
import anyio
from multidict import CIMultiDict
from prometheus_client import Counter
from yarl import URL

from mcp_core import methods, passing
from mcp_core.acting import Acting, ActingSigner
from mcp_core.claims import Target
from mcp_core.errand import GOOD_SECONDS, Errand, ErrandSigner
from mcp_core.headers import Headers
from mcp_core.outcome import INTERNAL_ERROR, UNAVAILABLE, Reject
from mcp_core.passing import Hidden
from mcp_core.question import Question
from mcp_core.reasons import Ending, Reason
from mcp_core.repeat import Budget, Share, Tries, may_repeat
from mcp_sidecar.settings import Settings
from mcp_sidecar.upstream.shares import PLACES

IDLE_SECONDS: Final = 15.0
"""Well below the time after which Kong closes an idle connection, so that none is used that Kong just closed."""

_RANDOM: Final = secrets.SystemRandom()
_MAX_HEAD: Final = 64 * 1024
"""Bytes of one header of an answer: some servers make their session ids of tokens."""

_ACCEPT: Final = {"POST": "application/json, text/event-stream", "GET": "text/event-stream", "DELETE": "*/*"}
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class UpstreamError(Exception):
    """Kong's internal route did not answer. `refusal` lacks the agent's id; `outcome` is for counting."""

    def __init__(self, refusal: Reject, outcome: Ending) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class _Sending:
    """One request as it goes to Kong, for a server."""

    server: str
    http_method: str
    url: URL
    headers: CIMultiDict[str]
    body: bytes

    async def by(self, client: aiohttp.ClientSession) -> aiohttp.ClientResponse:
        """Send it, and return what comes back, of which only the head has been read."""
        return await client.request(
            self.http_method,
            self.url,
            headers=self.headers,
            data=self.body if self.http_method == "POST" else None,
            allow_redirects=False,
        )


class Upstream:
    """Pools of connections to Kong, one for each server.

    Behind a 1xx nginx passes on what a server sends without a frame around it, so that it can answer whatever else is
    asked by that connection: never another server.
    """

    def __init__(self, settings: Settings, repeats: Counter) -> None:
        """`repeats` counts what is sent again, by server and why."""
        self._settings = settings
        self._budget = Budget(further=settings.repeats)
        self._repeats = repeats
        self._shares: dict[str, Share] = {}
        self._places = anyio.CapacityLimiter(PLACES)
        self._hidden = Hidden()
        self._signer = ErrandSigner(settings.keys)
        self._acting = ActingSigner(settings.keys)
        secure = settings.kong_url.startswith("https:")
        self._tls: ssl.SSLContext | bool = ssl.create_default_context() if secure else False
        self._pools: dict[str | None, aiohttp.ClientSession] = {}

    def _client(self, server: str | None) -> aiohttp.ClientSession:
        """Return a server's pool, or that which keeps no connection: of the event loop that first uses it."""
        fresh = server is None
        if server not in self._pools:
            self._pools[server] = aiohttp.ClientSession(
                # Neither proxies nor .netrc of the environment: a signed word goes to Kong and nowhere else.
                trust_env=False,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("user-agent", "content-type"),
                connector=aiohttp.TCPConnector(
                    ssl=self._tls,
                    limit=0,
                    force_close=fresh,
                    keepalive_timeout=None if fresh else IDLE_SECONDS,
                ),
                # A stream may be silent for hours; how long an answer may take is measured as a whole, by its reader.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect_timeout),
                max_line_size=_MAX_HEAD,
                max_field_size=_MAX_HEAD,
            )
        return self._pools[server]

    def begin(self, server: str) -> Tries:
        """Return the further tries of one request."""
        share = self._shares.setdefault(server, Share(self._settings.repeat_share))
        share.earn()
        return self._budget.begin(
            time.monotonic, _RANDOM.random, lambda why: self._repeats.labels(server, why).inc(), share
        )

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.close()

    @asynccontextmanager
    async def send(
        self,
        target: Target,
        question: Question,
        http_method: str,
        headers: Headers,
        body: bytes = b"",
        hide: Collection[str] | None = None,
        tries: Tries | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send the request on and give the answer, of which only the head has been read.

        `hide` holds globs of the agent's headers that no server gets. `tries` are those of whoever sends it again.

        Raises:
            UpstreamError: Kong could not be reached, or broke off before the answer was whole.
        """
        # The server's own path, or another one of its replica's, which the guard has sealed and opened again.
        url = self._url(f"/{target.server}{target.endpoint or ''}")
        word = {methods.TARGET_HEADER: self._signer.sign(self._errand(target, http_method, url))}
        passed = self._headers(target, word, headers, hide)
        sending = _Sending(target.server, http_method, url, passed, body)
        async with self._exchange(question, sending, tries) as response:
            yield response

    @asynccontextmanager
    async def act(
        self,
        acting: Acting,
        target: Target,
        question: Question,
        headers: Headers,
        body: bytes,
        hide: Collection[str] | None = None,
        tries: Tries | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request to a member of a virtual server, for a principal: its own guard decides. Else as `send`."""
        passed = self._headers(target, {methods.ACTING_HEADER: self._acting.sign(acting)}, headers, hide)
        # No server is called -, so no path of the internal route is meant.
        url = self._url(f"/-/{acting.server}/mcp")
        sending = _Sending(acting.server, acting.http_method, url, passed, body)
        async with self._exchange(question, sending, tries) as response:
            yield response

    def _url(self, path: str) -> URL:
        return URL(self._settings.kong_url + path, encoded=True)

    @asynccontextmanager
    async def _exchange(
        self, question: Question, sending: _Sending, tries: Tries | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        # A request without Accept would be refused by servers that do as the specification says.
        sending.headers.setdefault("accept", _ACCEPT[sending.http_method])
        try:
            async with self._place():
                again = tries or self.begin(sending.server)
                response = await self._head(sending, again if may_repeat(question, sending.http_method) else None)
                try:
                    yield response
                finally:
                    response.close() if not response.content.at_eof() else response.release()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _failure(error) from error

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

    async def _head(self, sending: _Sending, tries: Tries | None) -> aiohttp.ClientResponse:
        try:
            return await sending.by(self._client(sending.server))
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            # Kong may close an idle connection (at a reload, say) just when it is used, and nobody can have closed a
            # fresh one. Whether Kong had read the request nobody knows.
            wait = None if tries is None else tries.again("connection-closed")
            if wait is None:
                raise
            await anyio.sleep(wait)
            return await sending.by(self._client(None))

    def _errand(self, target: Target, http_method: str, url: URL) -> Errand:
        """Return where a request goes. Raises UpstreamError where no guard said where its server is."""
        address = target.address
        if address is None:
            raise _unknown(target.server)
        if target.endpoint is not None:
            address = replace(address, path=target.endpoint.partition("?")[0], query="")
        asked, now = f"{http_method} {url.raw_path_qs}", int(time.time())
        return Errand(address, asked, target.affinity, now + GOOD_SECONDS)

    def _headers(
        self, target: Target, word: Mapping[str, str], headers: Headers, hide: Collection[str] | None
    ) -> CIMultiDict[str]:
        """Return what the server gets of the agent's headers, behind the gateway's own."""
        sent = CIMultiDict(
            {
                "host": self._settings.internal_host,
                **word,
                methods.ACCEPT_ENCODING_HEADER: "identity",
            }
        )
        if target.session is not None:
            sent[methods.SESSION_HEADER] = target.session
        if target.authorization is not None:
            sent[methods.AUTHORIZATION_HEADER] = target.authorization
        hidden = self._hidden if hide is None else Hidden(hide)
        for name, value in headers.items():
            if passing.passes(name, hidden) and not (target.authorization and name == methods.AUTHORIZATION_HEADER):
                for line in [value] if isinstance(value, str) else value:
                    if (text := _text(line)) is not None:
                        sent.add(name, text)
        return sent


def _text(value: str) -> str | None:
    """Return a header value, each character of which is one byte, as the client wants it: it writes UTF-8."""
    try:
        return value.encode("latin-1").decode() if _VALUE.fullmatch(value) else None
    except UnicodeDecodeError:
        return None


def _full() -> UpstreamError:
    text = "The gateway has too many streams open: try again later, or add sidecars."
    return UpstreamError(
        Reject(UNAVAILABLE, text, Reason.POOL_EXHAUSTED, headers={"Retry-After": "5"}), Ending.UNREACHABLE
    )


def _unknown(server: str) -> UpstreamError:
    text = "The gateway does not know where this server is: its operator must have guard and sidecar of one release."
    return UpstreamError(
        Reject(INTERNAL_ERROR, text, Reason.TARGET_UNKNOWN, status=502, detail=server), Ending.UNREACHABLE
    )


def _failure(error: aiohttp.ClientError | TimeoutError) -> UpstreamError:
    if isinstance(error, TimeoutError):
        text = "The gateway's internal route took no connection in time: check that Kong runs and is not overloaded."
        return UpstreamError(Reject(INTERNAL_ERROR, text, Reason.CONNECT_TIMEOUT, status=504), Ending.UNREACHABLE)
    if isinstance(error, aiohttp.ClientConnectorError):
        text = "The gateway's internal route cannot be reached: check that Kong runs and MCP_SIDECAR_KONG_URL names it."
        return UpstreamError(Reject(INTERNAL_ERROR, text, Reason.CONNECT_FAILED, status=502), Ending.UNREACHABLE)
    text = "The connection to the server broke before its answer was whole. Try again."
    return UpstreamError(Reject(INTERNAL_ERROR, text, Reason.BROKEN_OFF, status=502), Ending.BROKEN)
