"""What waits to be written down, by server: in small slices, each server in its turn, changes before news.

So a server that sends thousands of new items at once keeps nobody waiting for longer than one slice of each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import anyio

from mcp_core.scan import ItemKind, siblings_of
from mcp_sidecar.store.sightings import Sighting
from mcp_sidecar.surface.budget import VersionBudget

SLICE: Final = 100
"""Versions in one slice: some 50 ms of scanning and 10 ms of writing, if they are of a usual size."""
SLICE_SIZE: Final = 128 * 1024
"""Characters of content in one slice, unless a single version has more."""
SLICE_DATES: Final = 1_000
"""Versions in one slice that are only dated."""
MOST_SIZE: Final = 32 * 1024 * 1024
"""Characters of content that wait in all."""

Key: TypeAlias = tuple[ItemKind, str, str]
"""Kind, name and digest of a version."""


def key_of(sighting: Sighting) -> Key:
    """Return the key of a sighting."""
    return sighting.kind, sighting.name, sighting.digest


@dataclass(frozen=True, slots=True)
class WaitingSighting:
    """A sighting that waits, and since when (monotonic seconds)."""

    seen: Sighting
    since: float


@dataclass(slots=True)
class Slice:
    """What is written down next of one server. `scan` are settings of the scanner to take over first."""

    server: str
    waiting: Sequence[WaitingSighting]
    siblings: frozenset[str]
    scan: str | None = None

    @property
    def sightings(self) -> list[Sighting]:
        """Return what was seen."""
        return [sighting.seen for sighting in self.waiting]


class Ticket:
    """Waits for what one answer brought: `over` is set once it was written down, or will not be for now."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys = set(keys)
        self.over = anyio.Event()


@dataclass(slots=True)
class _Line:
    """What waits of one server: versions of known items, then new items, then dates of what is known."""

    budget: VersionBudget
    changes: dict[Key, WaitingSighting] = field(default_factory=dict)
    news: dict[Key, WaitingSighting] = field(default_factory=dict)
    dates: dict[Key, WaitingSighting] = field(default_factory=dict)
    siblings: set[str] = field(default_factory=set)
    scan: str | None = None
    heard: bool = False
    tickets: list[Ticket] = field(default_factory=list)

    def is_empty(self) -> bool:
        return not (self.changes or self.news or self.dates or self.scan is not None or self.heard)


class Turns:
    """The lines of all servers. Nothing in here waits or blocks."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._turns: deque[str] = deque()
        self._size = 0
        self._current: Slice | None = None

    def add(
        self,
        server: str,
        now: float,
        *,
        changes: Sequence[Sighting] = (),
        news: Sequence[Sighting] = (),
        dates: Sequence[Sighting] = (),
        scan: str | None = None,
    ) -> tuple[Ticket, list[Sighting]]:
        """Add what an answer brought; returns who waits for it, and what the server's budget leaves out."""
        line = self._lines.get(server)
        if line is None:
            line = self._lines[server] = _Line(VersionBudget(now))
        left_out = []
        keys = []
        for to, sightings in ((line.changes, changes), (line.news, news)):
            for sighting in sightings:
                key = key_of(sighting)
                if key not in to and not self._fits(line, sighting, now):
                    left_out.append(sighting)
                    continue
                self._put(to, key, WaitingSighting(sighting, now))
                keys.append(key)
        for one in dates:
            line.dates[key_of(one)] = WaitingSighting(one, now)
        line.siblings |= siblings_of(sighting.name for sighting in (*changes, *news) if sighting.kind is ItemKind.TOOL)
        line.scan = scan if scan is not None else line.scan
        line.heard = True
        ticket = Ticket(keys)
        line.tickets.append(ticket)
        self._queue(server)
        return ticket, left_out

    def take(self) -> Slice | None:
        """Return the next slice of the server whose turn it is, or None where nothing waits."""
        if not self._turns:
            return None
        server = self._turns.popleft()
        line = self._lines[server]
        chosen: list[WaitingSighting] = []
        size = 0
        for waiting in (line.changes, line.news):
            while waiting and len(chosen) < SLICE and (not chosen or size < SLICE_SIZE):
                sighting = waiting.pop(next(iter(waiting)))
                self._size -= sighting.seen.size
                size += sighting.seen.size
                chosen.append(sighting)
        while line.dates and not size and len(chosen) < SLICE_DATES:
            chosen.append(line.dates.pop(next(iter(line.dates))))
        slice_ = self._current = Slice(server, chosen, frozenset(line.siblings), line.scan)
        line.scan, line.heard = None, False
        if line.is_empty():
            line.siblings.clear()
        else:
            self._turns.append(server)
        return slice_

    def graded(self, slice_: Slice) -> None:
        """Note that what a slice changes is known."""
        if self._current is slice_:
            self._current = None

    def put_back(self, slice_: Slice) -> None:
        """Have a slice that could not be written down taken again, later."""
        line = self._lines[slice_.server]
        self.graded(slice_)
        for sighting in slice_.waiting:
            self._put(line.changes, key_of(sighting.seen), sighting)
        line.siblings |= slice_.siblings
        line.scan = slice_.scan if line.scan is None else line.scan
        line.heard = True
        self._queue(slice_.server)

    def completes(self, slice_: Slice) -> bool:
        """Return whether somebody waits for this slice as the last one, or nothing more waits of its server."""
        line, keys = self._lines[slice_.server], {key_of(sighting.seen) for sighting in slice_.waiting}
        return line.is_empty() or any(ticket.keys <= keys for ticket in line.tickets)

    def done(self, slice_: Slice) -> None:
        """Tell those who wait that a slice was written down, or never will be."""
        self.graded(slice_)
        line, keys = self._lines[slice_.server], {key_of(sighting.seen) for sighting in slice_.waiting}
        for ticket in line.tickets:
            ticket.keys -= keys
            if not ticket.keys:
                ticket.over.set()
        line.tickets = [ticket for ticket in line.tickets if ticket.keys]

    def give_up(self) -> None:
        """Tell all who wait that nothing is written down for now, and drop what will come again."""
        for line in self._lines.values():
            for ticket in line.tickets:
                ticket.over.set()
            line.tickets = []
            line.dates.clear()

    def overdue(self, before: float) -> Iterator[tuple[str, Sighting]]:
        """Yield versions that wait since before a time and may be of known items: server and sighting."""
        waiting = [(server, change) for server, line in self._lines.items() for change in line.changes.values()]
        if self._current is not None:
            waiting += [(self._current.server, sighting) for sighting in self._current.waiting]
        return (
            (server, waiting_sighting.seen) for server, waiting_sighting in waiting if waiting_sighting.since <= before
        )

    def _fits(self, line: _Line, sighting: Sighting, now: float) -> bool:
        return self._size + sighting.size <= MOST_SIZE and line.budget.take(sighting.size, now)

    def _put(self, to: dict[Key, WaitingSighting], key: Key, sighting: WaitingSighting) -> None:
        if key not in to:
            to[key] = sighting
            self._size += sighting.seen.size

    def _queue(self, server: str) -> None:
        if server not in self._turns:
            self._turns.append(server)
