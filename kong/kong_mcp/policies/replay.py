"""Calls that were recorded, put before another policy: which of them would end otherwise.

What a record lacks is not guessed. Groups, scopes and clients of a caller are in none, so a caller is taken for
everyone it could have been, as far as rules tell these apart: what holds for all of them is certain, the rest "may" be.
A policy that was in force then (`old`) leaves of these only those to whom it did what was recorded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import combinations
from typing import Final, NamedTuple

from kong_mcp.policies.asking import Wanted, decided
from kong_mcp.policies.source import Policies, ServerPolicy
from mcp_core import methods
from mcp_core.methods import METHODS
from mcp_core.outcome import Reject
from mcp_core.policy import Rule
from mcp_core.principal import TOKEN, UNKNOWN, Principal, consumer
from mcp_core.reasons import Ending, Reason
from mcp_core.record import MOST_TEXT
from mcp_core.ruling import rule
from mcp_core.telemetry.tally import OTHER

_REFUSED: Final = frozenset({Ending.REFUSED, Ending.LIMITED, Ending.UNSIGNED})
_BY_POLICY: Final = frozenset({Reason.DENIED_ITEM, Reason.DENIED_METHOD})
BY_VIEW: Final = frozenset(
    {methods.CALL, methods.GET_PROMPT, methods.READ_RESOURCE, methods.SUBSCRIBE, methods.UNSUBSCRIBE}
)
"""Methods of which the caller's view alone decides: a hundredth of the work of a whole request."""
_IN_THE_BODY: Final = frozenset({methods.COMPLETE, methods.LISTEN, methods.BATCH_METHOD, methods.RESPONSE_METHOD})
_SUBJECT: Final = re.compile(r"(.*) of (https?://\S+)", re.DOTALL)
"""How Principal.name writes the subject of a token with its issuer."""
_REPLACED: Final = "\ufffd"
"""What stands in records for characters that no store takes."""
_PSEUDONYM: Final = re.compile(r"p-[0-9a-f]{16}")
"""How an audit log that hashes persons names them."""


class RecordedCall(NamedTuple):
    """What is known of some requests: they agree in all of it. Texts are "" where nothing was recorded."""

    server: str
    method: str
    name: str
    principal: str
    outcome: str
    reason: str


class ReplayWord(StrEnum):
    """What would become of a call."""

    LOST = "lost"
    """It passed, and would be refused."""
    GAINED = "gained"
    """The policy refused it, and it would pass."""
    MAY_LOSE = "may lose"
    MAY_GAIN = "may gain"


class LeftOut(StrEnum):
    """Why a call cannot be put before a policy."""

    NO_NAME = "the item's name was not recorded"
    ARGUMENTS = "arguments were not recorded, and the policy constrains them"
    BODY = "what it asked for stood in its body"
    OTHER_CAUSE = "refused for another cause than the policy"


class ReplayChange(NamedTuple):
    """Calls that would end otherwise. `by` is what decides, with its place, or what would have to be known."""

    word: ReplayWord
    server: str
    method: str
    name: str
    principal: str
    calls: int
    by: str


@dataclass(slots=True)
class Replayed:
    """What a replay found. `calls` were recorded, `judged` of them were put before the policy."""

    changes: list[ReplayChange] = field(default_factory=list)
    left_out: Counter[LeftOut] = field(default_factory=Counter)
    calls: int = 0
    judged: int = 0

    def has(self, *words: ReplayWord) -> bool:
        """Return whether any call would end in one of these ways."""
        return any(change.word in words for change in self.changes)


