"""One verified request: sent on, and its answer brought back as far as the caller may see it.

The laws: nothing of an answer passes unread; what is read is passed on at once; when the agent goes away, so does the
request to the server; and whatever happens, the agent gets one answer that says what happened.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import aiohttp
import anyio
import anyio.lowlevel
import structlog
from anyio.abc import TaskGroup
from starlette.types import Receive

from mcp_core import methods
from mcp_core.answer import Judge
from mcp_core.outcome import INTERNAL_ERROR, UNAVAILABLE, Reject
from mcp_core.sse import Event
from mcp_core.surface import ANY_QUESTION, Revise, unreadable
from mcp_sidecar.health.hints import Hints
from mcp_sidecar.lane.callers import Call
from mcp_sidecar.lane.filtering import Filter, Filtered, Sight
from mcp_sidecar.lane.inspection import Inspector
from mcp_sidecar.lane.lasting import may_last, may_stay, works
from mcp_sidecar.lane.pinning import pins_of
from mcp_sidecar.lane.refusals import Refusals
from mcp_sidecar.lane.repeating import again, as_heard
from mcp_sidecar.lane.reply import Reply
from mcp_sidecar.lane.sessions import Sessions
from mcp_sidecar.lane.streams import EventStream, events
from mcp_sidecar.lane.tasks import Sending, Tasks
from mcp_sidecar.logs import Line
from mcp_sidecar.metrics import Metrics, method_label
from mcp_sidecar.settings import Settings
from mcp_sidecar.surface.alerts import WITHHELD, Alerts, Notice
from mcp_sidecar.surface.surfaces import Surfaces
from mcp_sidecar.upstream.answers import JSON_TYPE, STREAM_TYPE, Head, Shape, errors, read_error, read_head
from mcp_sidecar.upstream.bodies import read, read_beginning, target, words
from mcp_sidecar.upstream.encodings import EncodingError
from mcp_sidecar.upstream.internal_route import Upstream, UpstreamError
from mcp_sidecar.upstream.shares import Shares

HOLD_SECONDS: Final = 1.0
"""How long the head of a POST's stream waits for the first event: until then an error can be a JSON answer."""
GRACE_SECONDS: Final = 2.0
"""How long requests may go on after the sidecar was told to stop."""

_TOO_SLOW: Final = Reject(
    INTERNAL_ERROR,
    "The server did not answer in time. Try again, or have the operator raise MCP_SIDECAR_ANSWER_TIMEOUT.",
    "answer-timeout",
    status=504,
)
_STOPPED: Final = Reject(
    UNAVAILABLE, "The gateway restarts. Try again.", "stopped", status=503, headers={"Retry-After": "1"}
)


@dataclass(frozen=True)
class Parts:
    """What all requests of a process share. `stopping` is set when the process was told to stop."""

    settings: Settings
    upstream: Upstream
    filter: Filter
    sessions: Sessions
    tasks: Tasks
    refusals: Refusals
    inspector: Inspector
    metrics: Metrics
    stopping: anyio.Event
    surfaces: Surfaces | None
    alerts: Alerts
    shares: Shares
    hints: Hints


