"""What this node knows of every server's items. No I/O: times are arguments, monotonic seconds.

Three things make an item open here: the store says so; no version of it that is not open was seen since the store was
last told (such an item is shut); and the guards of this node were told so first. So items close without the store, and
open only by it.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from mcp_core.pins.snapshot import IS_OPEN, Snapshot, Surface
from mcp_core.pins.states import OPEN
from mcp_core.scan import ItemKind
from mcp_sidecar.store.lineage import Anchor, ItemName
from mcp_sidecar.store.sightings import AS_SHIPPED, Sighting, is_foreign
from mcp_sidecar.store.values import Changes, Standing

UNWRITTEN: Final = "unwritten"
"""The word of a snapshot for an item that is shut: the store does not say yet that it is closed."""
MOST_SHUT: Final = 8
"""Versions that keep one item shut. Others are not noted: the item is closed as it is."""

Name: TypeAlias = tuple[ItemKind, str]
"""Kind and name of an item of one server."""


@dataclass(frozen=True, slots=True)
class Held:
    """One item as the store has it. `word` is IS_OPEN or says why not, `versions` whether each one is open itself.

    `last` is the digest of the version that was seen last, `since` the view in which the item opened.
    """

    word: str
    versions: Mapping[str, bool]
    last: str
    since: int = 0

    @property
    def open(self) -> bool:
        """Return whether the store has it open."""
        return self.word == IS_OPEN


@dataclass(slots=True)
class _Server:
    items: dict[Name, Held] = field(default_factory=dict)
    # Digests of the versions that shut an item, and when each was seen last.
    shut: dict[Name, dict[str, float]] = field(default_factory=dict)
    # Closed items of which the store knows nothing: another store, which this one replaces, had closed them.
    carried: set[Name] = field(default_factory=set)
    # The version of each item that was seen last, and when the store was told.
    dated: dict[Name, tuple[str, float]] = field(default_factory=dict)
    scan: str = AS_SHIPPED
    # Whether nothing of it opens but by a person's word.
    foreign: bool = False
    # The view in which anything of it changed last.
    view: int = 0


@dataclass(frozen=True, slots=True)
class Frozen:
    """All items by server, and the digests of the versions that shut some of them."""

    generation: int
    head: Anchor | None
    servers: Mapping[str, tuple[Mapping[Name, Held], Mapping[Name, str]]]
    foreign: frozenset[str] = frozenset()

    def snapshot(self, release: str) -> Snapshot:
        """Return the snapshot; `release` is ours."""
        surfaces = {}
        for server, (items, shut) in self.servers.items():
            surface = surfaces[server] = Surface(foreign=server in self.foreign)
            for item, held in items.items():
                shutting = shut.get(item)
                last = held.last if shutting is None else shutting
                surface.states[item] = held.word if shutting is None else UNWRITTEN
                surface.digests[item] = bytes.fromhex(last)
                if held.open and (len(held.versions) > 1 or shutting is not None):
                    others = [seen for seen, is_open in held.versions.items() if is_open and seen != last]
                    surface.also[item] = tuple(map(bytes.fromhex, others))
        return Snapshot(release, self.generation, surfaces, self.head)


class Memory:
    """The node's knowledge. `settle` is in seconds; without guards that are told, what opens is open at once."""

    def __init__(self, settle: float, *, tells_guards: bool) -> None:
        self._settle = settle
        self._servers: dict[str, _Server] = {}
        self._closed_in = 0
        self._recalled = 0
        self.generation = -1
        self.head: Anchor | None = None
        self.view = 0
        self.told = -1 if tells_guards else math.inf

    @property
    def must_close(self) -> bool:
        """Return whether something closed since guards were last told."""
        return self._closed_in > self.told

    @property
    def servers(self) -> list[str]:
        """Return the names of all servers that were heard of."""
        return sorted(self._servers)

    def knows(self, server: str) -> bool:
        """Return whether the server was heard of."""
        return server in self._servers

    def view_of(self, server: str) -> tuple[int, bool]:
        """Return what changes whenever an item of a server may be shown that was not, or the other way round."""
        known = self._servers.get(server)
        return (0, True) if known is None else (known.view, known.view <= self.told)

    def scan(self, server: str) -> str:
        """Return the scanner's settings that hold for a server, as canonical JSON."""
        known = self._servers.get(server)
        return AS_SHIPPED if known is None else known.scan

    def is_foreign(self, server: str) -> bool:
        """Return whether all that is open of a server was opened by a person."""
        known = self._servers.get(server)
        return known is not None and known.foreign

    def shown(self, server: str, kind: ItemKind, name: str, digest: str) -> bool | None:
        """Return whether agents may see this version of an item; None where the version was never seen."""
        known = self._servers.get(server)
        held = None if known is None else known.items.get((kind, name))
        own = None if held is None else held.versions.get(digest)
        if known is None or held is None or own is None:
            return None
        return own and held.open and (kind, name) not in known.shut and held.since <= self.told

    def opens(self, server: str, sighting: Sighting) -> bool:
        """Return whether agents may see this version of an item as soon as the guards were told."""
        known = self._servers.get(server)
        item = sighting.kind, sighting.name
        held = None if known is None else known.items.get(item)
        if known is None or held is None or item in known.shut:
            return False
        return held.open and held.versions.get(sighting.digest, False) and held.since > self.told

    def has(self, server: str, kind: ItemKind, name: str) -> bool:
        """Return whether any version of the item was seen."""
        known = self._servers.get(server)
        return known is not None and (kind, name) in known.items

    def open_names(self, server: str, kind: ItemKind) -> list[str]:
        """Return the names of a server's items of a kind that are open."""
        known = self._servers.get(server)
        held = {} if known is None else known.items
        shut = {} if known is None else known.shut
        return [item[1] for item, one in held.items() if item[0] is kind and one.open and item not in shut]

    def names(self, server: str, kind: ItemKind) -> list[str]:
        """Return the names of a server's items of a kind that were seen, open or not."""
        known = self._servers.get(server)
        return [] if known is None else [name for of, name in known.items if of is kind]

    def closed_before(self, server: str) -> Container[Name]:
        """Return items that another store had closed and of which this one knows nothing."""
        known = self._servers.get(server)
        return frozenset() if known is None else frozenset(known.carried)

    def is_dated(self, server: str, sighting: Sighting, now: float, seconds: float) -> bool:
        """Return whether the store heard in the last `seconds` that this version was seen, and of no other since."""
        known = self._servers.get(server)
        last = None if known is None else known.dated.get((sighting.kind, sighting.name))
        return last is not None and last[0] == sighting.digest and now - last[1] < seconds

    def date(self, server: str, sightings: Iterable[Sighting], now: float) -> None:
        """Note that the store hears of sightings."""
        known = self._servers.setdefault(server, _Server())
        for sighting in sightings:
            known.dated[sighting.kind, sighting.name] = sighting.digest, now

    def sight(self, server: str, sighting: Sighting, now: float) -> bool:
        """Note that a version was seen, and return whether the item closed by it.

        A version that is known not to be open shuts its item. One that is open opens it again, where those that shut it
        have stayed away for as long as the store would have it.
        """
        known = self._servers.get(server)
        item = sighting.kind, sighting.name
        held = None if known is None else known.items.get(item)
        if known is None or held is None:
            return False
        own = held.versions.get(sighting.digest)
        shut = known.shut.get(item)
        if shut is not None and own:
            gone = [seen for seen, at in shut.items() if seen == sighting.digest or at <= now - self._settle]
            self._lift(known, item, gone)
        elif shut is not None and sighting.digest in shut:
            shut[sighting.digest] = now
        return own is False and self.close(server, sighting, now)

    def close(self, server: str, sighting: Sighting, now: float) -> bool:
        """Shut an item, for a version that is not open or was not graded. Returns whether it was open before."""
        known = self._servers.get(server)
        item = sighting.kind, sighting.name
        held = None if known is None else known.items.get(item)
        if known is None or held is None or not held.open or held.versions.get(sighting.digest):
            return False
        shut = known.shut.setdefault(item, {})
        was_open = not shut
        if len(shut) < MOST_SHUT:
            shut[sighting.digest] = now
        if was_open:
            self.view = self._closed_in = known.view = self.view + 1
        return was_open

    def written(self, server: str, sightings: Iterable[Sighting], now: float) -> None:
        """Note that the store has these versions, and that what it says of them was taken: they shut nothing more."""
        known = self._servers.get(server)
        if known is None:
            return
        for sighting in sightings:
            item = sighting.kind, sighting.name
            if item in known.items:
                known.dated[item] = sighting.digest, now
            if sighting.digest in known.shut.get(item, ()):
                self._lift(known, item, [sighting.digest])

    def _lift(self, known: _Server, item: Name, digests: Iterable[str]) -> None:
        shut = known.shut[item]
        for seen in digests:
            del shut[seen]
        if not shut:
            del known.shut[item]
            self.view = known.view = self.view + 1
            known.items[item] = replace(known.items[item], since=self.view)

    def take(self, changes: Changes) -> None:
        """Take over what changed in the store."""
        whole = self.generation < 0 or not changes.follows
        if changes.generation == self.generation and not whole:
            self.head = changes.head
            return
        self.view += 1
        before = {name: known.items for name, known in self._servers.items()}
        if whole:
            for known in self._servers.values():
                known.items, known.view = {}, self.view
                known.dated.clear()
        for server, scan in changes.settings.items():
            known = self._servers.setdefault(server, _Server())
            known.scan, known.foreign = scan, is_foreign(scan)
        for standing in changes.standings:
            self._take_item(standing, before.get(standing.id.server, {}))
        if whole:
            self._carry(before)
        self.generation, self.head = changes.generation, changes.head

    def _take_item(self, standing: Standing, before: Mapping[Name, Held]) -> None:
        known = self._servers.setdefault(standing.id.server, _Server())
        known.view = self.view
        item = standing.id.kind, standing.id.name
        was = before.get(item)
        versions = {version.digest: version.state in OPEN for version in standing.versions}
        stays = was is not None and was.open and standing.open
        since = was.since if was is not None and stays else self.view
        known.items[item] = Held(standing.state, versions, standing.versions[0].digest, since)
        known.carried.discard(item)
        # Whoever wrote a version down that was not known here saw it too.
        met = [
            seen for seen in known.shut.get(item, ()) if seen in versions and (was is None or seen not in was.versions)
        ]
        if met:
            self._lift(known, item, met)
        if was is not None and was.open and not standing.open:
            self._closed_in = self.view

    def _carry(self, before: Mapping[str, Mapping[Name, Held]]) -> None:
        """Keep closed what was closed and is unknown to the store: it opens by a person's word alone."""
        for server, items in before.items():
            known = self._servers[server]
            for item, held in items.items():
                if item in known.items:
                    continue
                self._closed_in = self.view
                known.shut.pop(item, None)
                if not held.open:
                    known.items[item] = held
                    known.carried.add(item)

    def contradicted(self, standings: Iterable[Standing]) -> list[ItemName]:
        """Return which items a store has open that are closed here."""
        found = []
        for standing in standings:
            known = self._servers.get(standing.id.server)
            item = standing.id.kind, standing.id.name
            held = None if known is None else known.items.get(item)
            if standing.open and known is not None and held is not None and (not held.open or item in known.shut):
                found.append((standing.id.server, *item))
        return found

    def freeze(self) -> Frozen:
        """Return what guards must know, as it is now: a snapshot is made of it beside the event loop."""
        servers = {
            name: (dict(known.items), {item: next(iter(shut)) for item, shut in known.shut.items()})
            for name, known in self._servers.items()
        }
        foreign = frozenset(name for name, known in self._servers.items() if known.foreign)
        return Frozen(self._recalled if self.generation < 0 else self.generation, self.head, servers, foreign)

    def recall(self, snapshot: Snapshot, now: float) -> None:
        """Know what the node's last snapshot says, until the store is read."""
        self.head, self._recalled = snapshot.head, snapshot.generation
        for server, surface in snapshot.servers.items():
            known = self._servers[server] = _Server(foreign=surface.foreign)
            for item, word in surface.states.items():
                last = surface.digests[item].hex()
                also = {one.hex(): True for one in surface.also.get(item, ())}
                if word == UNWRITTEN:
                    known.items[item] = Held(IS_OPEN, also, last)
                    known.shut[item] = {last: now}
                else:
                    known.items[item] = Held(word, {last: word == IS_OPEN, **also}, last)
        self.told = max(self.told, self.view)

    def guards_know(self, view: int) -> None:
        """Note that the guards of this node were told what was known in a view."""
        self.told = max(self.told, view)
