"""What is seen of a server, and how it is scanned: as one surface, by its own settings, beside all other tools."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from mcp_core.pins.canonical import canonical, digest_of
from mcp_core.pins.states import Trust
from mcp_core.scan import Finding, ItemKind, Report, ScanConfig, ScanConfigError, Scanner, Severity, ToolNames
from mcp_core.scan.structure import COLLISION
from mcp_sidecar.store.tables import ChainHead, Known, Version

AS_SHIPPED: Final = "{}"
"""The settings of a server whose guards say nothing of them, as canonical JSON: whose it is, and the scanner's."""
TRUST: Final = "trust"
"""The member of the settings that says whose server it is; all others are the scanner's."""

Reports: TypeAlias = Mapping[tuple[ItemKind, str, str], Report]
"""Kind, name and digest of a version -> what was found in it."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """An item as a server sent it: `digest` and `size` (characters) are those of its canonical text."""

    kind: ItemKind
    name: str
    digest: str
    item: Mapping[str, Any]
    size: int

    @classmethod
    def of(cls, kind: ItemKind, name: str, item: Mapping[str, Any]) -> Sighting:
        """Return the sighting of an item. Raises ValueError for one that has no canonical text."""
        text = canonical(item)
        return cls(kind, name, digest_of(text), item, len(text))

    @classmethod
    def again(cls, version: Version) -> Sighting:
        """Return the sighting that was written down as a version."""
        content = version.content
        return cls(ItemKind(version.kind), version.name, version.digest, json.loads(content), len(content))


def scanner_of(settings: str) -> Scanner:
    """Return the scanner that some settings make.

    Raises:
        ScanConfigError: they cannot be used: another release's guard wrote them.
    """
    trust_of(settings)
    scan = {name: value for name, value in json.loads(settings).items() if name != TRUST}
    return _scanner(canonical(scan))


@lru_cache(maxsize=16)
def _scanner(scan: str) -> Scanner:
    return Scanner(ScanConfig.from_config(json.loads(scan)))


def trust_of(settings: str) -> Trust | None:
    """Return whose server it is by its settings, None where they do not say. Raises ScanConfigError."""
    said = json.loads(settings).get(TRUST)
    if said is not None and said not in list(Trust):
        raise ScanConfigError(f"trust: write one of {', '.join(Trust)}")
    return None if said is None else Trust(said)


def is_foreign(settings: str) -> bool:
    """Return whether settings, another release's too, say that nothing opens without a person."""
    return bool(json.loads(settings).get(TRUST) == Trust.FOREIGN)


def new_server(server: str, generation: int, settings: str = AS_SHIPPED) -> Known:
    """Return the row of a server that is heard of for the first time."""
    return Known(name=server, looked=0, outcome="", scan=settings, generation=generation, versions=0, size=0)


def settings_of(session: Session, server: str) -> str:
    """Return the settings that hold for a server, as canonical JSON."""
    known = session.get(Known, server)
    return AS_SHIPPED if known is None else known.scan


def weighty(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that make an item wait.

    That two servers have a tool of one name is ordinary, and only written down, unless the team set it to block.
    """
    return tuple(finding for finding in findings if finding.rule != COLLISION.id or finding.severity is Severity.BLOCK)


class Tools:
    """The names of all servers' tools, as the store has them: read once, then what is new of them."""

    def __init__(self) -> None:
        self.names = ToolNames()
        self._generation = -1

    def catch_up(self, session: Session) -> None:
        """Read the names that were written since they were last read."""
        generation = session.execute(select(ChainHead.generation)).scalar_one()
        new = (Version.kind == ItemKind.TOOL.value, Version.generation > self._generation)
        by_server: defaultdict[str, set[str]] = defaultdict(set)
        for server, name in session.execute(select(Version.server, Version.name).where(*new)):
            by_server[server].add(name)
        for server, names in by_server.items():
            self.names.add(server, names)
        self._generation = generation


def scan(
    scanner: Scanner, names: ToolNames, server: str, sightings: Iterable[Sighting], siblings: Container[str] = ()
) -> Reports:
    """Scan items of a server as one surface, beside all tools.

    `siblings` are tools of the server that are not among the items and may not be in the store yet, as `siblings_of`
    gives them.
    """
    surface: dict[str, Any] = {ItemKind.TOOL.value: []}
    first: dict[tuple[ItemKind, str], str] = {}
    reports: dict[tuple[ItemKind, str, str], Report] = {}
    for sighting in sightings:
        if first.setdefault((sighting.kind, sighting.name), sighting.digest) != sighting.digest:
            # Two versions of one item: each is read for itself.
            reports.update(scan(scanner, names, server, [sighting], siblings))
        elif sighting.kind is ItemKind.INSTRUCTIONS:
            surface[sighting.kind.value] = sighting.item[sighting.kind.value]
        else:
            surface.setdefault(sighting.kind.value, []).append(sighting.item)
    scanned = scanner.scan_beside(surface, server, names, siblings)
    for (kind, name), seen in first.items():
        reports[kind, name, seen] = scanned.get((kind, name), Report())
    return reports