class Exchange:
    """One request and its answer. What happened is left in `line`."""

    def __init__(self, parts: Parts, call: Call, reply: Reply, line: Line) -> None:
        self._parts = parts
        self._call = call
        self._claims = call.claims
        self._target = call.target
        terms, server = call.claims.terms, call.target.server
        self._judge = Judge(call.claims.question, terms.server_messages)
        self._sight = Sight(
            call.view,
            server,
            terms.enforce,
            pins=pins_of(terms, call.target, parts.surfaces, parts.metrics.pins),
            results=parts.inspector.results(call.claims),
            beside=parts.inspector.beside(terms),
            judge=self._judge,
        )
        self._reply = reply
        self._line = line
        self._patience = anyio.CancelScope()
        self._streaming = False
        self._answered = False

    async def run(self, receive: Receive) -> None:
        """Answer the request; returns early when the agent goes away or the sidecar stops."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch_agent, receive, tasks)
            tasks.start_soon(self._watch_stop, tasks)
            if not works(self._claims.method):
                self._patience.deadline = anyio.current_time() + self._parts.settings.answer_timeout
            with self._patience:
                await self._answer(tasks)
            if self._patience.cancelled_caught:
                await self._fail(_TOO_SLOW, "timeout")
            tasks.cancel_scope.cancel()
        if self._line.outcome == "stopped" and not self._reply.ended:
            await self._fail(_STOPPED, "stopped")
        self._line.dropped = self._judge.dropped.total()
        for why, count in self._judge.dropped.items():
            self._parts.metrics.dropped.labels(self._target.server, why).inc(count)

    async def _watch_agent(self, receive: Receive, tasks: TaskGroup) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self._reply.ended:
            self._line.outcome = "cancelled"
            tasks.cancel_scope.cancel()

    async def _watch_stop(self, tasks: TaskGroup) -> None:
        await self._parts.stopping.wait()
        await anyio.sleep(GRACE_SECONDS)
        if not self._reply.ended:
            self._line.outcome = "stopped"
            tasks.cancel_scope.cancel()

    async def _answer(self, tasks: TaskGroup) -> None:
        claims, server = self._claims, self._target.server
        caller = claims.principal.name and claims.principal.seal_key
        with self._parts.shares.take(server, caller, lasting=may_last(claims)) as refusal:
            if refusal is None:
                await self._serve(tasks)
            else:
                await self._fail(refusal, "limited")

    async def _serve(self, tasks: TaskGroup) -> None:
        claims, target = self._claims, self._target
        refusal = await self._parts.inspector.check(claims, target.server, self._call.body, self._line.trace)
        if refusal is not None and (target.endpoint is None or refusal.id is None):
            await self._fail(refusal, "refused")
            return
        if refusal is not None:
            self._line.outcome, self._line.reason = "refused", refusal.reason
            claims = self._claims = replace(claims, method=methods.PING, refusal=refusal.body().decode())
        sending = self._parts.tasks.open(claims, target, self._call.headers, self._call.body)
        if isinstance(sending, Reject):
            await self._fail(sending, "refused")
            return
        if claims.refusal is not None:
            sending = self._parts.refusals.in_place_of(claims, sending)
        self._target = sending.target
        await self._ask(sending, tasks)

    def _revise(self, sending: Sending) -> Revise:
        principal, told, server = self._claims.principal, self._parts.refusals, self._target.server
        sealed = self._parts.tasks.revise(self._claims, self._target, sending.tokens)
        if self._claims.announce is None:
            return sealed
        return lambda message: told.revise(principal, server, message) or sealed(message)

    async def _ask(self, sending: Sending, tasks: TaskGroup) -> None:
        started, said, upstream = time.monotonic(), self._claims, self._parts.upstream
        asked = (said.question, said.http_method, sending.headers, sending.body, said.terms.hide)
        tries = upstream.begin(self._target.server)
        hints, to = self._parts.hints, sending.target
        bound = {to.session, to.endpoint} != {None} or bool(sending.tokens)
        while True:
            try:
                async with upstream.send(self._target, *asked, tries) as response:
                    wait = await again(hints, self._call, tries, response, bound=bound)
                    if wait is None:
                        self._sight = replace(self._sight, revise=self._revise(sending))
                        self._parts.metrics.upstream.labels(self._target.server).observe(time.monotonic() - started)
                        await self._bring(response, tasks)
                        return
            except UpstreamError as error:
                wait = await again(hints, self._call, tries, error, bound=bound or self._reply.status is not None)
                if wait is None:
                    await self._fail(error.refusal, error.outcome)
                    return
                self._streaming = False
            await anyio.sleep(wait)
            self._target = replace(self._target, affinity=secrets.token_hex(8))

    async def _bring(self, response: aiohttp.ClientResponse, tasks: TaskGroup) -> None:
        self._answered = 200 <= response.status < 300
        head = read_head(response)
        session = self._session(head)
        if self._answered and self._asks_nothing():
            # Nothing that stands here is an answer: where there is one (2024-11-05), it comes on the stream.
            posted = self._claims.http_method == "POST" and response.status != 204
            await self._pass(replace(head, status=202 if posted else head.status, shape=Shape.UNREAD), b"")
        elif head.shape is Shape.REPLACED:
            await self._replace(head, response, await read_beginning(response))
        elif isinstance(session, Reject):
            await self._withhold(session, "session")
        elif self._judge.question.asked and head.shape in (Shape.UNREAD, Shape.EMPTY) and head.status < 400:
            await self._withhold(unreadable("an answer without content"), "empty")
        elif head.shape is Shape.STREAM:
            await self._stream(replace(head, headers={**head.headers, **session}), response, tasks)
        else:
            await self._whole(replace(head, headers={**head.headers, **session}), response)

    def _asks_nothing(self) -> bool:
        asks = self._judge.question.asked and self._target.endpoint is None
        return self._claims.http_method != "GET" and not asks

    def _session(self, head: Head) -> Mapping[str, str] | Reject:
        if head.refusal is not None:
            return {}
        sealed = self._parts.sessions.seal(self._claims, self._target, head.sessions, now=time.time())
        if isinstance(sealed, Reject):
            return sealed
        # Decks of 0.1 take the first off every answer and call the second so.
        return {} if sealed is None else dict.fromkeys((methods.SESSION_HEADER, methods.GATEWAY_SESSION_HEADER), sealed)

    async def _whole(self, head: Head, response: aiohttp.ClientResponse) -> None:
        if head.shape is Shape.UNREAD:
            await self._pass(head, b"")
            return
        try:
            body = await read(response, self._parts.settings.max_answer)
        except EncodingError as broken:
            await self._withhold(unreadable(str(broken)), "encoding")
            return
        if head.shape is Shape.ERROR:
            error = read_error(head, body or b"", self._claims.id)
            if isinstance(error, Head):
                await self._replace(error, response, body or b"")
            else:
                await self._json(head, error, replace(self._sight, judge=Judge(ANY_QUESTION)))
        elif body is None:
            await self._withhold(unreadable("an answer that is larger than MCP_SIDECAR_MAX_ANSWER"), "too-large")
        else:
            await self._json(head, body, self._sight)

    async def _replace(self, head: Head, response: aiohttp.ClientResponse, body: bytes) -> None:
        """Put the gateway's error in the place of an answer; the operator is told what the server said."""
        refusal = head.refusal
        if refusal is None:
            return
        told: dict[str, str | int] = {"status": head.status, "said": words(response, body), "do": head.do}
        if where := target(response):
            told["points_to"] = where
        if head.shape is Shape.ERROR:
            self._tell("server refused", refusal, head.reason, told)
            outcome = "unavailable" if refusal.code == UNAVAILABLE else "replaced"
            await self._fail(replace(refusal, headers=dict(head.headers)), outcome)
        else:
            await self._withhold(refusal, head.reason, told)

    async def _json(self, head: Head, body: bytes, sight: Sight) -> None:
        filtered = await self._parts.filter(body, sight)
        if isinstance(filtered, Reject):
            await self._withhold(filtered, "text")
            return
        self._count(filtered)
        sight.judge.settle()
        if sight.judge.question.asked and not sight.judge.done:
            await self._withhold(unreadable("an answer that does not say what was asked"), "silence")
            return
        await self._pass(head, filtered.text)

    async def _pass(self, head: Head, body: bytes) -> None:
        if self._line.outcome == "failed":
            self._line.outcome = "passed"
        # From here on only the agent can be slow, and that is its own affair.
        self._patience.deadline = math.inf
        kind = {"content-type": JSON_TYPE} if body else {}
        await self._reply.whole(head.status, {**head.headers, **kind}, body)

    async def _stream(self, head: Head, response: aiohttp.ClientResponse, tasks: TaskGroup) -> None:
        headers = {"cache-control": "no-cache", **head.headers, "content-type": STREAM_TYPE, "x-accel-buffering": "no"}
        self._streaming = True
        if self._claims.http_method == "GET":
            self._patience.deadline = math.inf
            await self._reply.start(head.status, headers)
        else:
            tasks.start_soon(self._start_later, head.status, headers)
        gauge = self._parts.metrics.streams.labels(self._target.server)
        gauge.inc()
        try:
            await self._relay(head.status, headers, response)
        finally:
            gauge.dec()

    async def _start_later(self, status: int, headers: Mapping[str, str]) -> None:
        await anyio.sleep(HOLD_SECONDS)
        if self._streaming:
            await self._reply.start(status, headers)

    async def _relay(self, status: int, headers: Mapping[str, str], response: aiohttp.ClientResponse) -> None:
        stream = EventStream(
            self._parts.filter, self._sight, max_event=self._parts.settings.max_answer, announce=self._announce()
        )
        async with aclosing(events(stream, response)) as told:
            async for event in told:
                piece = event if isinstance(event, Reject) else await stream.judge(event)
                if isinstance(piece, Reject):
                    await self._withhold(piece, "stream" if piece is event else "text")
                    return
                if piece is None:
                    self._parts.metrics.refused.labels(self._target.server, "event-type").inc()
                    continue
                self._count(piece)
                if may_stay(self._claims.method):
                    self._patience.deadline = math.inf
                if piece.text:
                    await self._reply.start(status, headers)
                    await self._reply.write(piece.text)
                if self._judge.done:
                    # Whatever a server still sends there answers nothing that was asked there.
                    await self._finish(status, headers)
                    return
                # One server's burst of events must not keep the others' from being written.
                await anyio.lowlevel.checkpoint()
        if not self._judge.question.may_end_open(resumable=stream.resumable):
            await self._withhold(unreadable("a stream that ended without the answer"), "silence")
            return
        await self._finish(status, headers)

    async def _finish(self, status: int, headers: Mapping[str, str]) -> None:
        if self._line.outcome == "failed":
            self._line.outcome = "passed"
        await self._reply.start(status, headers)
        await self._reply.end()

    def _announce(self) -> Callable[[str], str | None] | None:
        seal = partial(self._parts.sessions.announce, self._claims, self._target)
        return None if self._claims.announce is None else lambda said: seal(said, now=time.time())

    def _count(self, filtered: Filtered) -> None:
        server, enforce, hidden = self._target.server, self._claims.terms.enforce, filtered.hidden
        for kind, count in hidden.items():
            self._parts.metrics.hide(server, kind, count, enforce=enforce)
        if hidden:
            self._line.hidden += hidden.total()
            self._line.outcome = "filtered" if enforce else "would-filter"
        self._parts.inspector.tell(self._claims, server, filtered.found, self._line.trace)
        if filtered.found:
            self._line.outcome = "withheld" if any(one.withheld for one in filtered.found) else "flagged"

    async def _withhold(self, refusal: Reject, reason: str, told: Mapping[str, str | int] | None = None) -> None:
        self._tell("answer withheld", refusal, reason, told or {})
        detail = {"method": method_label(self._claims.method), "reason": reason, "why": refusal.reason}
        self._parts.alerts.say(Notice(WITHHELD, self._target.server, detail))
        await self._fail(refusal, "withheld")

    def _tell(self, event: str, refusal: Reject, reason: str, told: Mapping[str, str | int]) -> None:
        """Count and log that an answer does not pass as it came."""
        self._parts.metrics.refused.labels(self._target.server, reason).inc()
        structlog.get_logger().warning(
            event,
            server=self._target.server,
            principal=self._line.principal,
            method=self._claims.method,
            why=refusal.reason,
            trace=self._line.trace,
            **told,
        )

    async def _fail(self, refusal: Reject, outcome: str) -> None:
        """End the answer with a refusal: as the answer, or as the last event of a stream that has begun."""
        if self._reply.ended:
            return
        self._line.outcome, self._line.reason = outcome, refusal.reason
        self._patience.deadline = math.inf
        refusal = as_heard(refusal, self._claims)
        waiting = self._judge.waiting if outcome == "withheld" else ()
        if waiting and self._answered:
            # Some clients end their session at any 5xx; to them one answer is missing, and the server is there.
            refusal = replace(refusal, status=200)
        body = errors(refusal, waiting) if self._judge.question.batch and waiting else refusal.body()
        if self._reply.status is None:
            await self._reply.refuse(refusal, body)
            return
        if not self._streaming:
            return
        # A stream that broke can be resumed, and one of a GET answers no request: those just end.
        speaks = self._claims.http_method == "POST" and outcome != "broken"
        await self._reply.end(Event(data=body.decode()).encode() if speaks else b"")
