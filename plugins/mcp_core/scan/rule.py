"""What a rule is. Rules are data: tables in mcp_core.scan.rules, one family a file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mcp_core.scan.finding import Severity

FLAG = Severity.FLAG
BLOCK = Severity.BLOCK


class Weakening(Enum):
    """What right before a match takes its force away."""

    NONE = 0
    SPOKEN_OF = 1
    DENIED = 2
    NEGATED = 3


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression on the visible, lower-case characters of a text: for markup, paths, shell, other scripts.

    It must be linear: nothing repeated within something repeated. It is tried only where the text holds one of the
    `hints` (any match holds one), where `probe` matches, an expression that costs less, and the words of `gate`, a
    phrase, stand in any order. `composed` says that it reads the text with its accents and scripts.
    """

    regex: str
    hints: tuple[str, ...] = ()
    gate: str = ""
    composed: bool = False
    probe: str = ""


@dataclass(frozen=True, slots=True)
class ScanRule:
    """A rule about words. It holds where any of its phrases or expressions does.

    `severity` None says that it is a weak signal: it is reported only as part of a combination, under the `trait` that
    combinations name. `phrases` are read in the words of a text (mcp_core.scan.phrases), `patterns` in its characters.
    `names` says that a match
    counts only if it holds a name that is not one of the item's own. `scope` says where the rule is read: surfaces,
    results, or both. `guard` says which words right before a match make it a flag at most: "detects" and the like
    (Guard.SPOKEN_OF), "not" right before it too (Guard.DENIED), or in the same clause (Guard.NEGATED).
    `steers` and `passes` are examples in which it holds, and in which it does not; they run as tests.
    """

    id: str
    severity: Severity | None
    message: str
    phrases: tuple[str, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    trait: str = ""
    scope: str = "both"
    names: bool = False
    guard: Weakening = Weakening.NONE
    steers: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """Return the family: what stands before the dot of the id."""
        return self.id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Combination:
    """Weak signals that are strong together.

    Each member of `traits` names traits of which one must be present. `near` says that all of them must stand in one
    field, within a few sentences; otherwise anywhere in the item.
    """

    id: str
    severity: Severity
    message: str
    traits: tuple[tuple[str, ...], ...]
    near: bool = True
    scope: str = "both"

    @property
    def family(self) -> str:
        """Return the family: what stands before the dot of the id."""
        return self.id.partition(".")[0]
