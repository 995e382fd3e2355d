"""The gate before a member: the flow rules, and the person who may open it for one call."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from mcp_core import methods
from mcp_core.adaptive.flow import FlowRules
from mcp_core.claims import Claims, Target
from mcp_core.methods import Era
from mcp_core.outcome import Reject
from mcp_core.reasons import Reason
from mcp_sidecar.adaptive.consent import ASK_SECONDS, KEY, AskFirst, Consents, can_ask, is_yes, question, without_answer
from mcp_sidecar.adaptive.flows import FlowItem, Flows, is_only_told, lets_pass
from mcp_sidecar.lane.answering import Fetching
from mcp_sidecar.logs import Line


@dataclass(frozen=True, slots=True)
class FlowRequest:
    """A request before the gate: whose it is, in which session, its log line and its method."""

    claims: Claims
    target: Target
    line: Line
    method: str


class FlowGate:
    """The gate of all virtual servers of a sidecar. `wall` is a clock of Unix time in seconds."""

    def __init__(self, flows: Flows, consents: Consents, wall: Callable[[], float] = time.time) -> None:
        self.flows = flows
        self.consents = consents
        self._wall = wall

    async def hear(self, claims: Claims, target: Target, message: Mapping[str, Any]) -> None:
        """Take an agent's answer to a question of this sidecar, or of another one."""
        if not self.consents.hear(target, claims.principal.seal_key, message):
            yes, asked = is_yes(message.get("result")), message["id"]
            await self.flows.leave_answer(claims, target, asked, ASK_SECONDS, yes=yes)

    async def refusal(self, rules: FlowRules, item: FlowItem, asked: FlowRequest) -> Reject | None:
        """Return why what no person can be asked about may not go to a member, None where it may."""
        refusal = await self.flows.refusal(rules, item, asked.claims, asked.target)
        return None if refusal is None or lets_pass(rules, refusal, asked.claims, asked.line) else refusal

    async def lets(self, rules: FlowRules, item: FlowItem, asked: FlowRequest) -> bool:
        """Return whether something may go to a member that can go in another way: nothing is noted."""
        if is_only_told(rules, asked.claims):
            return True
        return await self.flows.refusal(rules, item, asked.claims, asked.target) is None

    async def passes(
        self,
        rules: FlowRules,
        item: FlowItem,
        asked: FlowRequest,
        params: Mapping[str, Any],
        go_on: Callable[[Mapping[str, Any]], Fetching],
    ) -> Fetching | Reject | dict[str, Any]:
        """Return what `go_on` gives for params that may pass, a refusal, or the result that asks a person first."""
        claims, target = asked.claims, asked.target

        async def let_pass(params: Mapping[str, Any] = params) -> Fetching | Reject:
            refusal = await self.flows.note(rules, item, claims, target)
            if refusal is None or lets_pass(rules, refusal, claims, asked.line):
                return go_on(params)
            return refusal

        ours = target.era is Era.MODERN and self.consents.is_ours(params)
        given = without_answer(params) if ours else params
        refusal = await self.flows.refusal(rules, item, claims, target)
        if refusal is None or lets_pass(rules, refusal, claims, asked.line):
            return await let_pass(given)

        log = structlog.get_logger().bind(
            server=target.server, principal=asked.line.principal, member=item.member, name=item.name[:256]
        )

        async def let_by_person() -> Fetching | Reject:
            log.warning("a person let a flow pass")
            return await let_pass(given)

        if ours:
            said_yes = self.consents.has_yes(claims, target, item, params, self._wall())
            return await let_by_person() if said_yes else refusal
        # What comes with a member's own state cannot carry a second one.
        if methods.REQUEST_STATE in params or not rules.ask or not can_ask(claims, target, asked.method, params):
            return refusal
        log.info("a person is asked to let a flow pass")
        form = question(item, params, known=refusal.reason is Reason.FLOW)
        if target.era is Era.LEGACY:
            elsewhere = partial(self.flows.answer_to, claims, target)
            ask = AskFirst(self.consents, elsewhere, claims, target, asked.line, refusal, form)
            return ask.then(let_by_person)
        state = self.consents.state(claims, target, item, params, self._wall())
        return {
            methods.INPUT_REQUESTS: {KEY: {"method": methods.ELICITATION, "params": form}},
            methods.REQUEST_STATE: state,
        }
