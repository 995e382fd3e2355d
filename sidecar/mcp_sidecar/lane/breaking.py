"""Between the lane and the breakers: which requests an open breaker holds back, and what of their ends it hears."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from mcp_core import methods
from mcp_core.outcome import Reject
from mcp_core.reasons import Ending, Reason
from mcp_sidecar.health.breakers import Breakers
from mcp_sidecar.lane.callers import Call
from mcp_sidecar.lane.lasting import may_last
from mcp_sidecar.logs import Line

_FAILED: Final = frozenset({Ending.BROKEN, Ending.TIMEOUT})
"""Outcomes that say that no server answered. What one says, HTTP 503 too, is an answer."""
_OURS: Final = frozenset({Ending.LIMITED, Ending.REFUSED, Ending.STOPPED, Ending.UNREACHABLE, Ending.CUT_OFF})
"""Outcomes that say nothing of the server."""


def held_back(breakers: Breakers, call: Call) -> Reject | None:
    """Return why a request is not sent now. What ends a session may always go on, and so may what was refused."""
    claims = call.claims
    if claims.http_method == "DELETE" or claims.refusal is not None:
        return None
    refusal = breakers.refusal(call.target.server)
    return refusal if refusal is None or claims.id is None else replace(refusal, id=claims.id)


def note(breakers: Breakers, call: Call, line: Line, now: float) -> None:
    """Have the breaker hear how a request ended. Of what may last, how long it took says nothing."""
    claims, outcome = call.claims, line.outcome
    failed = outcome in _FAILED or (line.refusal is not None and line.refusal.reason is Reason.NO_REPLICA)
    if outcome in _OURS or claims.http_method != "POST" or not claims.question.asked:
        return
    known = methods.METHODS.get(claims.method)
    counts = known is not None and known.repeatable and not may_last(claims)
    if outcome is Ending.CANCELLED and not counts:
        return
    caller = claims.principal.seal_key if claims.principal.name else None
    breakers.ended(call.target.server, caller, failed=failed, seconds=now - line.started if counts else None)
