"""What the store knows of servers' items, kept in memory: read whole once, and by what changed after that. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from mcp_core.pins.snapshot import IS_OPEN
from mcp_core.pins.states import OPEN
from mcp_core.scan import ItemKind
from mcp_sidecar.store.lineage import Anchor
from mcp_sidecar.store.observe import TOUCH_MS
from mcp_sidecar.store.values import Changes, ItemId, Seen, Standing

GONE_MS: Final = 2 * TOUCH_MS
"""How much older than the last look an item's last date must be for it to be gone: dates are this coarse."""
APART_MS: Final = 5_000
"""Changes that are so close are one version of the server: what one look finds is written down in slices."""
MOST_VERSIONS: Final = 100
"""Versions of a server that are told, the last ones."""

Name: TypeAlias = tuple[ItemKind, str]
"""Kind and name of an item of one server."""


@dataclass(frozen=True, slots=True)
class LastLook:
    """When a server was looked at last (Unix milliseconds, 0 for never), and how that ended."""

    at: int = 0
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class VersionChange:
    """One item in one version of its server: `before` is the digest that it had, None for an item that is new."""

    kind: ItemKind
    name: str
    before: str | None
    after: Seen


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """What a server offered from a moment on (Unix milliseconds). `digest` is that of all its items together."""

    version: str
    at: int
    digest: str
    changes: tuple[VersionChange, ...]


@dataclass(frozen=True, slots=True)
class CatalogItem:
    """One item of a server. `shown` is the version that agents get, or the one that was seen last where they get none.

    `state` is "open", "quarantined" or "rejected"; `usable` says whether the viewer's own principal may use it now;
    `gone` that the last look did not find it.
    """

    kind: ItemKind
    name: str
    state: str
    usable: bool
    gone: bool
    changes_often: bool
    shown: Seen
    waiting: Seen | None
    """The version that waits for a reviewer, where that is another one or none is open."""


class KnownServer:
    """The items of one server. `revision` grows with every change."""

    __slots__ = ("_items", "_told", "gone", "look", "revision", "standings")

    def __init__(self) -> None:
        self.standings: dict[Name, Standing] = {}
        self.gone: frozenset[Name] = frozenset()
        self.look = LastLook()
        self.revision = 0
        self._told: tuple[int, tuple[ServerVersion, ...]] | None = None
        self._items: dict[bool, tuple[int, Mapping[Name, CatalogItem]]] = {}

    def take(self, standing: Standing) -> None:
        """Take over where an item stands."""
        self.standings[standing.id.kind, standing.id.name] = standing
        self.revision += 1

    def items(self, *, enforces: bool) -> Mapping[Name, CatalogItem]:
        """Return all items by kind and name, for who may use everything: worked out once for all viewers.

        `enforces` says whether pins keep what is not open from everybody.
        """
        kept = self._items.get(enforces)
        if kept is None or kept[0] != self.revision:
            ordered = sorted(self.standings, key=lambda name: (name[0].value, name[1]))
            found = {name: _item(self.standings[name], enforces=enforces, gone=name in self.gone) for name in ordered}
            kept = self._items[enforces] = self.revision, found
        return kept[1]

    @property
    def versions(self) -> tuple[ServerVersion, ...]:
        """The versions of what agents were ever offered, the last one first."""
        if self._told is None or self._told[0] != self.revision:
            self._told = self.revision, offered_of(self.standings.values())
        return self._told[1]

    @property
    def began(self) -> int | None:
        """When the first item was seen (Unix milliseconds); None where none was."""
        firsts = (seen.first_seen for standing in self.standings.values() for seen in standing.versions)
        return min(firsts, default=None)


