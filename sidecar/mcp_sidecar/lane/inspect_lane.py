"""The inspect lane's ASGI endpoint: refuses whoever is not the guard, and accounts for every request."""

from __future__ import annotations

import time

import structlog
from starlette.types import Receive, Scope, Send

from mcp_core.outcome import INTERNAL_ERROR, Reject
from mcp_core.reasons import Ending, Reason
from mcp_sidecar.lane.callers import Callers, headers_of
from mcp_sidecar.lane.exchange import Exchange, Parts
from mcp_sidecar.lane.reply import Reply
from mcp_sidecar.logs import Line, asked, trace_id

_FAILED = Reject(INTERNAL_ERROR, "The gateway failed at this request; its log says why.", Reason.BUG, status=500)


class InspectLane:
    """Serves /inspect/{server}."""

    def __init__(self, callers: Callers, parts: Parts) -> None:
        self._callers = callers
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = headers_of(scope)
        line = Line(started=time.monotonic(), trace=trace_id(headers))
        reply = Reply(send)
        try:
            call = await self._callers.read(scope, receive, headers)
            if isinstance(call, Reject):
                line.end(Ending.UNSIGNED, call)
                await reply.refuse(call)
            else:
                line.asked = asked(call.claims, call.target, call.headers)
                await Exchange(self._parts, call, reply, line).run(receive)
        except Exception:  # noqa: BLE001 - the outermost edge of a request: nothing passes, the log says why
            line.end(Ending.FAILED, _FAILED)
            structlog.get_logger().exception("a request failed")
            if reply.status is None:
                await reply.refuse(_FAILED)
        finally:
            line.status = reply.status
            self._parts.metrics.count(line.record())
            line.write(time.monotonic())
