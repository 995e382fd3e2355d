"""Virtual servers: what the guard of one sends is answered here, or by the member that it is for.

The laws: the sidecar decides nothing. The virtual server's guard has let the request through, the member's guard
decides over what the member is asked, and what a list holds is what the members' own lists held for the principal.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from starlette.types import Receive

from mcp_core import headers as http
from mcp_core import jsonrpc, methods
from mcp_core.adaptive.flow import ReadLabel
from mcp_core.claims import Claims
from mcp_core.jsonrpc import NotStrictError
from mcp_core.methods import Era, Kind
from mcp_core.outcome import INVALID_PARAMS, INVALID_REQUEST, SESSION_NOT_FOUND, Reject
from mcp_core.principal import Principal
from mcp_core.reasons import Ending, Reason
from mcp_core.surface import ANSWER_LIMITS
from mcp_core.virtual import Virtual
from mcp_sidecar.adaptive.changes import MemberChanges, StreamPlace, Watches
from mcp_sidecar.adaptive.consent import Consents, asks_here
from mcp_sidecar.adaptive.finding import MemberFinder, output_fits
from mcp_sidecar.adaptive.flow_gate import FlowGate
from mcp_sidecar.adaptive.flows import FlowMemory, Flows, flow_item, lets_pass
from mcp_sidecar.adaptive.inventory import Inventories, Inventory
from mcp_sidecar.adaptive.local import Local, Route, server_info, unavailable, unknown_item
from mcp_sidecar.adaptive.outputs import URI_PREFIX, Outputs, cut
from mcp_sidecar.adaptive.relay import Cut, Relay, dumped
from mcp_sidecar.adaptive.sessions import AgentSaid, MemberSessions, RunningAt, new_id
from mcp_sidecar.adaptive.to_members import ToMembers
from mcp_sidecar.adaptive.warm import ANEW_SECONDS, Warm
from mcp_sidecar.lane.answering import Answering, Fetching, KeepAlive
from mcp_sidecar.lane.callers import Call
from mcp_sidecar.lane.parts import Parts
from mcp_sidecar.lane.reply import Reply, SlowReaderError
from mcp_sidecar.logs import Line, asked
from mcp_sidecar.search.models import EMBEDDERS
from mcp_sidecar.upstream.acting import ActingWay
from mcp_sidecar.upstream.answers import JSON_TYPE
from mcp_sidecar.upstream.internal_route import Upstream
from mcp_sidecar.upstream.shares import Shares

_MOST_COUNTED: Final = 10_000
_BATCH: Final = Reject(
    INVALID_REQUEST, "A virtual server takes one message at a time: send them one by one.", Reason.BATCH
)
_LISTS: Final = {method: key for method, key, _ in methods.LIST_METHODS}
"""The key of each list in its result, by method."""
_TAKEN: Final = (202, dict[str, str](), b"")


class VirtualServers:
    """Answers for all virtual servers of a sidecar."""

    def __init__(self, parts: Parts, upstream: Upstream, memory: FlowMemory | None = None) -> None:
        """`memory` is what knows what callers have read."""
        self.parts = parts
        self.upstream = upstream
        self.warm = Warm(upstream, max_answer=parts.settings.max_answer)
        self.sessions = MemberSessions(max_answer=parts.settings.max_answer)
        self.running = RunningAt()
        self.inventories = Inventories(self.warm)
        self.finder = MemberFinder(EMBEDDERS[parts.settings.search_model])
        self.watches = Watches()
        self.gate = FlowGate(Flows(memory), Consents(parts.settings.keys))
        self.outputs = Outputs()
        settings = parts.settings
        # Half of a caller's places are left for its calls.
        self.hearing = Shares(settings.open_per_caller // 2, settings.open_per_server // 2)
        self._used: OrderedDict[tuple[str, str], Counter[str]] = OrderedDict()

    def used(self, by: str, principal: Principal) -> Counter[str]:
        """Return how often a principal called each tool of a virtual server, as far as this sidecar saw it."""
        key = (by, principal.seal_key)
        counted = self._used.setdefault(key, Counter())
        self._used.move_to_end(key)
        if len(self._used) > _MOST_COUNTED:
            self._used.popitem(last=False)
        return counted

    async def reply(self, call: Call, virtual: Virtual, reply: Reply, line: Line, receive: Receive) -> None:
        """Answer an agent."""
        line.asked = asked(call.claims, call.target, call.headers)
        line.outcome = "passed"
        try:
            await self._answer(call, virtual, reply, line, receive)
        except* SlowReaderError:
            line.outcome = Ending.CANCELLED
            self.parts.metrics.lane.slow_readers.inc()

    async def _answer(self, call: Call, virtual: Virtual, reply: Reply, line: Line, receive: Receive) -> None:
        answer = await Serving(self, call, virtual, line).answer()
        if isinstance(answer, Reject):
            line.end("refused", answer)
            await reply.refuse(replace(answer, id=call.claims.id) if call.claims.id is not None else answer)
        elif isinstance(answer, tuple):
            await reply.whole(*answer)
        else:
            alive = KeepAlive(self.parts.settings.keep_alive, self.parts.metrics.lane.kept_alive.inc)
            await Answering(answer, call.claims.http_method, reply, line, self.parts.stopping, alive).run(receive)


class Serving:
    """One request."""

    def __init__(self, all_: VirtualServers, call: Call, virtual: Virtual, line: Line) -> None:
        self._all = all_
        self._call = call
        self._line = line
        self.claims: Claims = call.claims
        self.virtual = virtual
        self.name = call.target.server
        way = ActingWay(all_.upstream, self.name, call.claims.principal)
        parts = replace(all_.parts, upstream=way)
        self._to_members = ToMembers(all_, parts, way, call, virtual, line)

    async def answer(self) -> Reject | tuple[int, dict[str, str], bytes] | Fetching:
        """Return the answer: a refusal, one that is whole, or what fetches it."""
        session = self._call.target.session
        if session is not None and self._all.sessions.has_ended(session):
            return Reject(SESSION_NOT_FOUND, "Session not found: initialize again.", Reason.SESSION, status=404)
        if self.claims.http_method == "DELETE":
            return self._ended(session)
        if self.claims.http_method == "GET":
            return await self._stream_of(session) if session is not None else _no_stream()
        try:
            message = jsonrpc.load(self._call.body, ANSWER_LIMITS)
        except NotStrictError as error:
            return Reject(INVALID_REQUEST, f"Send less in one message: {error}.", Reason.NOT_STRICT_JSON)
        if not isinstance(message, dict):
            return _BATCH
        if "method" not in message:
            return await self._answered(message)
        if "id" not in message:
            return await self._to_members.tell(message) or _TAKEN
        return await self._asked(message, message["method"], message.get("params") or {})

    async def _asked(
        self, message: Mapping[str, Any], method: str, params: Mapping[str, Any]
    ) -> Reject | tuple[int, dict[str, str], bytes] | Fetching:
        if method == methods.LISTEN:
            return await self._listen(message, params)
        if method == methods.PING:
            return self._result({})
        if method == methods.SET_LOG_LEVEL:
            return self._choose_level(params.get("level"))
        if method == methods.INITIALIZE:
            return await self._initialize(params)
        uri = params.get("uri")
        if method == methods.READ_RESOURCE and isinstance(uri, str) and uri.startswith(URI_PREFIX):
            return await self._whole_output(uri)
        listed = _LISTS.get(method)
        patient = listed is None and method != methods.DISCOVER
        local = Local(self.name, self.claims, self.virtual, self._all.finder, await self.take(patient=patient))
        if method == methods.DISCOVER:
            return self._result({**local.introduction(), "supportedVersions": list(methods.VERSIONS)}, cached=True)
        if listed is not None:
            used = self._all.used(self.name, self.claims.principal)
            page = local.page(listed, params.get("cursor"), used)
            return page if isinstance(page, Reject) else self._result(page, cached=True)
        route = await local.route(method, params)
        if isinstance(route, Reject) and route.reason in (Reason.DENIED_ITEM, Reason.MEMBER_UNAVAILABLE):
            # It may be there since a moment ago. Of members that failed each is asked when its turn has come.
            local.inventory = await self.take(anew=route.reason is Reason.DENIED_ITEM)
            route = await local.route(method, params)
        if isinstance(route, Reject):
            return route
        if isinstance(route, dict):
            return self._result(route)
        return await self._member(message, method, route, local.inventory)

    async def _member(
        self, message: Mapping[str, Any], method: str, route: Route, inventory: Inventory
    ) -> Reject | tuple[int, dict[str, str], bytes] | Fetching:
        """Ask a member, as far as the flow rules let it be asked."""
        rules = self.virtual.flow
        reads = frozenset() if rules is None else flow_item(route.member, method, route.params).labels(rules).reads
        cutting = self._cutting(method, route, inventory, reads)
        # No character takes as much as 1.25 tokens.
        over = 0 if self.virtual.budget is None else (self.virtual.budget.output or 0) * 4 // 5

        def shape(relay: Relay) -> Relay:
            if route.used is not None:
                self._all.used(self.name, self.claims.principal)[route.used] += 1
            return relay.cutting(cutting, over)

        passed = await self._to_members.ask(message, route, shape)
        return self._result(passed, kind="input_required") if isinstance(passed, dict) else passed

    def _cutting(self, method: str, route: Route, inventory: Inventory, reads: frozenset[ReadLabel]) -> Cut | None:
        """Return what cuts a tool's result that is too long, None where none is."""
        most = None if self.virtual.budget is None else self.virtual.budget.output
        outputs = self._all.outputs
        principal, view = self.claims.principal, self.claims.terms.view
        if method != methods.CALL or most is None or not view.allows(Kind.RESOURCE, f"{URI_PREFIX}{self.name}/0"):
            return None
        offer = inventory.tools.get(route.used or "")
        fits = None if offer is None else output_fits(offer.item)
        tool = (route.member, str(route.params["name"]))

        async def cut_off(result: Mapping[str, Any]) -> dict[str, Any] | None:
            found = await self._all.finder.apart(principal, partial(cut, budget=most, fits=fits), result)
            if found is None:
                return None
            return found.linked(outputs.keep(self.name, principal, tool, found, reads))

        return cut_off

    async def _whole_output(self, uri: str) -> Reject | tuple[int, dict[str, str], bytes]:
        """Return the whole of a result that was cut: to its caller alone, who has the tool still, and reads anew."""
        principal = self.claims.principal
        kept = await self._all.finder.apart(principal, self._all.outputs.find, self.name, principal, uri)
        if kept is None:
            return unknown_item(self.claims.question.era, Kind.RESOURCE, uri)
        inventory = await self.take(anew=True, patient=True)
        if not inventory.has_tool(*kept.tool):
            member = kept.tool[0]
            if member in inventory.left_out:
                return unavailable(member, inventory.left_out[member])
            return unknown_item(self.claims.question.era, Kind.RESOURCE, uri)
        if (rules := self.virtual.flow) is not None:
            refusal = await self._all.gate.flows.note_reads(rules, kept.reads, self.claims, self._call.target)
            if refusal is not None and not lets_pass(rules, refusal, self.claims, self._line):
                return refusal
        return self._result({"contents": list(kept.contents)}, cached=True)

    async def take(self, *, anew: bool = False, patient: bool = False) -> Inventory:
        """Return what there is for the caller; with `anew`, nothing that was asked for long ago.

        With `patient` no member that failed is asked again: a call of another one does not wait for it.
        """
        since = time.monotonic() - ANEW_SECONDS if anew else None
        return await self._all.inventories.take(self.name, self.claims, self.virtual, since=since, patient=patient)

    def _choose_level(self, level: Any) -> Reject | tuple[int, dict[str, str], bytes]:
        """Have members log from a level on, once they are asked something. It is nothing that may tell them more."""
        if level not in methods.LOG_LEVELS:
            text = f"params.level is one of {', '.join(methods.LOG_LEVELS)}."
            return Reject(INVALID_PARAMS, text, Reason.ARGUMENTS)
        if self._call.target.session is not None and self.virtual.flow is None:
            self._all.sessions.choose_level(self._call.target.session, level)
        return self._result({})

    async def _initialize(self, params: Mapping[str, Any]) -> tuple[int, dict[str, str], bytes] | Reject:
        wanted = params.get("protocolVersion")
        spoken = wanted if wanted in methods.LEGACY_VERSIONS else methods.LEGACY_VERSIONS[-1]
        capabilities, client = params.get("capabilities"), params.get("clientInfo")
        said = AgentSaid(
            spoken,
            capabilities if isinstance(capabilities, dict) else {},
            client if isinstance(client, dict) else {},
        )
        sealed = self._all.parts.sessions.seal(self.claims, self._call.target, [new_id(said)], now=time.time())
        if isinstance(sealed, Reject):
            return sealed
        local = Local(self.name, self.claims, self.virtual, self._all.finder, await self.take())
        status, headers, body = self._result({**local.introduction(), "protocolVersion": spoken})
        names = (methods.SESSION_HEADER, methods.GATEWAY_SESSION_HEADER)
        return status, headers | ({} if sealed is None else dict.fromkeys(names, sealed)), body

    def _result(
        self, result: Mapping[str, Any], *, cached: bool = False, kind: str = "complete"
    ) -> tuple[int, dict[str, str], bytes]:
        """Return a result as a whole answer. `cached` is for those that may be kept (2026-07-28, utilities/caching)."""
        said = dict(result)
        if self._call.target.era is Era.MODERN:
            said["resultType"] = kind
            said["_meta"] = {**said.get("_meta", {}), methods.META_SERVER_INFO: server_info(self.name)}
            if cached:
                said |= {"ttlMs": 0, "cacheScope": "private"}
        message = {"jsonrpc": "2.0", "id": self.claims.id, "result": said}
        return 200, {"content-type": JSON_TYPE, "cache-control": "private, no-store"}, dumped(message)

    async def _stream_of(self, session: str) -> MemberChanges | Relay:
        """Return the stream of a session, or the rest of a member's where the agent lost its connection."""
        last = http.single(self._call.headers, methods.LAST_EVENT_HEADER)
        member, slash, own = (last or "").partition("/")
        if slash and member in self.virtual.members and self._all.sessions.known(session, member) is not None:
            resumed = await self._to_members.resumed(member, own)
            if resumed is not None:
                return resumed

        async def updates(member: str) -> Relay:
            await self._all.sessions.joined(session, member)
            return await self._to_members.updates(member)

        sessions = self._all.sessions
        return self._stream(
            updates=updates,
            over=sessions.end_of(session),
            # What members say is read, and nobody would know what that was.
            says_all=self.virtual.flow is None,
            listened=partial(sessions.listened, session),
            hears=partial(sessions.hears, session),
            hearing=self._all.hearing,
        )

    async def _listen(self, message: Mapping[str, Any], params: Mapping[str, Any]) -> MemberChanges | Reject:
        """Return the stream that tells what an agent of the modern era wants to be told."""
        wanted = params.get("notifications")
        wanted = wanted if isinstance(wanted, dict) else {}
        told: dict[str, Any] = {change: True for change in methods.LISTEN_CHANGES if wanted.get(change) is True}
        uris, principal = wanted.get(methods.LISTEN_URIS), self.claims.principal
        texts = [uri for uri in uris if isinstance(uri, str)] if isinstance(uris, list) else []
        by_member = dict[str, list[str]]()
        # Each may be held against all templates.
        caller = principal.name and principal.seal_key
        with self._all.parts.shares.take(self.name, caller, lasting=False) as refusal:
            if refusal is not None:
                return refusal
            inventory = await self.take()
            theirs = await self._all.finder.apart(principal, inventory.by_member, texts) if texts else {}
            for member, several in theirs.items():
                talk = await self._all.warm.talk(self.name, member, principal)
                if talk is not None and talk.spoken[0] is Era.MODERN:
                    by_member[member] = several
            stream = await self._to_members.listen(message, by_member)
            if isinstance(stream, Reject):
                return stream
        if by_member:
            told[methods.LISTEN_URIS] = [uri for several in by_member.values() for uri in several]

        async def updates(member: str) -> Relay | None:
            return stream(member) if member in by_member else None

        return self._stream(wanted=told, updates=updates)

    def _stream(self, **further: Any) -> MemberChanges:
        """Return a stream; `further` is as StreamPlace has it."""

        async def take(anew: bool) -> Inventory:  # noqa: FBT001 - of Changes
            return await self.take(anew=anew)

        principal = self.claims.principal
        talk = partial(self._talk, principal)

        def stale(member: str, at: float) -> float:
            return self._all.warm.changed(self.name, member, principal, at)

        place = StreamPlace(self._all.parts, self.name, self._all.watches, self._line, stale=stale, **further)
        return MemberChanges(self.claims, self.virtual.members, take, talk, place)

    async def _talk(self, principal: Principal, member: str) -> Any:
        return await self._all.warm.talk(self.name, member, principal)

    async def _answered(self, message: Mapping[str, Any]) -> Relay | Reject | tuple[int, dict[str, str], bytes]:
        """Bring an agent's answer to the member that asked, or to whoever asks here."""
        if asks_here(message.get("id")):
            if self.virtual.flow is not None and self.virtual.flow.ask and self._call.target.session is not None:
                await self._all.gate.hear(self.claims, self._call.target, message)
            return _TAKEN
        return await self._to_members.answer(message) or _TAKEN

    def _ended(self, session: str | None) -> Reject | tuple[int, dict[str, str], bytes]:
        if session is None:
            return Reject(INVALID_REQUEST, "There is no session to end.", Reason.SESSION)
        self._all.sessions.forget(session, self.virtual.members)
        self._all.gate.withdraw(self.claims, self._call.target)
        return 204, {}, b""


def _no_stream() -> Reject:
    text = "Open a session first: POST an initialize."
    return Reject(INVALID_REQUEST, text, Reason.HTTP_METHOD, status=405, headers={"Allow": "POST"})
