"""The catalog: every server that is listed or was heard of, for whoever asks, as far as they may see it.

It is built once, kept in memory, and brought up to date by what changed in the store and in the servers file. What a
viewer may see is one question (`Catalog.entry`), and a server that they may not see is as one that does not exist.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import anyio
import anyio.to_thread
import structlog

from mcp_core.errand import Address
from mcp_core.methods import Kind
from mcp_core.policy import Policy, PolicyError
from mcp_core.scan import ItemKind
from mcp_core.servers import McpServer
from mcp_sidecar.catalog.entry import CatalogEntry, ServerHealth
from mcp_sidecar.catalog.known import GONE_MS, CatalogItem, KnownItems, ServerVersion
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.store import Store
from mcp_sidecar.surface.viewers import Permission, Viewer

DATES_SECONDS: Final = 60.0
"""How often it is read what servers no longer offer."""
LOOKS_SECONDS: Final = 5.0
"""How often it is read how looks ended."""
MOST_VIEWERS: Final = 256
"""Viewers whose list of servers is kept, and lists."""

_T = TypeVar("_T")
_CLOSED: Final = Policy({})


@dataclass(frozen=True, slots=True)
class _Table:
    """All records of one moment, with the policy of each, and when each changed last (Unix milliseconds)."""

    records: Mapping[str, McpServer] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)
    removed: Mapping[str, tuple[McpServer, int]] = field(default_factory=dict)
    """Servers that were listed since the start and are no more, and when that was found."""

    def standing(self, viewer: Viewer) -> Hashable:
        """Return what is equal for viewers who see all servers, and all of them, alike."""
        # By identity: servers with the same policy share it, and a policy keeps its views.
        policies = {id(policy): policy for policy in self.policies.values()}.values()
        owned = frozenset(owner for owner in {record.owner for record in self.records.values()} if viewer.owns(owner))
        return Permission.READ in viewer.may, owned, tuple(policy.view(viewer.principal) for policy in policies)


@dataclass(frozen=True, slots=True, eq=False)
class ShownServers:
    """The servers that somebody may see, by name: one value for all who may see the same of the same servers."""

    by_name: Mapping[str, CatalogEntry]


class ServerList(Protocol):
    """The servers that are declared: surface.listed.ListedServers, or files on a command line."""

    all: Mapping[str, McpServer]
    changed_at: int

    @property
    def names(self) -> set[str]:
        """The names of all servers."""

    def address(self, name: str) -> Address | None:
        """Return where a server is, as far as it is said."""

    def refresh(self) -> None:
        """Read the list again where it changed."""


class AskedStore(Protocol):
    """A store, as surface.surfaces.Surfaces asks it: `generation` is that of the last reading."""

    @property
    def generation(self) -> int:
        """The generation that is known."""

    async def ask(self, question: Callable[[Store], _T]) -> _T:
        """Ask the store. Raises StoreError."""


class Catalog:
    """All servers. `health` says how a server does; without `surfaces` nothing is known of items."""

    def __init__(
        self,
        listed: ServerList,
        surfaces: AskedStore | None,
        health: Callable[[str], ServerHealth] = lambda _server: ServerHealth(),
    ) -> None:
        self._listed = listed
        self._surfaces = surfaces
        self._health = health
        self._known = KnownItems()
        self._policies: dict[str, Policy] = {}
        self._table = _Table()
        self._made_of: tuple[object, int] | None = None
        self._lists: dict[Viewer, tuple[_Table, ShownServers]] = {}
        self._shared: tuple[_Table, dict[Hashable, ShownServers]] = self._table, {}
        self.revision = 0
        """A number that grows with every change of what anybody may be told."""

    def entries(self, viewer: Viewer) -> Sequence[CatalogEntry]:
        """Return all servers that somebody may see, by name."""
        return tuple(self.shown(viewer).by_name.values())

    def entry(self, viewer: Viewer, name: str) -> CatalogEntry | None:
        """Return one server; None for one that the viewer may not see, as for one that does not exist."""
        return self.shown(viewer).by_name.get(name)

    def versions(self, viewer: Viewer, name: str) -> tuple[ServerVersion, ...] | None:
        """Return the versions over time of what somebody may see of a server, the last one first; None as `entry`."""
        found = self.entry(viewer, name)
        return None if found is None else found.versions

    async def contents(
        self, entry: CatalogEntry, items: Collection[CatalogItem] | None = None
    ) -> dict[tuple[ItemKind, str], tuple[dict[str, Any], list[dict[str, str]]]]:
        """Return what the shown versions of items say, and their findings: kind and name -> (item, findings).

        `items` are those of the entry that are wanted, None for all. The texts are the server's own, and may try
        anything. Raises StoreError.
        """
        if self._surfaces is None:
            return {}
        wanted = {catalog_item.shown.digest: catalog_item for catalog_item in (entry.items if items is None else items)}
        name = entry.name
        found = await self._surfaces.ask(lambda store: store.contents(name, list(wanted)))
        return {
            (kind, item): said
            for (kind, item, digest), said in found.items()
            if (one := wanted.get(digest)) is not None and (one.kind, one.name) == (kind, item)
        }

    async def follow(self, interval: float) -> None:
        """Keep the catalog up to date, for ever. `interval` is in seconds."""
        dated = looked = float("-inf")
        while True:
            now = anyio.current_time()
            try:
                await self._read(looks=now - looked >= LOOKS_SECONDS, dates=now - dated >= DATES_SECONDS)
                looked = now if now - looked >= LOOKS_SECONDS else looked
                dated = now if now - dated >= DATES_SECONDS else dated
            except StoreError:
                pass  # the keeper of surfaces has told of it, and what was known goes on
            except Exception:  # noqa: BLE001 - the outermost edge of a round: the next one may go better
                structlog.get_logger().exception("the catalog could not be brought up to date")
            await anyio.sleep(interval)

    async def refresh(self) -> None:
        """Bring everything up to date now. Raises StoreError."""
        await self._read(looks=True, dates=True)

    async def _read(self, *, looks: bool, dates: bool) -> None:
        try:
            if self._surfaces is not None:
                await self._read_store(self._surfaces, looks=looks, dates=dates)
        finally:
            await anyio.to_thread.run_sync(self._take_records)

    async def _read_store(self, surfaces: AskedStore, *, looks: bool, dates: bool) -> None:
        known = self._known
        since, head = known.generation, known.head
        if since < 0 or surfaces.generation != since:
            changes = await surfaces.ask(lambda store: store.changes(since, head))
            if (changes.follows or changes.accepted) and changes.generation != since:
                whole = since < 0 or not changes.follows
                if whole:  # much, and it takes the place of what others read meanwhile
                    await anyio.to_thread.run_sync(partial(known.take, changes, whole=True))
                else:
                    known.take(changes, whole=False)
                self.revision += 1
        if looks:
            known.look(await surfaces.ask(lambda store: store.servers()))
        if dates:
            known.date(await surfaces.ask(lambda store: store.gone(GONE_MS)))

    def _take_records(self) -> None:
        """Take over what is listed, where that changed. Runs in a thread: what is read meanwhile is the last table."""
        self._listed.refresh()
        made_of = self._listed.all, len(self._known.servers)
        if self._made_of is not None and made_of[0] is self._made_of[0] and made_of[1] == self._made_of[1]:
            return
        now, last, listed = time.time_ns() // 1_000_000, self._table, self._listed.all
        records = {
            name: listed.get(name) or _unlisted(name, self._listed.address(name))
            for name in {*self._listed.names, *self._known.servers}
        }
        same = {name for name, record in records.items() if record == last.records.get(name)}
        at = self._listed.changed_at or now
        self._table = _Table(
            records,
            {name: last.policies[name] if name in same else self._policy(one) for name, one in records.items()},
            {name: last.changed[name] if name in same else at for name in records},
            {
                **{name: one for name, one in last.removed.items() if name not in listed},
                **{name: (one, now) for name, one in last.records.items() if one.replicas and name not in listed},
            },
        )
        self._made_of = made_of
        self.revision += 1

    def _policy(self, record: McpServer) -> Policy:
        """Return a record's policy; servers with the same one share it. One that cannot be read opens nothing."""
        text = json.dumps(record.policy, sort_keys=True)
        if text not in self._policies:
            try:
                self._policies[text] = Policy.from_config(record.policy)
            except PolicyError as error:
                structlog.get_logger().error(
                    "a policy cannot be read: its server is shown to who manages it alone",
                    server=record.name,
                    problem=str(error),
                )
                self._policies[text] = _CLOSED
        return self._policies[text]

    def shown(self, viewer: Viewer) -> ShownServers:
        """Return the servers that somebody may see: the same value as for others who may see the same."""
        table = self._table
        kept = self._lists.get(viewer)
        if kept is None or kept[0] is not table:
            if kept is None and len(self._lists) >= MOST_VIEWERS:
                self._lists.pop(next(iter(self._lists)))
            kept = self._lists[viewer] = table, self._shown_to_all_like(viewer, table)
        return kept[1]

    def _shown_to_all_like(self, viewer: Viewer, table: _Table) -> ShownServers:
        if self._shared[0] is not table:
            self._shared = table, {}
        shared, standing = self._shared[1], table.standing(viewer)
        if standing not in shared:
            if len(shared) >= MOST_VIEWERS:
                shared.pop(next(iter(shared)))
            entries = (self._entry_of(viewer, table, table.records[name]) for name in sorted(table.records))
            shared[standing] = ShownServers({entry.name: entry for entry in entries if entry is not None})
        return shared[standing]

    def _entry_of(self, viewer: Viewer, table: _Table, record: McpServer) -> CatalogEntry | None:
        # Where a removed one is asked for, the table has what is known without its declaration: nothing.
        same = record is table.records.get(record.name)
        policy = table.policies[record.name] if same else self._policy(record)
        view = policy.view(viewer.principal)
        manages = Permission.READ in viewer.may or viewer.owns(record.owner)
        if not manages and not any(view.names(kind) for kind in Kind):
            return None
        at = table.changed[record.name] if same else table.removed[record.name][1]
        return CatalogEntry(record, view, self._known.of, self._health, manages=manages, changed_at=at)

    def removed(self, viewer: Viewer) -> Sequence[CatalogEntry]:
        """Return the servers that were listed since the start and are no more, as far as somebody might see them."""
        table, shown = self._table, self.shown(viewer).by_name
        # The store may know one yet, of which nobody but managers is told.
        gone = (record for _, (record, _) in sorted(table.removed.items()) if record.name not in shown)
        return tuple(
            catalog_entry for record in gone if (catalog_entry := self._entry_of(viewer, table, record)) is not None
        )


def _unlisted(name: str, address: Address | None) -> McpServer:
    """Return the record of a server of which nothing but its name is declared: its policy is not known here."""
    return McpServer(name, f"/{name}/mcp", address or Address(f"mcp-{name}-sessions"), ())
