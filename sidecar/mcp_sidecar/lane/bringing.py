"""Reading of one answer, from its head to its end: each part as soon as it is whole, and may be seen."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

import aiohttp
import anyio
import anyio.lowlevel

from mcp_core import methods
from mcp_core.answer import Judge
from mcp_core.claims import Target
from mcp_core.outcome import UNAVAILABLE, Reject
from mcp_core.surface import ANY_QUESTION, unreadable
from mcp_sidecar.lane.account import Account
from mcp_sidecar.lane.fetched import Began, Failed, Said, Whole
from mcp_sidecar.lane.filtering import AnswerView, Filtered
from mcp_sidecar.lane.lasting import may_stay
from mcp_sidecar.lane.parts import Parts
from mcp_sidecar.lane.streams import EventStream, behind, events
from mcp_sidecar.upstream.answers import JSON_TYPE, NO_MCP, STREAM_TYPE, AnswerHead, BodyShape, read_error, read_head
from mcp_sidecar.upstream.bodies import read, read_beginning, target, words
from mcp_sidecar.upstream.encodings import EncodingError

_TOO_LARGE: Final = (
    "raise MCP_SIDECAR_MAX_ANSWER, and max_answer and max_event of mcp-answers, if the server is meant to send so much"
)


class Bringing:
    """Reads one answer of `target`.

    `stay` is called where the rest of it may take as long as it likes, `opens` with the session that a stream opens.
    `hello` is what may open again the session that it opens.
    """

    def __init__(
        self,
        parts: Parts,
        target: Target,
        sight: AnswerView,
        account: Account,
        stay: Callable[[], None],
        opens: Callable[[str], None],
        hello: str | None = None,
    ) -> None:
        self._hello = hello
        self.resumable = False
        """Whether the server gave what an agent needs to come back for the rest of a stream."""
        self._parts = parts
        self._target = target
        self._claims = account.claims
        self._sight = sight
        self._judge = sight.judge
        self._account = account
        self._stay = stay
        self._opens = opens

    async def begin(self, response: aiohttp.ClientResponse) -> Whole | Began | Failed:
        """Return the first part of an answer: of what is no stream it is all."""
        self._account.answered = 200 <= response.status < 300
        head = read_head(response)
        session = self._session(head)
        if head.shape is not BodyShape.STREAM or isinstance(session, Reject) or self._says_nothing():
            return await self._one(head, session, response)
        headers = {"cache-control": "no-cache", **head.headers, **session}
        headers |= {"content-type": STREAM_TYPE, "x-accel-buffering": "no"}
        if self._claims.http_method == "GET":
            self._stay()
        return Began(head.status, headers)

    def _says_nothing(self) -> bool:
        """Return whether nothing that stands here is an answer: where there is one (2024-11-05), a stream brings it."""
        asks = self._judge.question.asked and self._target.endpoint is None
        return self._account.answered and self._claims.http_method != "GET" and not asks

    async def _one(
        self, head: AnswerHead, session: Mapping[str, str] | Reject, response: aiohttp.ClientResponse
    ) -> Whole | Failed:
        """Return the only part of an answer that is no stream, or may not be one."""
        if self._says_nothing():
            posted = self._claims.http_method == "POST" and response.status != 204
            return self._pass(replace(head, status=202 if posted else head.status), b"")
        if head.shape is BodyShape.REPLACED:
            return self._replace(head, response, await read_beginning(response))
        if isinstance(session, Reject):
            return self._account.withhold(session, "session")
        if self._judge.question.asked and head.shape in (BodyShape.UNREAD, BodyShape.EMPTY) and head.status < 400:
            why = unreadable("an answer without content, or without a Content-Type")
            return self._account.withhold(why, "empty", {"do": NO_MCP})
        return await self._whole(replace(head, headers={**head.headers, **session}), response)

    def _session(self, head: AnswerHead) -> Mapping[str, str] | Reject:
        if head.refusal is not None:
            return {}
        now, hello = time.time(), self._hello
        sealed = self._parts.sessions.seal(self._claims, self._target, head.sessions, now=now, hello=hello)
        if isinstance(sealed, Reject):
            return sealed
        # Decks of 0.1 take the first off every answer and call the second so.
        return {} if sealed is None else dict.fromkeys((methods.SESSION_HEADER, methods.GATEWAY_SESSION_HEADER), sealed)

    async def _whole(self, head: AnswerHead, response: aiohttp.ClientResponse) -> Whole | Failed:
        if head.shape is BodyShape.UNREAD:
            return self._pass(head, b"")
        try:
            body = await read(response, self._parts.settings.max_answer)
        except EncodingError as broken:
            return self._account.withhold(unreadable(str(broken)), "encoding")
        if head.shape is BodyShape.ERROR:
            error = read_error(head, body or b"", self._claims.id)
            if isinstance(error, AnswerHead):
                return self._replace(error, response, body or b"")
            return await self._json(head, error, replace(self._sight, judge=Judge(ANY_QUESTION)))
        if body is None:
            too_large = unreadable("an answer that is larger than MCP_SIDECAR_MAX_ANSWER")
            return self._account.withhold(too_large, "too-large", {"do": _TOO_LARGE})
        return await self._json(head, body, self._sight)

    def _replace(self, head: AnswerHead, response: aiohttp.ClientResponse, body: bytes) -> Failed:
        """Put the gateway's error in the place of an answer; the operator is told what the server said."""
        refusal = head.refusal or unreadable("nothing that passes")
        told: dict[str, str | int] = {"status": head.status, "said": words(response, body), "do": head.do}
        if where := target(response):
            told["points_to"] = where
        if head.shape is not BodyShape.ERROR:
            return self._account.withhold(refusal, head.reason, told)
        self._account.tell("server refused", refusal, head.reason, told)
        outcome = "unavailable" if refusal.code == UNAVAILABLE else "replaced"
        return self._account.fail(replace(refusal, headers=dict(head.headers)), outcome)

    async def _json(self, head: AnswerHead, body: bytes, sight: AnswerView) -> Whole | Failed:
        filtered = await self._parts.filter(body, sight)
        if isinstance(filtered, Reject):
            return self._account.withhold(filtered, "text")
        self._account.count(filtered)
        sight.judge.settle()
        if sight.judge.question.asked and not sight.judge.done:
            return self._account.withhold(unreadable("an answer that does not say what was asked"), "silence")
        return self._pass(head, filtered.text)

    def _pass(self, head: AnswerHead, body: bytes) -> Whole:
        self._account.passed()
        # From here on only the agent can be slow, and that is its own affair.
        self._stay()
        kind = {"content-type": JSON_TYPE} if body else {}
        return Whole(head.status, {**head.headers, **kind}, body)

    def _events(self) -> EventStream:
        most, claims = self._parts.settings.max_answer, self._claims
        if claims.announce is None:
            return EventStream(self._parts.filter, self._sight, max_event=most)
        stream = self._parts.old.stream
        return stream(claims, self._target, self._parts.filter, self._sight, max_event=most, opens=self._opens)

    async def rest(self, response: aiohttp.ClientResponse, missed: Sequence[str] = ()) -> AsyncGenerator[Said | Failed]:
        """Yield what a stream says that has begun; before it, what its listener may have `missed`: notifications."""
        stream, streams = self._events(), self._parts.metrics.streams.labels(self._target.server)
        with streams.track_inprogress():
            async with aclosing(behind(missed, events(stream, response))) as told:
                async for event in told:
                    self._parts.kept.hear(self._target.server, None if isinstance(event, Reject) else event.data)
                    piece = event if isinstance(event, Reject) else await stream.judge(event)
                    if isinstance(piece, Reject):
                        do = {"do": _TOO_LARGE} if stream.overflowed else None
                        yield self._account.withhold(piece, "stream" if piece is event else "text", do)
                        return
                    if piece is None:
                        self._parts.metrics.refused.labels(self._target.server, "event-type").inc()
                        continue
                    self._judged(piece)
                    self.resumable = stream.resumable
                    if piece.event is not None:
                        yield Said(piece.text, piece.event)
                    if self._judge.done:
                        # Whatever a server still sends there answers nothing that was asked there.
                        return
                    # One server's burst of events must not keep the others' from being written.
                    await anyio.lowlevel.checkpoint()
            if self._judge.question.may_end_open(resumable=stream.resumable):
                self._account.passed()
            else:
                yield self._account.withhold(unreadable("a stream that ended without the answer"), "silence")

    def _judged(self, piece: Filtered) -> None:
        self._account.count(piece)
        if may_stay(self._claims.method):
            self._stay()
        if self._judge.done:
            self._account.passed()