class _State:
    """The policies of one state, with what they have already decided."""

    def __init__(self, policies: Policies) -> None:
        self.policies = policies
        self._decided: dict[tuple[int, Wanted], Reason | None] = {}

    def refusal(self, server: str, who: Principal, asked: Wanted) -> Reason | None:
        """Return why a call would be refused; None where it would pass. The server is one of this state's."""
        policy = self.policy(server)
        view = policy.guard.policy.view(who)
        key = id(view), asked  # a policy keeps its views
        if key not in self._decided:
            if asked.kind is not None and asked.name is not None and asked.method in BY_VIEW:
                allowed = not policy.guard.enforce or view.allows(asked.kind, asked.name)
                self._decided[key] = None if allowed else Reason.DENIED_ITEM
            else:
                decision = decided(policy, who, asked, server)
                self._decided[key] = decision.reason if isinstance(decision, Reject) else None
        return self._decided[key]

    def policy(self, server: str) -> ServerPolicy:
        """Return the policy of a server that has one."""
        found = self.policies.of(server)
        if found is None:
            raise KeyError(server)
        return found

    def rules(self, server: str) -> tuple[Rule, ...]:
        """Return the rules of a server's policy, none where it has none."""
        found = self.policies.of(server)
        return () if found is None else found.guard.policy.rules


def replay(recorded: Mapping[RecordedCall, int], new: Policies, old: Policies | None = None) -> Replayed:
    """Put recorded calls, and how many there were of each, before the policies of `new`."""
    now, then = _State(new), None if old is None else _State(old)
    found = Replayed(calls=sum(recorded.values()))
    callers: dict[tuple[str, str], list[Principal]] = {}
    for call, calls in recorded.items():
        asked = _asked(call)
        if isinstance(asked, LeftOut):
            found.left_out[asked] += calls
            continue
        if (call.server, call.principal) not in callers:
            callers[call.server, call.principal] = list(_callers(call, now, then))
        outcome = _judge(call, asked, callers[call.server, call.principal], now, then)
        if isinstance(outcome, LeftOut):
            found.left_out[outcome] += calls
            continue
        found.judged += calls
        if outcome is not None:
            word, by = outcome
            found.changes.append(ReplayChange(word, call.server, call.method, call.name, call.principal, calls, by))
    order = list(ReplayWord)
    found.changes.sort(key=lambda change: (order.index(change.word), -change.calls, *change[1:5]))
    return found


def _asked(call: RecordedCall) -> Wanted | LeftOut:
    """Return what a call asked for, as far as a policy rules over it."""
    if call.outcome in _REFUSED and call.reason not in _BY_POLICY:
        return LeftOut.OTHER_CAUSE
    known = METHODS.get(call.method)
    if call.method in _IN_THE_BODY or (known is not None and known.kind is None and known.param is not None):
        return LeftOut.BODY
    if known is None or known.kind is None:
        # A usage row names no method that MCP does not define.
        return LeftOut.NO_NAME if call.method == OTHER else Wanted(call.method)
    if call.name in ("", OTHER) or len(call.name) >= MOST_TEXT or _REPLACED in call.name:
        return LeftOut.NO_NAME
    return Wanted(call.method, known.kind, call.name)


def _judge(
    call: RecordedCall, asked: Wanted, callers: Sequence[Principal], now: _State, then: _State | None
) -> tuple[ReplayWord, str] | LeftOut | None:
    """Return what would become of a call, and what decides; None where it would end as it did."""
    passed = call.outcome not in _REFUSED
    if not asked.method:
        return None  # the GET or DELETE of a session: no policy rules over it
    if now.policies.of(call.server) is None:
        return (ReplayWord.LOST, "no policy is for this server") if passed else None
    if then is not None and then.policies.of(call.server) is not None:
        likely = [who for who in callers if (then.refusal(call.server, who, asked) is None) is passed]
        callers = likely or callers  # else it was not the policy that was in force then: it says nothing
    refusals = [now.refusal(call.server, who, asked) for who in callers]
    if _left_to_arguments(call.server, asked, refusals, now, then):
        return LeftOut.ARGUMENTS
    other = [who for who, refusal in zip(callers, refusals, strict=True) if (refusal is None) is not passed]
    if not other:
        return None
    by = _by(now.policy(call.server), other[0], asked)
    if len(other) == len(callers):
        return (ReplayWord.LOST if passed else ReplayWord.GAINED), by
    return (ReplayWord.MAY_LOSE if passed else ReplayWord.MAY_GAIN), f"{_as_whom(other[0])}: {by}"


