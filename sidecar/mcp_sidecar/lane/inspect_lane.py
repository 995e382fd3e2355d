"""The inspect lane: what a guard sends is answered, and what the gateway itself asks is fetched in the same way.

As an ASGI endpoint it refuses whoever is not the guard, and accounts for every request.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import structlog
from starlette.types import Receive, Scope, Send

from mcp_core.outcome import INTERNAL_ERROR, Reject
from mcp_core.reasons import Ending, Reason
from mcp_core.terms import Terms
from mcp_core.virtual import Virtual
from mcp_sidecar.health.breakers import Breakers
from mcp_sidecar.lane.answering import Answering, KeepAlive
from mcp_sidecar.lane.breaking import held_back, note
from mcp_sidecar.lane.callers import Call, Callers, headers_of
from mcp_sidecar.lane.fetch import Fetch
from mcp_sidecar.lane.fetched import Fetched
from mcp_sidecar.lane.parts import Parts
from mcp_sidecar.lane.reply import Reply, SlowReaderError
from mcp_sidecar.logs import Line, asked, request_id, trace_id

_FAILED = Reject(INTERNAL_ERROR, "The gateway failed at this request; its log says why.", Reason.BUG, status=500)


ReplyVirtual: TypeAlias = Callable[[Call, Virtual, Reply, Line, Receive], Awaitable[None]]
"""Answers an agent for a virtual server."""
Saw: TypeAlias = Callable[[str | None, Line, Terms, float], None]
"""Hears of a request by Kong's id, what was found out of it, by which terms, and when it ended (monotonic seconds)."""


def _nobody(_request: str | None, _line: Line, _terms: Terms, _now: float) -> None:
    """Hear of nothing."""


class InspectLane:
    """Serves /inspect/{server}."""

    def __init__(
        self, callers: Callers, parts: Parts, breakers: Breakers, virtual: ReplyVirtual, saw: Saw = _nobody
    ) -> None:
        """`virtual` answers in the place of servers that are none of their own; `saw` hears of every request."""
        self._virtual = virtual
        self._saw = saw
        self._callers = callers
        self._parts = parts
        self._breakers = breakers

    def fetch(self, call: Call, line: Line) -> AbstractAsyncContextManager[AsyncGenerator[Fetched]]:
        """Give what comes back for a request of the gateway's own, part by part. The line says what happened.

        Raises:
            LateError: when the context ends, where the server took too long.
        """
        line.asked = asked(call.claims, call.target, call.headers)
        return Fetch(self._parts, call, line).answer()

    async def reply(self, call: Call, reply: Reply, line: Line, receive: Receive) -> None:
        """Answer an agent with what comes back for its request; a breaker that is open answers at once."""
        line.asked = asked(call.claims, call.target, call.headers)
        if (refusal := held_back(self._breakers, call)) is not None:
            line.end(Ending.HELD_BACK, refusal)
            await reply.refuse(refusal)
            return
        # The guard may have let it in by an older list of who is cut off than ours.
        found = None if self._parts.cuts.name(call.claims.cuts) else self._parts.kept.find(call)
        if found is not None:
            kept, body = found
            kept.tell(line, call.target.server, self._parts.metrics)
            await reply.whole(200, kept.headers, body)
            return
        fetch = Fetch(self._parts, call, line)
        alive = KeepAlive(self._parts.settings.keep_alive, self._parts.metrics.lane.kept_alive.inc)
        try:
            await Answering(fetch, call.claims.http_method, reply, line, self._parts.stopping, alive).run(receive)
        except* SlowReaderError:
            line.outcome = Ending.CANCELLED
            self._parts.metrics.lane.slow_readers.inc()
        fetch.keep()
        note(self._breakers, call, line, time.monotonic())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = headers_of(scope)
        line = Line(started=time.monotonic(), trace=trace_id(headers))
        reply = Reply(send, self._parts.settings.slow_reader)
        terms: Terms | None = None
        try:
            call = await self._callers.read(scope, receive, headers)
            if isinstance(call, Reject):
                line.end(Ending.UNSIGNED, call)
                await reply.refuse(call)
                return
            terms = call.claims.terms
            if (virtual := terms.virtual) is not None:
                await self._virtual(call, virtual, reply, line, receive)
            else:
                await self.reply(call, reply, line, receive)
        except Exception:  # noqa: BLE001 - the outermost edge of a request: nothing passes, the log says why
            line.end(Ending.FAILED, _FAILED)
            structlog.get_logger().exception("a request failed")
            if reply.status is None:
                await reply.refuse(_FAILED)
        finally:
            line.status = reply.status
            record, id_ = line.record(), request_id(headers)
            self._parts.metrics.count(record)
            self._parts.metrics.telemetry.heard.put(id_, record)
            line.write(record, now := time.monotonic())
            if terms is not None:
                self._saw(id_, line, terms, now)
