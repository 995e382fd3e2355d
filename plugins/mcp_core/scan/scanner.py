"""The scanner: reads items, surfaces, inventories, changes and results by one set of rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from mcp_core.scan.config import ScanConfig
from mcp_core.scan.finding import Report
from mcp_core.scan.items import Item, ItemKind

Surface: TypeAlias = Mapping[str, Any]
"""A server's surface: `tools`, `prompts`, `resources`, `resourceTemplates` (lists of items) and `instructions` (text),
as the results of the list methods and of initialize hold them. Missing keys are empty."""

ItemId: TypeAlias = tuple[ItemKind, str]
"""Kind and name (URI, template) of an item; the instructions are (ItemKind.INSTRUCTIONS, "")."""


class Scanner:
    """A configured scanner. It holds no state between calls and may be shared; making one takes milliseconds."""

    def __init__(self, config: ScanConfig | None = None) -> None:
        self.config = config or ScanConfig()

    def scan_item(self, kind: ItemKind, item: Item, siblings: frozenset[str] = frozenset()) -> Report:
        """Return what the rules find in one item.

        Args:
            kind: the list the item stands in. For INSTRUCTIONS the item is `{"instructions": text}`.
            item: the item's JSON values, every field of it.
            siblings: names of the other tools that are known to stand before the same model.
        """
        del kind, item, siblings
        return Report()

    def scan_surface(self, surface: Surface, foreign: frozenset[str] = frozenset()) -> dict[ItemId, Report]:
        """Return a report for every item of a server's surface; `foreign` are names of tools of other servers."""
        del surface, foreign
        return {}

    def scan_inventory(self, surfaces: Mapping[str, Surface]) -> dict[str, dict[ItemId, Report]]:
        """Return server -> item -> report, with what only shows across servers: shadowing, replaced tools."""
        del surfaces
        return {}

    def scan_change(self, kind: ItemKind, before: Item, after: Item) -> Report:
        """Grade a change of an item: block means that the new version goes into quarantine until somebody approves it."""
        del kind, before, after
        return Report()

    def scan_result(self, text: str) -> Report:
        """Return what the rules find in the text of a result."""
        del text
        return Report()
