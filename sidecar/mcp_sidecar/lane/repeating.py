"""Whether a request that failed is sent to another replica, and what its sender hears where it is not.

What may be asked twice mcp_core.repeat says; of calls, where the policy lets them be repeated, the approved hints.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import aiohttp

from mcp_core import jsonrpc, methods
from mcp_core.claims import Claims
from mcp_core.jsonrpc import NotStrictError
from mcp_core.outcome import Reject
from mcp_core.reasons import Reason
from mcp_core.repeat import Tries, may_ask_another, may_repeat, says_nobody_is_there
from mcp_core.surface import ANSWER_LIMITS
from mcp_sidecar.health.hints import Hints
from mcp_sidecar.lane.callers import Call
from mcp_sidecar.upstream.internal_route import UpstreamError

MAY_HAVE_RUN: Final = "Your request may have run, and was not repeated."
_SENT: Final = frozenset({"502", "504"})
"""Statuses with which Kong says that a server that it had asked did not answer; with 503 it found nobody to ask."""


async def again(
    hints: Hints, call: Call, tries: Tries, failure: aiohttp.ClientResponse | UpstreamError, *, bound: bool
) -> float | None:
    """Return how many seconds to wait before another replica is asked, or None where none is.

    `failure` is an answer, or why there is none. `bound` says that a session or a task is on the replica that was
    asked, or that some of its answer has reached the agent.
    """
    if isinstance(failure, UpstreamError):
        why, failed = "broken-off", failure.outcome == "broken"
    else:
        why = "nobody-there"
        failed = says_nobody_is_there(failure.status, retry_after="retry-after" in failure.headers)
    question = call.claims.question
    if not failed or bound:
        return None
    allowed = may_ask_another(question, bound=bound) or await _may_repeat_call(hints, call)
    return tries.again(why) if allowed else None


async def _may_repeat_call(hints: Hints, call: Call) -> bool:
    claims = call.claims
    if not claims.terms.inspection.repeats or claims.question.batch:
        return False
    if claims.method == methods.READ_RESOURCE:
        return True
    if claims.method != methods.CALL:
        return False
    try:
        value = jsonrpc.load(call.body, ANSWER_LIMITS)
    except NotStrictError:
        return False
    params = value.get("params") if isinstance(value, dict) else None
    tool = params.get("name") if isinstance(params, dict) else None
    return isinstance(tool, str) and await hints.allow(call.target.server, tool)


def as_heard(refusal: Reject, claims: Claims) -> Reject:
    """Return a refusal as its sender hears it: with its id, and that what was not repeated may have run."""
    if claims.id is not None:
        refusal = replace(refusal, id=claims.id)
    asks = claims.http_method == "POST" and claims.question.asked
    if not _may_have_run(refusal) or not asks or may_repeat(claims.question):
        return refusal
    text = "The connection to the server broke before its answer was whole. " + MAY_HAVE_RUN
    return replace(refusal, message=text, data={"mayHaveRun": True})


def _may_have_run(refusal: Reject) -> bool:
    """Return whether a refusal leaves it open whether the server did what was asked."""
    if refusal.reason is Reason.BROKEN_OFF:
        return True
    return refusal.reason is Reason.NO_REPLICA and refusal.detail in _SENT
