"""One server as one viewer may see it. What no viewer asks for is not computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from mcp_core.extensions import kind_of
from mcp_core.methods import Kind
from mcp_core.pins.states import OPEN, Pinning
from mcp_core.policy import View
from mcp_core.scan import ItemKind
from mcp_core.servers import McpServer
from mcp_sidecar.catalog.known import CatalogItem, KnownServer, LastLook, ServerVersion, offered_of, versions_of

RULED_AS: Final[Mapping[ItemKind, Kind]] = {
    ItemKind.TOOL: Kind.TOOL,
    ItemKind.PROMPT: Kind.PROMPT,
    ItemKind.RESOURCE: Kind.RESOURCE,
    ItemKind.TEMPLATE: Kind.RESOURCE,
    ItemKind.SKILL: Kind.SKILL,
    ItemKind.FILE: Kind.RESOURCE,
}
"""By which globs of a policy an item is ruled. Instructions are by none: they go with the server."""


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """How a server does: how many replicas are probed and well, and why its breaker is open ("" where it is not)."""

    probed: int = 0
    well: int = 0
    closed: str = ""

    @property
    def word(self) -> str:
        """One word for people: well, partly, ill, closed, or unknown where nobody probes."""
        if self.closed:
            return "closed"
        if not self.probed:
            return "unknown"
        return "well" if self.well == self.probed else "partly" if self.well else "ill"


class CatalogEntry:
    """One server. `manages` says that the viewer sees all of it: its owner, and whoever may read everything."""

    __slots__ = ("_health", "_items", "_known", "_offered", "_view", "changed_at", "manages", "record")

    def __init__(
        self,
        record: McpServer,
        view: View,
        known: Callable[[str], KnownServer],
        health: Callable[[str], ServerHealth],
        *,
        manages: bool,
        changed_at: int,
    ) -> None:
        self.record = record
        self.manages = manages
        self.changed_at = changed_at
        """When the record itself changed last (Unix milliseconds)."""
        self._view = view
        self._known = known
        self._health = health
        self._items: tuple[KnownServer, int, tuple[CatalogItem, ...]] | None = None
        self._offered: tuple[KnownServer, int, tuple[ServerVersion, ...]] | None = None

    @property
    def name(self) -> str:
        """The server's name."""
        return self.record.name

    @property
    def title(self) -> str:
        """What people call it."""
        return self.record.title or self.record.name

    @property
    def health(self) -> ServerHealth:
        """How it does now."""
        return self._health(self.record.name)

    @property
    def look(self) -> LastLook:
        """When it was looked at last, and how that ended."""
        return self._known(self.record.name).look

    @property
    def stamp(self) -> tuple[KnownServer, int, LastLook]:
        """What is another one whenever anything may be said otherwise of the server, but for its health."""
        known = self._known(self.record.name)
        return known, known.revision, known.look

    @property
    def offered(self) -> tuple[ServerVersion, ...]:
        """The versions of what was ever offered of the items that the viewer may see, the last one first.

        They say nothing of other items, not even that one of them changed.
        """
        known = self._known(self.record.name)
        if self._offered is None or self._offered[0] is not known or self._offered[1] != known.revision:
            self._offered = known, known.revision, self._offer(known)
        return self._offered[2]

    def _offer(self, known: KnownServer) -> tuple[ServerVersion, ...]:
        allowed = [standing for name, standing in known.standings.items() if self.manages or self.allows(*name)]
        # Where nothing is hidden, all viewers share what was worked out once.
        return known.versions if len(allowed) == len(known.standings) else offered_of(allowed)

    @property
    def version(self) -> str:
        """The version that its team gave it, else that of what it offers; 0.0.0 where nothing was seen yet."""
        return self.record.version or (self.offered[0].version if self.offered else "0.0.0")

    @property
    def updated_at(self) -> int:
        """When the record, or what the viewer is offered, changed last (Unix milliseconds)."""
        return max(self.changed_at, self.offered[0].at if self.offered else 0)

    @property
    def began_at(self) -> int:
        """When anything was heard of it first (Unix milliseconds)."""
        began = self._known(self.record.name).began
        return self.changed_at if began is None else began

    @property
    def policy(self) -> Mapping[str, Any] | None:
        """The server's policy, for who manages it."""
        return self.record.policy if self.manages else None

    @property
    def items(self) -> tuple[CatalogItem, ...]:
        """The items that the viewer may see, by kind and name."""
        known = self._known(self.record.name)
        if self._items is None or self._items[0] is not known or self._items[1] != known.revision:
            found = (self._judged(item) for item in known.items(enforces=self._enforces).values())
            self._items = known, known.revision, tuple(item for item in found if item is not None)
        return self._items[2]

    def item(self, kind: ItemKind, name: str) -> CatalogItem | None:
        """Return one item; None for what the viewer may not see as for what does not exist."""
        found = self._known(self.record.name).items(enforces=self._enforces).get((kind, name))
        return None if found is None else self._judged(found)

    def count(self, kind: ItemKind = ItemKind.TOOL) -> int:
        """Return how many items of a kind the viewer may see."""
        return sum(item.kind is kind for item in self.items)

    @property
    def states(self) -> Counter[str]:
        """How many of the items that the viewer may see stand how."""
        return Counter(item.state for item in self.items)

    @property
    def rules(self) -> Counter[str]:
        """What the scanner found in the versions that are shown, as far as the viewer may see them: rule -> items."""
        return Counter(rule for item in self.items for rule in item.shown.rules)

    @property
    def versions(self) -> tuple[ServerVersion, ...]:
        """The versions over time of what the viewer may see, the last one first."""
        known = self._known(self.record.name)
        if self.manages:
            return versions_of(seen for standing in known.standings.values() for seen in standing.versions)
        allowed = (one for name, one in known.standings.items() if self.allows(*name))
        return versions_of(
            seen for standing in allowed for seen in standing.versions if not self._enforces or seen.state in OPEN
        )

    def allows(self, kind: ItemKind, name: str) -> bool:
        """Return whether the policy lets the viewer's own principal see and use an item."""
        ruled = RULED_AS.get(kind)
        if ruled is None:
            return kind is ItemKind.INSTRUCTIONS
        return self._view.allows(kind_of(name) if ruled is Kind.RESOURCE else ruled, name)

    @property
    def _enforces(self) -> bool:
        return self.record.pins is Pinning.ENFORCE

    def _judged(self, item: CatalogItem) -> CatalogItem | None:
        """Return an item as the viewer may see it, which most are as for everybody; None for one that they may not."""
        if item.usable and not self.allows(item.kind, item.name):
            return replace(item, usable=False) if self.manages else None
        return item if self.manages or item.usable else None