def _item(standing: Standing, *, enforces: bool, gone: bool) -> CatalogItem:
    kind, name, state = standing.id.kind, standing.id.name, standing.state
    opened = next((seen for seen in standing.versions if seen.state in OPEN), None) if standing.open else None
    shown = opened or standing.versions[0]
    waits = next((seen for seen in standing.versions if seen.state not in OPEN), None)
    usable = state == IS_OPEN or not enforces
    often = standing.changes_often
    return CatalogItem(kind, name, state, usable, gone, often, shown, None if waits is shown else waits)


NOTHING_KNOWN: Final = KnownServer()


def offered_of(standings: Iterable[Standing]) -> tuple[ServerVersion, ...]:
    """Return the versions of a server that the versions of items which were open make, the last one first."""
    return versions_of(seen for standing in standings for seen in standing.versions if seen.state in OPEN)


def versions_of(seen: Iterable[Seen]) -> tuple[ServerVersion, ...]:
    """Return the versions of a server that versions of its items make by their first sight, the last one first."""
    now: dict[Name, str] = {}
    told = []
    for group in _groups(sorted(seen, key=lambda one: (one.first_seen, one.id.kind.value, one.id.name, one.digest))):
        changes = []
        for one in group:
            name = one.id.kind, one.id.name
            changes.append(VersionChange(*name, now.get(name), one))
            now[name] = one.digest
        digest = digest_of(now)
        told.append(ServerVersion(name_of(group[-1].first_seen, digest), group[-1].first_seen, digest, tuple(changes)))
    return tuple(reversed(told[-MOST_VERSIONS:]))


def _groups(ordered: list[Seen]) -> Iterator[list[Seen]]:
    group: list[Seen] = []
    for one in ordered:
        if group and one.first_seen - group[0].first_seen > APART_MS:
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def digest_of(items: Mapping[Name, str]) -> str:
    """Return the digest of what a server offers, of kind and name -> digest of each item."""
    hashed = hashlib.sha256()
    for (kind, name), digest in sorted(items.items(), key=lambda one: (one[0][0].value, one[0][1])):
        hashed.update(f"{kind.value}\0{name}\0{digest}\n".encode("utf-8", "surrogatepass"))
    return hashed.hexdigest()


def name_of(at: int, digest: str) -> str:
    """Return the name of a version that its team gave none: the day in UTC, and the beginning of its digest.

    It sorts by day as Semantic Versioning has it: no part has leading zeros, and the digest is a pre-release.
    """
    day = datetime.fromtimestamp(at / 1000, UTC)
    return f"{day.year}.{day.month}.{day.day}-x{digest[:12]}"


class KnownItems:
    """All servers' items. `head` is the last entry of the chain that is known."""

    def __init__(self) -> None:
        self._servers: dict[str, KnownServer] = {}
        self.generation = -1
        self.head: Anchor | None = None

    @property
    def servers(self) -> Collection[str]:
        """The names of all servers that were heard of."""
        return self._servers.keys()

    def of(self, server: str) -> KnownServer:
        """Return what is known of a server; nothing is known of one that nobody heard of."""
        return self._servers.get(server, NOTHING_KNOWN)

    def take(self, changes: Changes, *, whole: bool) -> None:
        """Take over what changed in the store, or all that it has."""
        servers = {} if whole else self._servers
        for name in changes.settings:
            servers.setdefault(name, KnownServer())
        for standing in changes.standings:
            servers.setdefault(standing.id.server, KnownServer()).take(standing)
        self._servers, self.generation, self.head = servers, changes.generation, changes.head

    def look(self, looks: Mapping[str, tuple[int, str]]) -> None:
        """Take how looks ended."""
        for name, said in looks.items():
            self._servers.setdefault(name, KnownServer()).look = LastLook(*said)

    def date(self, gone: Iterable[ItemId]) -> None:
        """Take which items the last looks did not find any more."""
        found: dict[str, set[Name]] = {}
        for item_id in gone:
            found.setdefault(item_id.server, set()).add((item_id.kind, item_id.name))
        for name, known in self._servers.items():
            now = frozenset(found.get(name, ()))
            if now != known.gone:
                known.gone, known.revision = now, known.revision + 1
