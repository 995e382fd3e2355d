"""A conversation of the sidecar with a server, in the server's own era, by Kong's internal route."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Generator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any, Final, Protocol, Self, TypeVar

import aiohttp
import anyio
import anyio.lowlevel
import anyio.to_thread

from mcp_core import jsonrpc, methods
from mcp_core.claims import Target
from mcp_core.conversation import Ask, Conversation, Outgoing, Result, read_message, result_of
from mcp_core.errand import Address
from mcp_core.headers import Headers
from mcp_core.jsonrpc import Notification, Response
from mcp_core.outcome import Reject
from mcp_core.policy import Access, View
from mcp_core.question import Question
from mcp_core.sse import Decoder, StreamTooLargeError
from mcp_core.surface import filter_text
from mcp_sidecar.upstream.answers import AnswerHead, BodyShape, read_head
from mcp_sidecar.upstream.bodies import THREAD_BYTES, chunks, read
from mcp_sidecar.upstream.encodings import EncodingError
from mcp_sidecar.upstream.internal_route import UpstreamError

_EVERYTHING: Final = View({kind: Access(("*",)) for kind in methods.Kind})
_T = TypeVar("_T")


class WayToServer(Protocol):
    """How a server is reached: Upstream, or what acts there for a principal."""

    def send(
        self,
        target: Target,
        question: Question,
        http_method: str,
        headers: Headers,
        body: bytes = b"",
        hide: Collection[str] | None = None,
        /,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Send a request and give the answer, of which only the head has been read. Raises UpstreamError.

        `hide` holds globs of headers that no server gets.
        """


class TalkError(Exception):
    """A server could not be talked with; `outcome` is a short stable word."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class SpeaksFor:
    """For whom a conversation is held: the headers of its agent, globs of those that no server gets, and the token."""

    headers: Headers = field(default_factory=dict)
    hide: Collection[str] | None = None
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def gateway(cls, header: tuple[str, str] | None) -> Self:
        """Return that nobody's agent asks: `header` is the one by which the server knows the gateway, if any."""
        if header is None:
            return cls(hide=())
        name, value = header
        bears = name == methods.AUTHORIZATION_HEADER
        return cls(hide=(), authorization=value) if bears else cls({name: value}, hide=())


