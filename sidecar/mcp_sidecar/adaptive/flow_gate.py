"""The gate before a member: the flow rules, and the person who may open it for one call."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, Protocol

import structlog

from mcp_core import methods
from mcp_core.adaptive.flow import FlowRules
from mcp_core.claims import Claims, Target
from mcp_core.methods import Era
from mcp_core.outcome import Reject, RequestId
from mcp_core.reasons import Reason
from mcp_sidecar.adaptive.consent import ASK_SECONDS, KEY, AskFirst, Consents, can_ask, is_yes
from mcp_sidecar.adaptive.flows import FlowItem, FlowRequest, Flows, is_only_told, lets_pass
from mcp_sidecar.adaptive.showing import MOST_SHOWN, as_shown, question, says_nothing, without_answer
from mcp_sidecar.lane.answering import Fetching

_NOT_SHOWN: Final = (
    f" Nobody is asked to let it pass: a person must see all that it sends, which takes more than {MOST_SHOWN} "
    "characters. Send less."
)


class GoOn(Protocol):
    """What asks a member."""

    def __call__(self, params: Mapping[str, Any], *, shown: bool = False) -> Fetching:
        """Return what fetches the answer. `shown`: nothing goes with it that is not in the params."""


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

    def withdraw(self, claims: Claims, target: Target, call: RequestId | None = None) -> bool:
        """Ask nobody any more about a call of a session, or about all of them. Returns whether somebody was asked."""
        return self.consents.withdraw(target, claims.principal.seal_key, call)

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
        self, rules: FlowRules, item: FlowItem, asked: FlowRequest, params: Mapping[str, Any], go_on: GoOn
    ) -> Fetching | Reject | dict[str, Any]:
        """Return what `go_on` gives for params that may pass, a refusal, or the result that asks a person first."""
        claims, target = asked.claims, asked.target
        ours = target.era is Era.MODERN and self.consents.is_ours(params)
        refusal = await self.flows.refusal(rules, item, claims, target)
        if refusal is None or lets_pass(rules, refusal, claims, asked.line):
            return await self._passed(rules, item, asked, without_answer(params) if ours else params, go_on)

        async def let_by_person() -> Fetching | Reject:
            _log(asked, item).warning("a person let a flow pass")
            return await self._passed(rules, item, asked, as_shown(params), partial(go_on, shown=True))

        if ours:
            # It is another request than the one that was shown, so its id is another, too.
            nothing = says_nothing(claims.id)
            yes = self.consents.yes_to(claims, target, item, params, self._wall()) if nothing else None
            used = yes is not None and await self.flows.spend(claims, target, *yes)
            return await let_by_person() if used else refusal
        # What comes with a member's own state cannot carry a second one.
        if methods.REQUEST_STATE in params or not rules.ask or not can_ask(claims, target, asked.method, params):
            return refusal
        form = question(item, as_shown(params), claims.id, known=refusal.reason is Reason.FLOW)
        if form is None:
            return replace(refusal, message=refusal.message + _NOT_SHOWN)
        if target.era is Era.LEGACY:
            _log(asked, item).info("a person is asked to let a flow pass")
            elsewhere = partial(self.flows.answer_to, claims, target)
            return AskFirst(self.consents, elsewhere, asked, refusal, form, let_by_person)
        if not self.flows.remembers:
            return refusal  # nobody would know that a yes was used
        _log(asked, item).info("a person is asked to let a flow pass")
        return {
            methods.INPUT_REQUESTS: {KEY: {"method": methods.ELICITATION, "params": form}},
            methods.REQUEST_STATE: self.consents.state(claims, target, item, as_shown(params), self._wall()),
        }

    async def _passed(
        self, rules: FlowRules, item: FlowItem, asked: FlowRequest, params: Mapping[str, Any], go_on: GoOn
    ) -> Fetching | Reject:
        """Go on, once it is written down what is read so."""
        refusal = await self.flows.note(rules, item, asked.claims, asked.target)
        if refusal is None or lets_pass(rules, refusal, asked.claims, asked.line):
            return go_on(params)
        return refusal


def _log(asked: FlowRequest, item: FlowItem) -> Any:
    said = {"server": asked.target.server, "principal": asked.line.principal}
    return structlog.get_logger().bind(**said, member=item.member, name=item.name[:256])
