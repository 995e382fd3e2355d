"""What the flow rules of a virtual server say of one request, by what its caller has read.

The laws: what is not known to be open is closed; and what is read is written down before it is asked for, so that no
answer is ever ahead of what is known.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeVar, TypeVarTuple, Unpack

import anyio
import structlog

from mcp_core import methods
from mcp_core.adaptive.flow import ANYTHING, BOTH, FlowMode, FlowRules, Labelled, ReadLabel
from mcp_core.claims import Claims, Target
from mcp_core.methods import Era, Kind
from mcp_core.outcome import ACCEPTED, INVALID_PARAMS, UNAVAILABLE, Reject, RejectKind, params_status
from mcp_core.principal import Principal
from mcp_core.reasons import Ending, Reason
from mcp_sidecar.adaptive.caller_turns import CallerTurns
from mcp_sidecar.adaptive.noted import Noted
from mcp_sidecar.lane.cutting import Cuts
from mcp_sidecar.logs import Line

AT_ONCE: Final = 4
"""Questions to the store at the same time, of as many callers."""
TURN_SECONDS: Final = 5.0
"""How long a question waits for its turn: a store that hangs is one that does not answer."""
_NO_SESSION: Final = ""
_WORDS: Final = "untrusted text and private data"

_Args = TypeVarTuple("_Args")
_Result = TypeVar("_Result")


class FlowMemory(Protocol):
    """Where it stands what callers have read, for all sidecars. Times are Unix milliseconds; "" is no session.

    All raise an exception where it cannot be read or written.
    """

    def read_by(self, server: str, caller: str, session: str, now: int) -> frozenset[ReadLabel]:
        """Return what counts as read by a caller."""

    def note(self, server: str, caller: str, until: Mapping[str, int], reads: Iterable[ReadLabel], now: int) -> None:
        """Write down what a caller reads, and until when it counts in a session and without one."""

    def leave_answer(self, server: str, caller: str, asked: str, until: int, now: int, *, yes: bool) -> None:
        """Leave a person's answer to a question for the sidecar that asked it."""

    def answer_to(self, server: str, caller: str, asked: str, now: int) -> bool | None:
        """Return the answer that another sidecar left, None where there is none."""

    def spend(self, server: str, caller: str, yes: str, until: int, now: int) -> bool:
        """Use a person's yes up, which nobody can give again after `until`. Returns whether it was there to be used."""


@dataclass(frozen=True, slots=True)
class FlowItem:
    """One use of an item: of which member, what it is called there, and whether its text is read.

    `kind` is None for what no label can name: it counts as what none names, and no permit is for it.
    """

    member: str
    kind: Kind | None
    name: str
    read: bool = True

    def labels(self, rules: FlowRules) -> Labelled:
        """Return its labels."""
        return ANYTHING if self.kind is None else rules.labels_of(self.member, self.kind, self.name)

    @property
    def place(self) -> list[str]:
        """What tells it from all others, as JSON has it."""
        return [self.member, self.kind.value if self.kind is not None else "", self.name]

    def is_held(self, rules: FlowRules, principal: Principal) -> bool:
        """Return whether somebody who has read everything may not use it."""
        if not rules.closes(self.labels(rules), BOTH):
            return False
        return self.kind is None or not rules.permits_use(principal, self.member, self.kind, self.name)


@dataclass(frozen=True, slots=True)
class FlowRequest:
    """A request before the gate: whose it is, in which session, its log line, its method, and who is cut off."""

    claims: Claims
    target: Target
    line: Line
    method: str
    cuts: Cuts


def flow_item(member: str, method: str, params: Mapping[str, Any]) -> FlowItem:
    """Return what is used by a message to a member; of a method that is not known here, what no label can name."""
    if method == methods.CALL:
        return FlowItem(member, Kind.TOOL, str(params.get("name")))
    if method == methods.GET_PROMPT:
        return FlowItem(member, Kind.PROMPT, str(params.get("name")))
    if method in (methods.READ_RESOURCE, methods.SUBSCRIBE, methods.UNSUBSCRIBE):
        return FlowItem(member, Kind.RESOURCE, str(params.get("uri")), read=method == methods.READ_RESOURCE)
    if method == methods.COMPLETE:
        ref = params.get("ref")
        ref = ref if isinstance(ref, dict) else {}
        if ref.get("type") == "ref/prompt":
            return FlowItem(member, Kind.PROMPT, str(ref.get("name")))
        return FlowItem(member, Kind.RESOURCE, str(ref.get("uri")))
    return FlowItem(member, None, method, read=bool(method))


def first_held(rules: FlowRules, principal: Principal, items: Iterable[FlowItem]) -> FlowItem | None:
    """Return the first item that somebody who has read everything may not use. Of many it takes long: use a thread."""
    return next((item for item in items if item.is_held(rules, principal)), None)


