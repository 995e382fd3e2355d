"""Rules about an item as a whole and about what is decoded from it: encoded text, size, foreign tools."""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import BLOCK, FLAG, ScanRule

ENCODED_STEERS: Final = ScanRule("encoded.steers", BLOCK, "Decoded, it steers the model")
ENCODED_SENTENCE: Final = ScanRule("encoded.sentence", FLAG, "It holds a sentence that is encoded")
TOO_LONG: Final = ScanRule("size.unread", BLOCK, "It holds more text than is read, so nobody knows what it says.")
UNREAD_REST: Final = ScanRule(
    "size.unread-rest", BLOCK, "It is longer than what is read of one answer.", scope="result"
)
COLLISION: Final = ScanRule("inventory.name-collision", FLAG, "A tool of another server has the same name")
LOOKALIKE: Final = ScanRule(
    "inventory.look-alike-name", FLAG, "A tool of another server has a name that looks the same"
)
SHADOW: Final = ScanRule(
    "inventory.shadowing", BLOCK, "It has the name of another server's tool and text that steers the model towards it"
)
FOREIGN: Final = ScanRule("inventory.foreign-tool", FLAG, "It names a tool of another server")
FOREIGN_STEERED: Final = ScanRule(
    "inventory.foreign-tool-steered", BLOCK, "It says how a tool of another server is to be used"
)

RULES: Final[tuple[ScanRule, ...]] = (
    ENCODED_STEERS,
    ENCODED_SENTENCE,
    TOO_LONG,
    UNREAD_REST,
    COLLISION,
    LOOKALIKE,
    SHADOW,
    FOREIGN,
    FOREIGN_STEERED,
)
