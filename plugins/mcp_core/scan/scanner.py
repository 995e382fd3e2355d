"""The scanner: reads items, surfaces, inventories, changes and results by one set of rules."""

from __future__ import annotations

from collections.abc import Container, Mapping
from functools import cached_property
from typing import Any, Final, TypeAlias

from mcp_core.scan import changes, files, inventory, structure
from mcp_core.scan.config import ScanConfig
from mcp_core.scan.files_rules import NO_PROSE
from mcp_core.scan.finding import Finding, Report
from mcp_core.scan.inventory import Either, ToolNames
from mcp_core.scan.items import Item, ItemKind, TextField, TextRole, fields, name_of
from mcp_core.scan.reader import ItemReading, Reader

Surface: TypeAlias = Mapping[str, Any]
"""A server's surface: `tools`, `prompts`, `resources`, `resourceTemplates` (lists of items) and `instructions` (text),
as the results of the list methods and of initialize hold them. Missing keys are empty."""

ItemId: TypeAlias = tuple[ItemKind, str]
"""Kind and name (URI, template) of an item; the instructions are (ItemKind.INSTRUCTIONS, "")."""

_OWN_KEYS: Final = 400
"""Own names of an item that are told apart from names of other tools."""


class Scanner:
    """A configured scanner. Nothing but caches lives from call to call: share it; making one takes some 60 ms."""

    def __init__(self, config: ScanConfig | None = None) -> None:
        self.config = config or ScanConfig()
        self._surfaces = Reader(self.config, "surface")
        self._results = Reader(self.config, "result")

    def scan_item(self, kind: ItemKind, item: Item, siblings: frozenset[str] = frozenset()) -> Report:
        """Return what the rules find in one item.

        Args:
            kind: the list the item stands in. For INSTRUCTIONS the item is `{"instructions": text}`.
            item: the item's JSON values, every field of it.
            siblings: names of other tools of the same server: naming one is a hint, not a reach for another server.
        """
        return Report.of(self._see(kind, item, siblings).findings)

    def scan_surface(self, surface: Surface, foreign: frozenset[str] = frozenset()) -> dict[ItemId, Report]:
        """Return a report for every item of a server's surface; `foreign` are names of tools of other servers."""
        return inventory.scan_surface(self.config, self._see, surface, foreign)

    def scan_beside(
        self, surface: Surface, server: str, names: ToolNames, siblings: Container[str] = frozenset()
    ) -> dict[ItemId, Report]:
        """Return a report for every item of a server's surface, beside the names of all servers' tools.

        `siblings` are names of tools of the server that are neither in the surface nor in `names`.
        """
        found = inventory.scan_beside(self.config, self._see, _prose(surface), server, names, siblings)
        for item in surface.get(ItemKind.FILE.value, ()):
            found[ItemKind.FILE, name_of(ItemKind.FILE, item)] += files.report(self.config, ItemKind.FILE, item)
        return found

    def scan_inventory(self, surfaces: Mapping[str, Surface]) -> dict[str, dict[ItemId, Report]]:
        """Return server -> item -> report, with what only shows across servers: shadowing, replaced tools."""
        return inventory.scan_inventory(self.config, self._see, surfaces)

    def scan_change(self, kind: ItemKind, before: Item, after: Item) -> Report:
        """Grade a change of an item: block means that the new version goes into quarantine until it is approved."""
        read = files.readable(kind, before), files.readable(kind, after)
        return changes.grade(self.config, self._see, kind, *read)

    def scan_result(self, *texts: str) -> Report:
        """Return what the rules find in the texts of a result, each of which is read for itself."""
        read = [TextField(None, text, TextRole.PROSE, "text") for text in texts]
        return Report.of(self._results.read(ItemKind.RESULT, "", read).findings)

    def unread(self) -> Report:
        """Return what is found where the rest of a result was not read, because it is too long."""
        rule = structure.UNREAD_REST
        severity = self.config.severity(rule)
        if severity is None:
            return Report()
        return Report((Finding(rule.id, rule.family, severity, ItemKind.RESULT.value, "", rule.message),))

    def _see(self, kind: ItemKind, item: Item, siblings: Container[str] = frozenset()) -> ItemReading:
        read = fields(item)
        own = Either(_Own(read), siblings)
        sight = self._surfaces.read(kind, name_of(kind, item), read, own)
        if kind is ItemKind.FILE:
            sight.findings = [finding for finding in sight.findings if finding.rule not in NO_PROSE]
        return sight


def _prose(surface: Surface) -> Surface:
    """Return a surface with what is read of files as prose in their place."""
    listed = surface.get(ItemKind.FILE.value)
    if not listed:
        return surface
    return {**surface, ItemKind.FILE.value: [files.readable(ItemKind.FILE, one) for one in listed]}


class _Own:
    """The names of an item's own fields, gathered when the first name is asked for: few items name anything."""

    def __init__(self, read: list[TextField]) -> None:
        self._read = read

    @cached_property
    def _names(self) -> frozenset[str]:
        return inventory.siblings_of(field.text for field in self._read[:_OWN_KEYS] if field.role is TextRole.NAME)

    def __contains__(self, name: object) -> bool:
        return name in self._names
