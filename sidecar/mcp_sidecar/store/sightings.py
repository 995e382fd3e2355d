"""What is seen of a server, and how it is scanned: as one surface, by its own settings, beside all other tools."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from mcp_core.pins.canonical import digest
from mcp_core.scan import Finding, ItemKind, Report, ScanConfig, Scanner, Severity, ToolNames
from mcp_core.scan.structure import COLLISION
from mcp_sidecar.store.tables import Known, Version

AS_SHIPPED: Final = "{}"
"""The scanner's settings of a server whose guards say nothing of them, as canonical JSON."""

Reports: TypeAlias = Mapping[tuple[ItemKind, str, str], Report]
"""Kind, name and digest of a version -> what was found in it."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """An item as a server sent it: `digest` is that of `item`."""

    kind: ItemKind
    name: str
    digest: str
    item: Mapping[str, Any]

    @classmethod
    def of(cls, kind: ItemKind, name: str, item: Mapping[str, Any]) -> Sighting:
        """Return the sighting of an item. Raises ValueError for one that has no canonical text."""
        return cls(kind, name, digest(item), item)

    @classmethod
    def again(cls, version: Version) -> Sighting:
        """Return the sighting that was written down as a version."""
        return cls(ItemKind(version.kind), version.name, version.digest, json.loads(version.content))


@lru_cache(maxsize=16)
def scanner_of(settings: str) -> Scanner:
    """Return the scanner that some settings make.

    Raises:
        ScanConfigError: they cannot be used: another release's guard wrote them.
    """
    return Scanner(ScanConfig.from_config(json.loads(settings)))


def settings_of(session: Session, server: str) -> str:
    """Return the scanner's settings that hold for a server, as canonical JSON."""
    known = session.get(Known, server)
    return AS_SHIPPED if known is None else known.scan


def weighty(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that make an item wait.

    That two servers have a tool of one name is ordinary, and only written down, unless the team set it to block.
    """
    return tuple(one for one in findings if one.rule != COLLISION.id or one.severity is Severity.BLOCK)


class Neighbourhood:
    """What a server's items are scanned beside: the names of its other tools, now and before, and of others' tools."""

    def __init__(self, session: Session, server: str, seen: Iterable[Sighting]) -> None:
        self._server = server
        own = {one.name for one in seen if one.kind is ItemKind.TOOL}
        others: defaultdict[str, set[str]] = defaultdict(set)
        tools = select(Version.server, Version.name).where(Version.kind == ItemKind.TOOL.value).distinct()
        for whose, name in session.execute(tools):
            (own if whose == server else others[whose]).add(name)
        self._own = frozenset(own)
        self._names = ToolNames({whose: frozenset(names) for whose, names in others.items()})

    def scan(self, scanner: Scanner, sightings: Iterable[Sighting]) -> Reports:
        """Scan items as one surface."""
        surface: dict[str, Any] = {ItemKind.TOOL.value: []}
        first: dict[tuple[ItemKind, str], str] = {}
        reports: dict[tuple[ItemKind, str, str], Report] = {}
        for one in sightings:
            if first.setdefault((one.kind, one.name), one.digest) != one.digest:
                # Two versions of one item: each is read for itself.
                reports.update(self.scan(scanner, [one]))
            elif one.kind is ItemKind.INSTRUCTIONS:
                surface[one.kind.value] = one.item[one.kind.value]
            else:
                surface.setdefault(one.kind.value, []).append(one.item)
        beside = self._own - {name for kind, name in first if kind is ItemKind.TOOL}
        surface[ItemKind.TOOL.value] += [{"name": name} for name in sorted(beside)]
        scanned = scanner.scan_beside(surface, self._server, self._names)
        for (kind, name), seen in first.items():
            reports[kind, name, seen] = scanned.get((kind, name), Report())
        return reports
