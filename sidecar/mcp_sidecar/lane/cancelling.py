"""Work that nobody waits for any more: its server is told so where the closed connection does not say it.

In the modern era a closed stream cancels (2026-07-28, basic/transports/streamable-http). In a legacy session it does
not (2025-11-25, basic/transports): there notifications/cancelled says it (basic/utilities/cancellation), but for
initialize, which must not be cancelled. See spec/decisions/248.
"""

from __future__ import annotations

import json
from typing import Final

import anyio
from prometheus_client import Counter

from mcp_core import methods
from mcp_core.claims import Target
from mcp_core.methods import Era, Place
from mcp_core.outcome import INTERNAL_ERROR, Reject
from mcp_core.question import Question
from mcp_core.reasons import Reason
from mcp_sidecar.lane.callers import Call
from mcp_sidecar.lane.resuming import of_one_request
from mcp_sidecar.upstream.internal_route import Upstream, UpstreamError
from mcp_sidecar.upstream.shares import Shares

SECONDS: Final = 2.0
"""How long telling a server may take: whoever waits for it has left, or is told to."""
_REASONS: Final = {"left": "The client has left.", "late": "The time for this call is up."}


def late(seconds: int) -> Reject:
    """Return what the agent of a call hears whose time is up."""
    text = f"The call did not end within {seconds} s, which is all that its policy gives it. It may have run."
    return Reject(INTERNAL_ERROR, text, Reason.ANSWER_TIMEOUT, status=504, data={"mayHaveRun": True}, detail="call")


class Cancels:
    """Tells servers what nobody waits for. `count` counts it, and each telling holds a place of `shares`."""

    def __init__(self, upstream: Upstream, count: Counter, shares: Shares) -> None:
        self._upstream = upstream
        self._count = count
        self._shares = shares

    async def tell(self, call: Call, target: Target, why: str) -> None:
        """Tell the server of a legacy session that a request in it is cancelled. That it cannot be told is no error.

        Where its caller has no place left, nothing is told, and the work goes on as it would without this.
        """
        only = call.claims.question.only
        asked = target.era is Era.LEGACY and target.session is not None and only is not None
        if not asked or only is None or call.claims.method == methods.INITIALIZE:
            return
        params = {"requestId": only.id, "reason": _REASONS[why]}
        body = json.dumps({"jsonrpc": "2.0", "method": methods.CANCELLED, "params": params}).encode()
        headers = {name: value for name, value in call.headers.items() if not of_one_request(name)}
        headers |= {"content-type": "application/json", methods.VERSION_HEADER: call.claims.question.version}
        nothing = Question(Era.LEGACY, call.claims.question.version, Place.POST)
        caller = call.claims.principal.name and call.claims.principal.seal_key
        with (
            self._shares.take(target.server, caller, lasting=False) as refusal,
            anyio.move_on_after(SECONDS, shield=True),
        ):
            if refusal is not None:
                return
            try:
                async with self._upstream.send(target, nothing, "POST", headers, body, call.claims.terms.hide):
                    self._count.labels(target.server, why).inc()
            except UpstreamError:
                return