def _left_to_arguments(
    server: str, asked: Wanted, refusals: Sequence[Reason | None], now: _State, then: _State | None
) -> bool:
    """Return whether the policy lets it come to the arguments of a call, and does not treat them as it did then."""
    if any(refusal is not None and refusal not in _BY_POLICY for refusal in refusals):
        return True
    policy = now.policy(server)
    if asked.method != methods.CALL or not policy.guard.enforce or None not in refusals:
        return False
    before = None if then is None else then.policies.of(server)
    if (
        before is not None
        and before.guard.enforce
        and before.config.get("constraints") == policy.config.get("constraints")
    ):
        return False
    return any(constraint.concerns(asked.name or "") for constraint in policy.guard.constraints)


def _by(policy: ServerPolicy, who: Principal, asked: Wanted) -> str:
    """Return what decides over a call, with its place."""
    if not policy.guard.enforce:
        return f"mode ({policy.where('mode')})"
    if asked.kind is None or asked.name is None:
        return f"methods.allow ({policy.where('methods.allow')})"
    ruling = rule(policy.guard.policy, who, asked.kind, asked.name)
    return f"{ruling.by[0].path} ({policy.where(ruling.by[0].path)})" if ruling.by else "nothing allows it"


def _as_whom(who: Principal) -> str:
    """Return what a caller would have to be, beyond what was recorded of it."""
    traits = {"group": who.groups, "scope": who.scopes, "client": {who.client}, "via": {who.via}}
    said = [f"{word} {one}" for word, several in traits.items() for one in sorted(several) if one]
    return f"with {' and '.join(said)}" if said else f"as {who.name}" if who.id else "as whoever no rule names"


def _callers(call: RecordedCall, now: _State, then: _State | None) -> Iterator[Principal]:
    """Yield those who a caller could have been, one of each kind that the rules tell apart."""
    states = [now] if then is None else [now, then]
    rules = [one for state in states for one in state.rules(call.server)]
    guards = [kept.guard.policy for state in states if (kept := state.policies.of(call.server)) is not None]
    seen: set[tuple[int, ...]] = set()
    for who in _could_be(call.principal, rules, now.policies.consumers):
        views = tuple(id(policy.view(who)) for policy in guards)
        if views not in seen:
            seen.add(views)
            yield who


def _could_be(name: str, rules: Sequence[Rule], consumers: Mapping[str, frozenset[str]]) -> Iterator[Principal]:
    if name in ("", OTHER) or _PSEUDONYM.fullmatch(name):
        bases, most = _anybody(rules), 2
    elif (subject := _SUBJECT.fullmatch(name)) is not None:
        # Two traits are enough: one that allows, and one that denies (or allowed then, and allows now).
        bases, most = [Principal(TOKEN, subject[1], subject[2])], 2
    elif name in consumers:
        yield consumer(name, consumers[name])
        return
    else:
        bases, most = [consumer(name)], 2
    for base in bases:
        traits = [trait for trait in _traits(rules) if base.kind == TOKEN or trait[0] == "groups"]
        for number in range(most + 1):
            for some in combinations(traits, number):
                yield _with(base, some)


def _anybody(rules: Sequence[Rule]) -> list[Principal]:
    """Return whoever rules name, and one of each kind whom they do not."""
    named = [consumer(name) for one in rules for name in sorted(one.consumers)]
    issuers = sorted({one.issuer for one in rules})
    subjects = sorted({name for one in rules for name in one.subjects})
    tokens = [Principal(TOKEN, name, issuer) for issuer in issuers for name in ("", *subjects)]
    return [Principal(UNKNOWN, ""), *named, *tokens]


def _traits(rules: Sequence[Rule]) -> list[tuple[str, str]]:
    found = {
        (name, value)
        for one in rules
        for name, values in (
            ("groups", one.groups),
            ("scopes", one.scopes),
            ("client", one.clients),
            ("via", one.via),
        )
        for value in values
    }
    return sorted(found)


def _with(who: Principal, traits: Sequence[tuple[str, str]]) -> Principal:
    for name, value in traits:
        if name == "groups":
            who = replace(who, groups=who.groups | {value})
        elif name == "scopes":
            who = replace(who, scopes=who.scopes | {value})
        elif name == "client":
            who = replace(who, client=value)
        else:
            who = replace(who, via=value)
    return who
