"""Questions about usage, answered from what was counted: who used what, what nobody uses, what has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from mcp_core.reasons import Ending
from mcp_core.telemetry.tally import Counted, UsageKey, quantile

BYTES_PER_TOKEN: Final = 4
"""How many bytes of an answer are taken for one token of a model: an estimate, good for comparing."""
_NEVER_ARRIVED: Final = frozenset({Ending.REFUSED, Ending.LIMITED, Ending.UNSIGNED, Ending.HELD_BACK})

Counts = Iterable[tuple[UsageKey, Counted]]


def summed(counts: Counts, by: Sequence[str]) -> dict[tuple[Any, ...], Counted]:
    """Return sums by some members of the key, the largest first."""
    found: dict[tuple[Any, ...], Counted] = {}
    for key, counted in counts:
        found.setdefault(tuple(getattr(key, name) for name in by), Counted()).merge(counted)
    return dict(sorted(found.items(), key=lambda one: (-one[1].calls, one[0])))


def figures(counted: Counted) -> dict[str, Any]:
    """Return what people want to know of counts. Times are seconds, below which that part of requests was done."""
    p50, p95 = quantile(counted.buckets, 0.5), quantile(counted.buckets, 0.95)
    return {
        "calls": counted.calls,
        "errors": counted.failed,
        "p50": p50 if p50 is None else round(p50, 3),
        "p95": p95 if p95 is None else round(p95, 3),
        "bytes": counted.received,
        "tokens": -(-counted.received // BYTES_PER_TOKEN),
    }


class UsedItem(NamedTuple):
    """A tool or prompt of a server."""

    server: str
    name: str


def used(counts: Counts) -> set[UsedItem]:
    """Return the items of which a request went on to the server."""
    return {UsedItem(key.server, key.name) for key, _ in counts if key.name and key.outcome not in _NEVER_ARRIVED}


@dataclass(frozen=True, slots=True)
class UsageChange:
    """How one thing was used in two spans of time. `word` is new, gone, more or less."""

    word: str
    what: tuple[Any, ...]
    before: int
    now: int


def changes(before: Counts, now: Counts, by: Sequence[str], factor: float = 2.0) -> list[UsageChange]:
    """Return what is used now and was not, or the other way, or `factor` times as much or as little."""
    then, today = summed(before, by), summed(now, by)
    found = []
    for what in {**today, **then}:
        was, is_ = _calls(then, what), _calls(today, what)
        if not was or not is_:
            found.append(UsageChange("new" if is_ else "gone", what, was, is_))
        elif is_ >= factor * was or was >= factor * is_:
            found.append(UsageChange("more" if is_ > was else "less", what, was, is_))
    order = ("new", "gone", "more", "less")
    return sorted(found, key=lambda change: (order.index(change.word), -max(change.before, change.now), change.what))


def _calls(counts: Mapping[tuple[Any, ...], Counted], what: tuple[Any, ...]) -> int:
    return counts[what].calls if what in counts else 0
