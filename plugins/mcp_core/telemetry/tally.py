"""What is counted of requests: exact numbers that add up, whichever way they are put together.

The histogram has the buckets that OpenTelemetry's conventions fix for MCP, so that hours, nodes and Prometheus add the
same numbers. Source: semantic-conventions-genai, mcp.server.operation.duration.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from mcp_core.methods import BATCH_METHOD, METHODS, RESPONSE_METHOD, Kind
from mcp_core.reasons import Ending
from mcp_core.telemetry.visit import Visit

BOUNDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of the buckets, in seconds; one more has the rest."""
BUCKETS: Final = len(BOUNDS) + 1
OTHER: Final = "other"
"""What a name counts as for which there is no room."""
HOUR_MS: Final = 3_600_000

_MICRO: Final = tuple(round(bound * 1_000_000) for bound in BOUNDS)
_KNOWN: Final = frozenset({*METHODS, BATCH_METHOD, RESPONSE_METHOD})
_REFUSED: Final = frozenset({Ending.REFUSED, Ending.LIMITED})


class UsageKey(NamedTuple):
    """What requests are counted by. `hour` counts hours since 1970; "" stands for what there is none of."""

    hour: int
    server: str
    method: str
    name: str
    principal: str
    era: str
    lane: str
    outcome: str
    reason: str
    error: str


@dataclass(slots=True)
class Counted:
    """Counts of one key. `took` and `waited` are microseconds in all, `asked` how many have reached a server."""

    calls: int = 0
    failed: int = 0
    took: int = 0
    asked: int = 0
    waited: int = 0
    sent: int = 0
    received: int = 0
    retries: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * BUCKETS)

    def add(self, visit: Visit) -> None:
        """Count one request."""
        self.calls += 1
        self.failed += bool(visit.error)
        self.took += visit.took
        if visit.waited is not None:
            self.asked += 1
            self.waited += visit.waited
        self.sent += visit.sent
        self.received += visit.received
        self.retries += max(visit.tries - 1, 0)
        self.buckets[bisect_left(_MICRO, visit.took)] += 1

    def merge(self, other: Counted) -> None:
        """Count all that another one has counted."""
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.buckets = [mine + its for mine, its in zip(self.buckets, other.buckets, strict=True)]


NUMBERS: Final = ("calls", "failed", "took", "asked", "waited", "sent", "received", "retries")


class NameBook:
    """A bounded set of names in groups: which names have a place, and what stands for the rest.

    A name that got a place keeps it: a counter that changed its name would count twice.
    """

    def __init__(self, per_group: int) -> None:
        self._most = per_group
        self._known: dict[str, set[str]] = {}
        self.turned_away = 0

    def place(self, group: str, name: str, *, may_enter: bool = True) -> str:
        """Return the name, or OTHER where there is no room for it, or where it may not take a place."""
        if not name:
            return name
        known = self._known.setdefault(group, set())
        if name in known:
            return name
        if may_enter and len(known) < self._most:
            known.add(name)
            return name
        self.turned_away += 1
        return OTHER


class Names:
    """The names by which requests are counted, bounded: items for each server, principals, and servers.

    A refused request gives no name a place: whoever tries a million names that do not exist moves nothing.
    """

    def __init__(self, items: int, principals: int, servers: int = 10_000) -> None:
        self._items, self._principals, self._servers = NameBook(items), NameBook(principals), NameBook(servers)

    def server(self, name: str) -> str:
        """Return a server's name."""
        return self._servers.place("", name)

    def item(self, server: str, name: str, *, may_enter: bool) -> str:
        """Return the name of an item of a server."""
        return self._items.place(server, name, may_enter=may_enter)

    def principal(self, name: str, *, may_enter: bool = True) -> str:
        """Return what a principal is called."""
        return self._principals.place("", name, may_enter=may_enter)

    @property
    def turned_away(self) -> int:
        """How often a name found no place."""
        return self._items.turned_away + self._principals.turned_away + self._servers.turned_away


def key_of(visit: Visit, names: Names) -> UsageKey:
    """Return what a request is counted by."""
    record = visit.record
    server = names.server(visit.server)
    method = record.method or ""
    known = METHODS.get(method)
    # Tools and prompts are told apart by name. URIs of resources and ids of tasks are without end.
    named = known is not None and known.kind in (Kind.TOOL, Kind.PROMPT) and record.name is not None
    name = names.item(server, record.name or "", may_enter=record.outcome not in _REFUSED) if named else ""
    return UsageKey(
        visit.at // HOUR_MS,
        server,
        method if method in _KNOWN or not method else OTHER,
        name,
        names.principal(record.principal or ""),
        str(record.era or ""),
        str(record.lane or ""),
        str(record.outcome),
        str(record.reason or ""),
        str(visit.error),
    )


def fold(visits: Sequence[Visit], names: Names) -> dict[UsageKey, Counted]:
    """Count requests by their keys."""
    found: dict[UsageKey, Counted] = {}
    known: dict[tuple[int, int, int], Counted] = {}
    for visit in visits:
        # Requests that say the same have one record (visit.read), so what they are counted by is found once.
        alike = id(visit.record), visit.at // HOUR_MS, visit.status
        counted = known.get(alike)
        if counted is None:
            before = names.turned_away
            counted = found.setdefault(key_of(visit, names), Counted())
            if names.turned_away == before:  # each name that finds no place is told
                known[alike] = counted
        counted.add(visit)
    return found


def quantile(buckets: Sequence[int], part: float) -> float | None:
    """Return below how many seconds this part of requests was done, as Prometheus reckons it; None for no requests.

    Within a bucket requests are taken to be spread evenly; what is above the last bound counts as that bound.
    """
    total = sum(buckets)
    if not total:
        return None
    rank, below = part * total, 0
    for number, count in enumerate(buckets[:-1]):
        if count and below + count >= rank:
            low = BOUNDS[number - 1] if number else 0.0
            return low + (BOUNDS[number] - low) * (rank - below) / count
        below += count
    return BOUNDS[-1]
