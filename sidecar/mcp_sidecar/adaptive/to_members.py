"""The one way from an agent to the members of its virtual server: what goes it meets the flow rules first.

The law: nothing that an agent writes, no message, id or header, reaches a member but by this way. What is not known to
be the use of an item that labels can name counts as the use of one that none names. So a method that nobody thought of
is closed to whoever has read what must not leave.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, Protocol

import structlog

from mcp_core import methods
from mcp_core.methods import Era, Kind
from mcp_core.outcome import Reject
from mcp_core.params import repeating
from mcp_core.virtual import Virtual
from mcp_sidecar.adaptive.finding import MemberFinder
from mcp_sidecar.adaptive.flow_gate import FlowGate
from mcp_sidecar.adaptive.flows import FlowItem, FlowRequest, first_held, flow_item
from mcp_sidecar.adaptive.local import Route
from mcp_sidecar.adaptive.relay import Relay, Spoken, answered
from mcp_sidecar.adaptive.sessions import MemberSessions, Running, RunningAt
from mcp_sidecar.adaptive.told_all import ToldAll
from mcp_sidecar.adaptive.warm import Warm
from mcp_sidecar.lane.answering import Fetching
from mcp_sidecar.lane.callers import Call
from mcp_sidecar.lane.parts import Parts
from mcp_sidecar.logs import Line
from mcp_sidecar.upstream.acting import ActingWay
from mcp_sidecar.upstream.answers import JSON_TYPE
from mcp_sidecar.upstream.talk import TalkError

_BARE_HEADERS: Final = {"content-type": JSON_TYPE}
"""What goes with a message that holds nothing of the agent's."""
_ENVELOPE: Final = ("jsonrpc", "id", "method")
"""What a request has beside its params."""
_MOST_AT_ONCE: Final = 8
"""Items whose labels are looked up in the event loop."""
_NOT_ANSWERED: Final = {"code": -1, "message": "The gateway does not let the agent's answer pass."}


class KnownMembers(Protocol):
    """What a sidecar knows of the members of its virtual servers."""

    warm: Warm
    sessions: MemberSessions
    running: RunningAt
    gate: FlowGate
    finder: MemberFinder


