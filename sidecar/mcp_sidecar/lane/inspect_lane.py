"""The inspect lane's ASGI endpoint: refuses whoever is not the guard, and accounts for every request."""

from __future__ import annotations

import time

import structlog
from starlette.types import Receive, Scope, Send

from mcp_core.outcome import INTERNAL_ERROR, Reject
from mcp_sidecar.health.breakers import Breakers
from mcp_sidecar.lane.breaking import held_back, note
from mcp_sidecar.lane.callers import Callers, headers_of
from mcp_sidecar.lane.exchange import Exchange, Parts
from mcp_sidecar.lane.reply import Reply
from mcp_sidecar.logs import Line, trace_id
from mcp_sidecar.metrics import NONE, method_label

_FAILED = Reject(INTERNAL_ERROR, "The gateway failed at this request; its log says why.", "bug", status=500)


class InspectLane:
    """Serves /inspect/{server}."""

    def __init__(self, callers: Callers, parts: Parts, breakers: Breakers) -> None:
        self._callers = callers
        self._parts = parts
        self._breakers = breakers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = headers_of(scope)
        line = Line(started=time.monotonic(), trace=trace_id(headers))
        reply = Reply(send)
        try:
            call = await self._callers.read(scope, receive, headers)
            if isinstance(call, Reject):
                line.outcome, line.reason = "unsigned", call.reason
                await reply.refuse(call)
            else:
                line.server, line.principal, line.era = call.target.server, call.claims.principal.name, call.target.era
                line.method = method_label(call.claims.method)
                if (refusal := held_back(self._breakers, call)) is not None:
                    line.outcome, line.reason = "held-back", refusal.reason
                    await reply.refuse(refusal)
                    return
                await Exchange(self._parts, call, reply, line).run(receive)
                note(self._breakers, call, line, time.monotonic())
        except Exception:  # noqa: BLE001 - the outermost edge of a request: nothing passes, the log says why
            line.outcome = "failed"
            structlog.get_logger().exception("a request failed")
            if reply.status is None:
                await reply.refuse(_FAILED)
        finally:
            line.status = reply.status
            self._parts.metrics.requests.labels(line.server or NONE, line.era, line.method, line.outcome).inc()
            line.write(time.monotonic())
