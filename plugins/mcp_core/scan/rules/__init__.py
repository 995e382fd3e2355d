"""The rules that ship: one family a file."""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import ScanRule
from mcp_core.scan.rules import (
    arguments,
    authority,
    deceit,
    duties,
    exfiltration,
    languages,
    markup,
    obligations,
    override,
    precondition,
    pressure,
    results,
    secrecy,
    settings,
    shadowing,
    shell,
    tongues,
)

RULES: Final[tuple[ScanRule, ...]] = (
    *secrecy.RULES,
    *override.RULES,
    *authority.RULES,
    *precondition.RULES,
    *exfiltration.RULES,
    *arguments.RULES,
    *shell.RULES,
    *markup.RULES,
    *shadowing.RULES,
    *pressure.RULES,
    *deceit.RULES,
    *duties.RULES,
    *obligations.RULES,
    *settings.RULES,
    *results.RULES,
    *languages.RULES,
    *tongues.RULES,
)
