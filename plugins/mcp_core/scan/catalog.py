"""Every rule that ships, by id: what configuration may name, and what documentation and SARIF list."""

from __future__ import annotations

from typing import Final

from mcp_core.scan import changes_rules, files_rules, hidden, names, structure
from mcp_core.scan.combinations import COMBINATIONS
from mcp_core.scan.rule import Combination, ScanRule
from mcp_core.scan.rules import RULES

ALL: Final[tuple[ScanRule | Combination, ...]] = (
    *RULES,
    *hidden.RULES,
    *names.RULES,
    *structure.RULES,
    *changes_rules.RULES,
    *files_rules.RULES,
    *COMBINATIONS,
)
"""Rules about words, characters, names, structure and changes, and combinations."""

RULE_IDS: Final = frozenset(rule.id for rule in ALL)
FAMILIES: Final = frozenset(rule.family for rule in ALL)
