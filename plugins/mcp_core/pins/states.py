"""What becomes of one version of an item: the policy for what is new, and the weight of a change.

A version is an item as a server sent it once, known by its digest. It is open (agents see it and may use it) or closed.
What is closed opens only by the word of a reviewer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from mcp_core.pins.canonical import field_digests


class State(StrEnum):
    """Where a version stands. Approved and flagged ones are open."""

    APPROVED = "approved"
    FLAGGED = "flagged"
    QUARANTINED = "quarantined"
    REJECTED = "rejected"


OPEN: Final = frozenset({State.APPROVED, State.FLAGGED})


class Pinning(StrEnum):
    """What pins do for a server: nothing; write down what is seen; or also hide and refuse what is not open."""

    OFF = "off"
    MONITOR = "monitor"
    ENFORCE = "enforce"


class FirstUse(StrEnum):
    """What becomes of an item that was never seen before."""

    APPROVE_CLEAN = "approve-clean"
    QUARANTINE_ALL = "quarantine-all"


class Drift(StrEnum):
    """Which changes of an approved item stay open, flagged, while nothing is found in them.

    exact: none. strict: those of light fields. graded: those of light fields, titles and descriptions. clean: all.
    """

    EXACT = "exact"
    STRICT = "strict"
    GRADED = "graded"
    CLEAN = "clean"


class Trust(StrEnum):
    """Whose server it is. Text rules see what a text shows; what they cannot see is held by who may be asked to wait.

    own: what is clean opens by itself, new and changed. known: what is new and clean opens, and changes of text or
    schema wait. foreign: everything waits for a person.
    """

    OWN = "own"
    KNOWN = "known"
    FOREIGN = "foreign"


LIGHT: Final = frozenset({"_meta", "annotations", "icons"})
"""Fields that honest servers change often and that do not tell a model what to do with the item."""

WORDS: Final = frozenset({"description", "title"})
"""Fields that a model reads as prose, at the top of an item. Whatever is neither light nor words is heavy."""

_MAY_CHANGE: Final = {Drift.EXACT: frozenset[str](), Drift.STRICT: LIGHT, Drift.GRADED: LIGHT | WORDS}
"""Drift -> fields that may change; what is not in it may change everything."""


class Found(Protocol):
    """What this module asks of a scanner's finding: which rule holds, where, over which text."""

    @property
    def rule(self) -> str: ...  # noqa: D102 - mcp_core.scan.finding
    @property
    def path(self) -> str: ...  # noqa: D102 - mcp_core.scan.finding
    @property
    def excerpt(self) -> str: ...  # noqa: D102 - mcp_core.scan.finding


@dataclass(frozen=True, slots=True)
class Rules:
    """How a team wants to be asked. DEFAULT_RULES open what is clean, and close every change of substance."""

    first_use: FirstUse
    drift: Drift


DEFAULT_RULES: Final = Rules(FirstUse.APPROVE_CLEAN, Drift.STRICT)

_OF_TRUST: Final = {
    Trust.OWN: Rules(FirstUse.APPROVE_CLEAN, Drift.CLEAN),
    Trust.KNOWN: Rules(FirstUse.APPROVE_CLEAN, Drift.STRICT),
    Trust.FOREIGN: Rules(FirstUse.QUARANTINE_ALL, Drift.EXACT),
}


def rules_of(trust: Trust | None, otherwise: Rules) -> Rules:
    """Return how versions of a server's items are graded: by whose it is, or `otherwise` where nobody said."""
    return otherwise if trust is None else _OF_TRUST[trust]


@dataclass(frozen=True, slots=True)
class Grade:
    """What became of a version, and why: `reason` is a short stable word, `fields` the members that changed."""

    state: State
    reason: str
    fields: tuple[str, ...] = ()


def first_use(findings: Sequence[Found], rules: Rules) -> Grade:
    """Grade an item of which no other version was ever open."""
    if findings:
        return Grade(State.QUARANTINED, "findings")
    if rules.first_use is FirstUse.QUARANTINE_ALL:
        return Grade(State.QUARANTINED, "first-use")
    return Grade(State.APPROVED, "clean")


def changed_fields(before: Mapping[str, str], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which members differ, sorted. `before` holds digests by field, as `field_digests` gives them."""
    now = field_digests(after)
    return tuple(sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key)))


def drift(fields: Sequence[str], before: Sequence[Found], after: Sequence[Found], rules: Rules) -> Grade:
    """Grade the step from a version that is open to another: `fields` changed, `before` and `after` were found.

    A finding that the open version had too is no news: whoever approved that version approved it.
    """
    names = tuple(sorted(fields))
    known = {(one.rule, one.path, one.excerpt) for one in before}
    if any((one.rule, one.path, one.excerpt) not in known for one in after):
        return Grade(State.QUARANTINED, "drift-findings", names)
    if rules.drift is not Drift.CLEAN and not set(names) <= _MAY_CHANGE[rules.drift]:
        return Grade(State.QUARANTINED, "drift", names)
    weight = "light" if set(names) <= LIGHT else "words" if set(names) <= LIGHT | WORDS else "clean"
    return Grade(State.FLAGGED, f"{weight}-drift", names)


@dataclass(frozen=True, slots=True)
class Sight:
    """One version of an item: where it stands, and when it was seen last (Unix time in seconds)."""

    state: State
    seen: float


def is_open(sights: Sequence[Sight], settle: float) -> bool:
    """Return whether an item is open: all of its versions are that were seen in the last `settle` seconds it was seen.

    So an item closes at the first sight of a version that nobody approved, whichever replica or caller got it, and
    opens again by itself only after that version has stayed away for a while.
    """
    latest = max((sight.seen for sight in sights), default=0.0)
    return bool(sights) and all(
        sight.state in OPEN for sight in sights if sight.seen > latest - settle or sight.seen == latest
    )
