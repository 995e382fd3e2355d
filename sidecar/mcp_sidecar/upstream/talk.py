"""A conversation of the sidecar with a server, in the server's own era, by Kong's internal route."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

import aiohttp
import anyio
import anyio.lowlevel
import anyio.to_thread

from mcp_core import jsonrpc, methods
from mcp_core.claims import Target
from mcp_core.errand import Address
from mcp_core.jsonrpc import Notification, NotStrictError, Response
from mcp_core.methods import Era, Place
from mcp_core.outcome import Reject
from mcp_core.policy import Access, View
from mcp_core.question import Asked, Question
from mcp_core.sse import Decoder, StreamTooLargeError
from mcp_core.surface import ANSWER_LIMITS, filter_text
from mcp_sidecar.upstream.answers import Head, Shape, read_head
from mcp_sidecar.upstream.bodies import THREAD_BYTES, chunks, read
from mcp_sidecar.upstream.encodings import EncodingError
from mcp_sidecar.upstream.internal_route import Upstream, UpstreamError

_EVERYTHING: Final = View({kind: Access(("*",)) for kind in methods.Kind})
_ID: Final = "kong-mcp-look"
_SELF: Final = {"name": "kong-mcp-sidecar", "version": version("kong-mcp")}
_META: Final = {
    methods.META_VERSION: methods.MODERN_VERSIONS[-1],
    methods.META_CAPABILITIES: {},
    methods.META_CLIENT_INFO: _SELF,
}


class TalkError(Exception):
    """A server could not be talked with; `outcome` is a short stable word."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Talk:
    """One conversation. It keeps to one replica. Every method raises TalkError where no answer can be read."""

    def __init__(self, upstream: Upstream, server: str, address: Address, *, max_answer: int) -> None:
        self._upstream = upstream
        self._server = server
        self._address = address
        self._max = max_answer
        self._threads = anyio.CapacityLimiter(1)
        self._affinity = secrets.token_hex(8)
        self._era = Era.MODERN
        self._version = methods.MODERN_VERSIONS[-1]
        self._session: str | None = None

    async def open(self) -> Mapping[str, Any]:
        """Introduce ourselves, in the era that the server speaks, and return what it says of itself."""
        introduction = await self.ask(methods.DISCOVER, {})
        if introduction is not None:
            return introduction
        self._era, self._version = Era.LEGACY, methods.LEGACY_VERSIONS[-1]
        hello = {"protocolVersion": self._version, "capabilities": {}, "clientInfo": _SELF}
        introduction = await self.ask(methods.INITIALIZE, hello)
        if introduction is None:
            raise TalkError("refused")
        spoken = introduction.get("protocolVersion")
        self._version = spoken if spoken in methods.LEGACY_VERSIONS else self._version
        async with self._send("POST", {"jsonrpc": "2.0", "method": methods.INITIALIZED}):
            pass
        return introduction

    async def ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the result of a request, or None where the server refused it."""
        async with self._send("POST", self._request(method, params)) as (head, response):
            if head.shape not in (Shape.JSON, Shape.STREAM):
                return None
            if method == methods.INITIALIZE and len(head.sessions) == 1:
                self._session = head.sessions[0]
            async with aclosing(self._texts(head, response)) as texts:
                async for text in texts:
                    message = await self._message(text)
                    if isinstance(message, Response) and message.id == _ID:
                        return message.result if isinstance(message.result, dict) else None
        raise TalkError("broken")

    async def changed(self) -> bool:
        """Wait until the server says that one of its lists changed. False where it ends, or cannot, tell so."""
        modern = self._era is Era.MODERN
        if not modern and self._session is None:
            return False
        wanted = {"notifications": dict.fromkeys(methods.LISTEN_CHANGES, True)}
        message = self._request(methods.LISTEN, wanted) if modern else None
        async with self._send("POST" if modern else "GET", message) as (head, response):
            if head.shape is not Shape.STREAM:
                return False
            async with aclosing(self._texts(head, response)) as texts:
                async for text in texts:
                    said = await self._message(text)
                    if isinstance(said, Notification) and said.method in methods.LIST_CHANGED:
                        return True
        return False

    async def close(self) -> None:
        """End the session, where there is one. A server may refuse that."""
        if self._session is not None:
            async with self._send("DELETE", None):
                pass

    def _request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        meta = {"_meta": _META} if self._era is Era.MODERN else {}
        return {"jsonrpc": "2.0", "id": _ID, "method": method, "params": {**params, **meta}}

    @asynccontextmanager
    async def _send(
        self, http_method: str, message: Mapping[str, Any] | None
    ) -> AsyncIterator[tuple[Head, aiohttp.ClientResponse]]:
        body = b"" if message is None else json.dumps(message, separators=(",", ":")).encode()
        method = "" if message is None else str(message["method"])
        headers: dict[str, str | list[str]] = {"content-type": "application/json"} if message else {}
        if method != methods.INITIALIZE:
            headers[methods.VERSION_HEADER] = self._version
        if self._era is Era.MODERN:
            headers[methods.METHOD_HEADER] = method
        asked = (Asked(_ID, method),) if message is not None and "id" in message else ()
        place = Place.GET if http_method == "GET" else Place.POST
        question = Question(self._era, self._version, place, asked)
        try:
            async with self._upstream.send(self._target(), question, http_method, headers, body) as response:
                yield read_head(response), response
        except UpstreamError as error:
            raise TalkError(error.outcome) from error

    def _target(self) -> Target:
        return Target(self._server, self._era, self._affinity, self._session, address=self._address)

    async def _texts(self, head: Head, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
        """Yield the JSON texts of an answer, each as soon as it is whole."""
        try:
            if head.shape is Shape.JSON:
                body = await read(response, self._max)
                if body is None:
                    raise TalkError("too-large")
                yield body
                return
            decoder = Decoder(self._max)
            async with aclosing(chunks(response)) as pieces:
                async for chunk in pieces:
                    for event in decoder.feed(chunk):
                        if event.data:
                            yield event.data.encode()
                    await anyio.lowlevel.checkpoint()
        except (StreamTooLargeError, EncodingError):
            raise TalkError("unreadable") from None

    async def _message(self, text: bytes) -> jsonrpc.Message:
        """Read one message; a long one in a thread, for the event loop is everybody's."""
        if len(text) < THREAD_BYTES:
            return self._read(text)
        return await anyio.to_thread.run_sync(self._read, text, limiter=self._threads)

    def _read(self, text: bytes) -> jsonrpc.Message:
        """Read one message as strictly as those for agents. What no agent would be shown is not read either."""
        passed = filter_text(text, _EVERYTHING)
        try:
            message = jsonrpc.message(jsonrpc.load(text, ANSWER_LIMITS), ANSWER_LIMITS)
        except NotStrictError:
            raise TalkError("unreadable") from None
        if isinstance(passed, Reject) or isinstance(message, Reject):
            raise TalkError("unreadable")
        return message
