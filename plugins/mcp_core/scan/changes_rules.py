"""Rules about a change of an item."""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import BLOCK, FLAG, ScanRule

NEW_SIGNALS: Final = ScanRule("change.steers", BLOCK, "The change adds text that begins to steer the model.")
TEXT: Final = ScanRule("change.text", FLAG, "The change alters text that a model reads.")
STRUCTURE: Final = ScanRule("change.structure", FLAG, "The change alters the schema or the fields of the item.")
HINTS: Final = ScanRule("change.hints", FLAG, "The change makes the item look more harmless to clients than before.")

RULES: Final[tuple[ScanRule, ...]] = (NEW_SIGNALS, TEXT, STRUCTURE, HINTS)