class Flows:
    """What callers of all virtual servers have read. `wall` is a clock of Unix time in seconds."""

    def __init__(self, memory: FlowMemory | None, wall: Callable[[], float] = time.time) -> None:
        """`memory` is None where there is no store: then nobody knows what was read, and it counts as everything."""
        self._memory = memory
        self._wall = wall
        self._turns = CallerTurns(AT_ONCE)
        self._noted = Noted()

    async def _ask(self, claims: Claims, work: Callable[[Unpack[_Args]], _Result], *of: *_Args) -> _Result:
        """Ask the memory in a caller's turn. Raises what it raises, and TimeoutError where the turn does not come."""
        with anyio.fail_after(TURN_SECONDS):
            return await self._turns.run(claims.principal.seal_key, work, *of)

    async def refusal(self, rules: FlowRules, item: FlowItem, claims: Claims, target: Target) -> Reject | None:
        """Return why an item may not be used by a caller now, None where it may."""
        if not item.is_held(rules, claims.principal):
            return None
        read, reason = BOTH, Reason.FLOW_UNKNOWN
        if self._memory is not None:
            try:
                now, session = int(self._wall() * 1000), _session(target)
                caller = claims.principal.seal_key
                read = await self._ask(claims, self._memory.read_by, target.server, caller, session, now)
                reason = Reason.FLOW
            except Exception as error:  # noqa: BLE001 - whatever a memory fails with: it is closed
                structlog.get_logger().error("flows not read", server=target.server, error=str(error))
        return _closed(item, claims, reason) if rules.closes(item.labels(rules), read) else None

    async def note(self, rules: FlowRules, item: FlowItem, claims: Claims, target: Target) -> Reject | None:
        """Write down that an item is read; returns a refusal where that cannot be, for then it may not be read."""
        reads = item.labels(rules).reads if item.read else frozenset()
        return await self.note_reads(rules, reads, claims, target)

    async def note_reads(
        self, rules: FlowRules, reads: frozenset[ReadLabel], claims: Claims, target: Target
    ) -> Reject | None:
        """Write down what is read, as `note` does."""
        if not reads or self._memory is None:
            return None
        now, session, caller = int(self._wall() * 1000), _session(target), claims.principal.seal_key
        lasts = {_NO_SESSION: rules.window * 1000}
        if session != _NO_SESSION:
            lasts[session] = rules.session_seconds * 1000
        if all(self._noted.holds(target.server, caller, one, reads, now + last) for one, last in lasts.items()):
            return None
        # A quarter more, so that it need not be written at each reading.
        until = {one: now + last + last // 4 for one, last in lasts.items()}
        try:
            await self._ask(claims, self._memory.note, target.server, caller, until, reads, now)
        except Exception as error:  # noqa: BLE001 - whatever a memory fails with: it is closed
            structlog.get_logger().error("flows not written", server=target.server, error=str(error))
            text = "The store of the gateway cannot take down what is read here, so it is not read. Try again later."
            return Reject(UNAVAILABLE, text, Reason.FLOW_UNKNOWN, status=503, headers={"Retry-After": "5"})
        for one, end in until.items():
            self._noted.keep(target.server, caller, one, reads, end)
        return None

    async def leave_answer(self, claims: Claims, target: Target, asked: str, seconds: float, *, yes: bool) -> None:
        """Leave an answer that is for a question of another sidecar, for so long as it may still be wanted."""
        if self._memory is None:
            return
        now, leave = int(self._wall() * 1000), partial(self._memory.leave_answer, yes=yes)
        where, until = _of_question(target, asked), now + int(seconds * 1000)
        try:
            await self._ask(claims, leave, target.server, claims.principal.seal_key, where, until, now)
        except Exception as error:  # noqa: BLE001 - then nobody has answered
            structlog.get_logger().error("answer not left", server=target.server, error=str(error))

    async def answer_to(self, claims: Claims, target: Target, asked: str) -> bool | None:
        """Return the answer to a question that another sidecar heard, None where none did yet."""
        if self._memory is None:
            return None
        now, caller, where = int(self._wall() * 1000), claims.principal.seal_key, _of_question(target, asked)
        try:
            return await self._ask(claims, self._memory.answer_to, target.server, caller, where, now)
        except Exception:  # noqa: BLE001 - then nobody has answered
            return None

    @property
    def remembers(self) -> bool:
        """Whether there is a memory at all."""
        return self._memory is not None

    async def spend(self, claims: Claims, target: Target, yes: str, until: float) -> bool:
        """Use a person's yes up, by its name, for as long as it is good (Unix seconds).

        False where somebody did before, or nobody knows.
        """
        if self._memory is None:
            return False
        now, caller = int(self._wall() * 1000), claims.principal.seal_key
        try:
            return await self._ask(claims, self._memory.spend, target.server, caller, yes, int(until * 1000) + 1, now)
        except Exception as error:  # noqa: BLE001 - whatever a memory fails with: it is closed
            structlog.get_logger().error("a yes not used up", server=target.server, error=str(error))
            return False


def is_only_told(rules: FlowRules, claims: Claims) -> bool:
    """Return whether nothing is refused, as monitor mode has it, of the rules or of the whole server."""
    return rules.mode is FlowMode.MONITOR or not claims.terms.enforce


def lets_pass(rules: FlowRules, refusal: Reject, claims: Claims, line: Line) -> bool:
    """Return whether a refusal is only noted."""
    if not is_only_told(rules, claims):
        return False
    line.end(Ending.WOULD_REFUSE, refusal)
    return True


def _session(target: Target) -> str:
    """Return what a request's session is known by, of the same length whatever it is. The modern era has none."""
    if target.session is None or target.era is not Era.LEGACY:
        return _NO_SESSION
    return hashlib.sha256(target.session.encode()).hexdigest()


def _of_question(target: Target, asked: str) -> str:
    return f"{_session(target)} {asked}"


def _closed(item: FlowItem, claims: Claims, reason: Reason) -> Reject:
    known = f"{_WORDS} were read before" if reason is Reason.FLOW else f"it is not known whether {_WORDS} were read"
    text = (
        f"The gateway does not let {item.name[:256]} of {item.member} be used now: it writes outside, and {known}, so "
        "that what is private could leave by it. Do without it, or have a person do it."
    )
    return Reject(
        INVALID_PARAMS,
        text,
        reason,
        id=claims.id,
        # What is told or answered has no answer: its sender hears nothing, as of whatever nobody waits for.
        status=ACCEPTED if claims.id is None else params_status(claims.question.era),
        kind=RejectKind.POLICY,
        name=item.name[:256],
        detail=f"member {item.member}",
    )