class ToMembers:
    """The way of one request of an agent."""

    def __init__(
        self, known: KnownMembers, parts: Parts, way: ActingWay, call: Call, virtual: Virtual, line: Line
    ) -> None:
        """`parts` and `way` act for the agent's principal."""
        self._known = known
        self._parts = parts
        self._way = way
        if methods.LAST_EVENT_HEADER in call.headers:
            kept = {name: one for name, one in call.headers.items() if name != methods.LAST_EVENT_HEADER}
            call = replace(call, headers=kept)
        self._call = call
        self._virtual = virtual
        self._line = line
        self._name = call.target.server
        self._principal = call.claims.principal

    async def ask(
        self, message: Mapping[str, Any], route: Route, shape: Callable[[Relay], Relay]
    ) -> Fetching | Reject | dict[str, Any]:
        """Return what fetches a member's answer, a refusal, or the result that asks a person first.

        `shape` is done to what fetches, once the request may go.
        """
        method, session = message["method"], self._call.target.session
        item = flow_item(route.member, method, route.params)

        def go_on(params: Mapping[str, Any], *, shown: bool = False) -> Relay:
            # After a yes nothing goes that nobody saw: no more than a request needs, and headers that repeat arguments
            # are made of what they repeat.
            repeated = repeating(route.schema, params.get("arguments")) if shown else route.repeated
            kept = {name: message[name] for name in _ENVELOPE} if shown else message
            relay = self._relay(route.member, {**kept, "params": params}, repeated=repeated, bare=shown)
            if session is not None:
                running = Running(message["id"], item, relay.questions, lambda: relay.is_open)
                relay.during = partial(self._known.running.note, session, running)
            return shape(relay)

        rules = self._virtual.flow
        if rules is None:
            return go_on(route.params)
        return await self._known.gate.passes(rules, item, self._request(), route.params, go_on)

    async def answer(self, message: Mapping[str, Any]) -> Relay | Reject | None:
        """Return what brings an agent's answer to the member that asked, or a refusal; None where no member did.

        It goes where the request may go during which the member asked. A member that may not have it is told so.
        """
        found = answered(message.get("id"), self._virtual.members)
        if found is None:
            return None
        member, own = found
        running = self._known.running.that_asked(self._call.target.session or "", member, own)
        item = flow_item(member, methods.RESPONSE_METHOD, {}) if running is None else running.item
        refusal = await self._refusal([item])
        if refusal is None:
            return self._relay(member, {**message, "id": own})
        if running is None:
            return refusal
        structlog.get_logger().warning("an agent's answer was kept back", server=self._name, member=member)
        return self._relay(member, {"jsonrpc": "2.0", "id": own, "error": _NOT_ANSWERED}, bare=True)

    async def tell(self, message: Mapping[str, Any]) -> Fetching | Reject | None:
        """Return what hands on what an agent tells: that it cancels, to the member that has the request.

        That its roots changed is for all members that it speaks with, all else for its only one. None where it is for
        nobody.
        """
        session, method = self._call.target.session, message["method"]
        if session is None or method == methods.INITIALIZED:
            return None
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        if method == methods.CANCELLED:
            running = self._known.running.of_id(session, params.get("requestId"))
            if running is not None:
                return await self._cancel(message, session, running)
            cancelled = params.get("requestId")
            if cancelled is not None and self._known.gate.withdraw(self._call.claims, self._call.target, cancelled):
                return None
        known = [member for member in self._virtual.members if self._known.sessions.known(session, member) is not None]
        if method == methods.ROOTS_CHANGED and len(known) > 1:
            return await self._tell_all(known, message)
        if len(known) != 1:
            return None
        refusal = await self._refusal([flow_item(known[0], method, params)])
        return self._relay(known[0], message) if refusal is None else refusal

    async def _tell_all(self, members: list[str], message: Mapping[str, Any]) -> Fetching | None:
        """Return what tells several members the same, those of them that may hear it."""
        item = partial(flow_item, method=str(message["method"]), params={})
        told = [member for member in members if await self._refusal([item(member)]) is None]
        relays = [self._relay(member, message, beside=True) for member in told]
        return ToldAll(relays) if relays else None

    async def _cancel(self, message: Mapping[str, Any], session: str, running: Running) -> Relay | None:
        """Have a member end a request: it is told the id, and of the reason no more than it may hear."""
        if not self._known.sessions.has_joined(session, running.item.member):
            return None
        if await self._refusal([running.item]) is None:
            return self._relay(running.item.member, message)
        bare = {"jsonrpc": "2.0", "method": methods.CANCELLED, "params": {"requestId": running.id}}
        return self._relay(running.item.member, bare, bare=True)

    async def listen(
        self, message: Mapping[str, Any], by_member: Mapping[str, Iterable[str]]
    ) -> Callable[[str], Relay] | Reject:
        """Return what opens a member's stream of updates of these resources, as often as need be, or a refusal.

        The resources of several thousand URIs are looked at apart from the event loop.
        """
        items = [FlowItem(member, Kind.RESOURCE, uri, read=False) for member, uris in by_member.items() for uri in uris]
        refusal = await self._refusal(items)
        if refusal is not None:
            return refusal

        def stream(member: str) -> Relay:
            params = {**message["params"], "notifications": {methods.LISTEN_URIS: list(by_member[member])}}
            return self._relay(member, {**message, "params": params}, beside=True)

        return stream

    async def updates(self, member: str) -> Relay:
        """Return what opens a member's stream of a session for one that is made here."""
        return self._relay(member, {}, bare=not await self._may_say_anything(member), beside=True)

    async def resumed(self, member: str, event: str) -> Relay | None:
        """Return what goes on with a member's stream after an event, None where an id of it may not be told."""
        if not await self._may_say_anything(member):
            return None
        relay = self._relay(member, {}, after=event)
        relay.may_answer = partial(self._known.running.may_answer, self._call.target.session or "", member)
        return relay

    async def _may_say_anything(self, member: str) -> bool:
        rules = self._virtual.flow
        return rules is None or await self._known.gate.lets(rules, flow_item(member, "", {}), self._request())

    async def _refusal(self, items: list[FlowItem]) -> Reject | None:
        """Return why what is for all these items may not go, None where it may."""
        rules = self._virtual.flow
        if rules is None or not items:
            return None
        if len(items) > _MOST_AT_ONCE:
            held = await self._known.finder.apart(self._principal, first_held, rules, self._principal, items)
        else:
            held = first_held(rules, self._principal, items)
        return None if held is None else await self._known.gate.refusal(rules, held, self._request())

    def _request(self) -> FlowRequest:
        call = self._call
        return FlowRequest(call.claims, call.target, self._line, call.claims.method, self._parts.cuts)

    def _relay(
        self,
        member: str,
        message: Mapping[str, Any],
        *,
        repeated: Mapping[str, str] | None = None,
        bare: bool = False,
        beside: bool = False,
        after: str | None = None,
    ) -> Relay:
        """Return what asks a member. `bare`: none of the agent's headers goes with it.

        `beside`: it is for a stream that is made here, of which the log line is. `after` is the member's own id of the
        event after which its stream is to go on.
        """
        headers = _BARE_HEADERS if bare else self._call.headers
        headers = headers if after is None else {**headers, methods.LAST_EVENT_HEADER: after}
        call = self._call if headers is self._call.headers else replace(self._call, headers=headers)
        line = Line(time.monotonic()) if beside else self._line
        apart = partial(self._known.finder.apart, self._principal)
        relay = Relay(self._parts, call, line, member, message, repeated, apart=apart)
        relay.reopens = not beside
        if not beside:
            relay.changed = partial(self._known.warm.changed, self._name, member, self._principal)
        return relay.speaking(partial(self._speak, member))

    async def _speak(self, member: str, anew: bool) -> Spoken:  # noqa: FBT001 - Relay's
        """Return how a member is spoken to. Raises TalkError."""
        known, target, question = self._known, self._call.target, self._call.claims.question
        if target.era is Era.LEGACY and target.session is not None:
            try:
                session = await known.sessions.open(self._way, target.session, member, anew=anew)
            except TalkError:
                # It may be of the modern era alone.
                pass
            else:
                if self._call.claims.http_method != "GET":
                    await known.sessions.heard(target.session, member)
                return Spoken(Era.LEGACY, question.version, session)
        if anew:
            known.warm.forget(self._name, member, self._principal)
        talk = await known.warm.talk(self._name, member, self._principal)
        if talk is None:
            raise TalkError("unavailable")
        era, spoken, session = talk.spoken
        same = era is target.era
        return Spoken(era, question.version if same else spoken, session)