class Talk:
    """One conversation. It keeps to one replica. Every method raises TalkError where no answer can be read."""

    def __init__(
        self,
        way: WayToServer,
        server: str,
        address: Address | None,
        *,
        max_answer: int,
        speaks_for: SpeaksFor | None = None,
    ) -> None:
        self._speaks_for = speaks_for or SpeaksFor()
        self._upstream = way
        self._server = server
        self._address = address
        self._max = max_answer
        self._threads = anyio.CapacityLimiter(1)
        self._affinity = secrets.token_hex(8)
        self.refusals: list[Any] = []
        """How requests were refused, in order: by the code of a JSON-RPC error, or by an HTTP status without one."""
        self.left: int | None = None
        """Bytes of messages that may still be read, where there is a limit; TalkError beyond it."""
        self._talk = Conversation("kong-mcp-sidecar", version("kong-mcp"))

    async def open(self) -> Mapping[str, Any]:
        """Introduce ourselves, in the era that the server speaks, and return what it says of itself."""
        introduction = await self._drive(self._talk.introduce())
        if introduction is None:
            raise TalkError("refused")
        return introduction

    async def initialize(self, hello: Mapping[str, Any]) -> Mapping[str, Any]:
        """Open a session by the params of an initialize, and return what the server says of itself."""
        introduction = await self._drive(self._talk.initialize(hello))
        if introduction is None:
            raise TalkError("refused")
        return introduction

    @property
    def session(self) -> tuple[str | None, str]:
        """Return the server's id of the session, None where there is none, and what finds its replica."""
        return self._talk.session, self._affinity

    async def join(self, version: str, capabilities: Mapping[str, Any], client: Mapping[str, Any]) -> str | None:
        """Open a session of the legacy era for a client, and return its id, None where the server gives none."""
        if await self._drive(self._talk.join(version, capabilities, client)) is None:
            raise TalkError("refused")
        return self._talk.session

    @property
    def spoken(self) -> tuple[methods.Era, str, str | None]:
        """The era and the revision that the server speaks, and the session that is open there."""
        return self._talk.era, self._talk.version, self._talk.session

    async def ask(self, questions: Generator[Ask, Result | None, _T]) -> _T:
        """Ask questions, and return what they come to."""
        return await self._drive(self._talk.asking(questions))

    async def changed(self) -> bool:
        """Wait until the server says that one of its lists changed. False where it ends, or cannot, tell so."""
        async with aclosing(self.changes()) as changes:
            async for said in changes:
                if said is not None:
                    return True
        return False

    async def changes(self) -> AsyncGenerator[str | None]:
        """Yield None once the server would tell that a list changed, then in what words it does (the method).

        It ends where the server ends, or cannot, tell so.
        """
        listen = self._talk.listen()
        if listen is None:
            return
        async with self._send(listen) as (head, response):
            if head.shape is not BodyShape.STREAM:
                return
            if self._talk.era is methods.Era.LEGACY:
                yield None
            async with aclosing(self._texts(head, response)) as texts:
                async for text in texts:
                    said = await self._message(text)
                    if isinstance(said, Notification) and said.method == methods.LISTEN_ACKNOWLEDGED:
                        yield None
                    if isinstance(said, Notification) and said.method in methods.LIST_CHANGED:
                        yield said.method

    async def close(self) -> None:
        """End the session, where there is one. A server may refuse that."""
        ending = self._talk.close()
        if ending is not None:
            async with self._send(ending):
                pass

    async def _drive(self, requests: Generator[Outgoing, Result | None, _T]) -> _T:
        try:
            outgoing = next(requests)
            while True:
                outgoing = requests.send(await self._result(outgoing))
        except StopIteration as end:
            value: _T = end.value
            return value

    async def _result(self, outgoing: Outgoing) -> Result | None:
        """Return the result of a request, or None where the server refused it, or none is expected."""
        async with self._send(outgoing) as (head, response):
            if outgoing.id is None or head.shape not in (BodyShape.JSON, BodyShape.STREAM):
                if outgoing.id is not None:
                    self.refusals.append(head.status)
                return None
            self._talk.head(outgoing, head.sessions)
            async with aclosing(self._texts(head, response)) as texts:
                async for text in texts:
                    message = await self._message(text)
                    answered = result_of(outgoing, message)
                    if answered is not None:
                        if isinstance(message, Response) and isinstance(message.error, dict):
                            self.refusals.append(message.error.get("code"))
                        return answered[0]
        raise TalkError("broken")

    @asynccontextmanager
    async def _send(self, outgoing: Outgoing) -> AsyncIterator[tuple[AnswerHead, aiohttp.ClientResponse]]:
        talk, whose = self._talk, self._speaks_for
        headers = {**whose.headers, **outgoing.headers}
        target = Target(self._server, talk.era, self._affinity, talk.session, address=self._address)
        target = replace(target, authorization=whose.authorization)
        try:
            async with self._upstream.send(
                target, outgoing.question, outgoing.http_method, headers, outgoing.body, whose.hide
            ) as response:
                yield read_head(response), response
        except UpstreamError as error:
            raise TalkError(error.outcome) from error

    async def _texts(self, head: AnswerHead, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
        """Yield the JSON texts of an answer, each as soon as it is whole."""
        try:
            if head.shape is BodyShape.JSON:
                body = await read(response, self._max)
                if body is None:
                    raise TalkError("too-large")
                self._count(len(body))
                yield body
                return
            decoder = Decoder(self._max)
            async with aclosing(chunks(response)) as pieces:
                async for chunk in pieces:
                    self._count(len(chunk))
                    for event in decoder.feed(chunk):
                        if event.data:
                            yield event.data.encode()
                    await anyio.lowlevel.checkpoint()
        except (StreamTooLargeError, EncodingError):
            raise TalkError("unreadable") from None

    def _count(self, size: int) -> None:
        if self.left is None:
            return
        self.left -= size
        if self.left < 0:
            raise TalkError("too-large")

    async def _message(self, text: bytes) -> jsonrpc.Message:
        """Read one message; a long one in a thread, for the event loop is everybody's."""
        if len(text) < THREAD_BYTES:
            return self._read(text)
        return await anyio.to_thread.run_sync(self._read, text, limiter=self._threads)

    def _read(self, text: bytes) -> jsonrpc.Message:
        """Read one message as strictly as those for agents. What no agent would be shown is not read either."""
        passed = filter_text(text, _EVERYTHING)
        message = None if isinstance(passed, Reject) else read_message(passed or text)
        if message is None:
            raise TalkError("unreadable")
        return message
