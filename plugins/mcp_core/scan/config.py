r"""How a security team sets the scanner: families and rules off, severities changed, patterns of its own.

families: {urls: off, shell: flag}            # off, flag or block, for whole families ...
rules: {secrecy.no-consent: block}            # ... and single rules, which win over their family
patterns:
  - id: acme.project-names                    # family.name; the family may be a new one
    severity: block
    message: It names an internal project.
    phrases: ["project ~2 bluebird|redwing"]  # mcp_core.scan.phrases
    regex: 'ACME-\\d{4,8}'                     # a subset that is always linear (mcp_core.scan.linear)
companions: [jira, confluence]                # servers that belong together: they may say how to use each other's tools
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_core.scan.catalog import FAMILIES, RULE_IDS
from mcp_core.scan.finding import Severity
from mcp_core.scan.linear import LinearError, check_linear
from mcp_core.scan.phrases import PhraseError, compile_phrase
from mcp_core.scan.rule import Combination, Pattern, ScanRule

OFF: Final = "off"
_LEVELS: Final = (OFF, *(severity.value for severity in Severity))
_ID: Final = re.compile(r"[a-z][a-z0-9-]{0,30}\.[a-z0-9][a-z0-9-]{0,60}")
_FIELDS: Final = frozenset({"companions", "families", "rules", "patterns"})
_PATTERN_FIELDS: Final = frozenset({"id", "severity", "message", "phrases", "regex"})
MOST_PATTERNS: Final = 200
"""Patterns that one configuration may add."""
MOST_COMPANIONS: Final = 50


class ScanConfigError(ValueError):
    """The configuration cannot be used; the message names the field and says what to write instead."""


@dataclass(frozen=True)
class ScanConfig:
    """What differs from the rules as they ship: level by family, level by rule, and rules of one's own.

    `companions` are names of servers whose tools a server may speak of as of its own.
    """

    families: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    patterns: tuple[ScanRule, ...] = ()
    companions: tuple[str, ...] = ()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ScanConfig:
        """Read the scan fields of a plugin's configuration.

        Raises:
            ScanConfigError: naming the field that cannot be used.
        """
        if not isinstance(config, Mapping):
            raise ScanConfigError("scan: write an object with families, rules, patterns and companions")
        if unknown := set(config) - _FIELDS:
            raise ScanConfigError(f"{min(map(str, unknown))!r} is not known; write {', '.join(sorted(_FIELDS))}")
        patterns = config.get("patterns") or ()  # Kong's JSON writes an empty list as an empty object
        if not isinstance(patterns, list | tuple) or len(patterns) > MOST_PATTERNS:
            raise ScanConfigError(f"patterns: write a list of at most {MOST_PATTERNS} patterns")
        own = tuple(_pattern(value, f"patterns[{number}]") for number, value in enumerate(patterns))
        if len({rule.id for rule in own}) != len(own):
            raise ScanConfigError("patterns: two of them have the same id")
        families = _levels(config.get("families"), "families", FAMILIES | {rule.family for rule in own})
        rules = _levels(config.get("rules"), "rules", RULE_IDS | {rule.id for rule in own})
        return cls(families, rules, own, _companions(config.get("companions") or ()))

    def severity(self, rule: ScanRule | Combination) -> Severity | None:
        """Return what a rule weighs under this configuration; None where it is off, or a weak signal."""
        level = self.rules.get(rule.id) or self.families.get(rule.family)
        if level is None or (rule.severity is None and level != OFF):
            return rule.severity
        return None if level == OFF else Severity(level)

    def is_off(self, rule: ScanRule | Combination) -> bool:
        """Return whether a rule is switched off, as a signal of combinations too."""
        return (self.rules.get(rule.id) or self.families.get(rule.family)) == OFF


def _companions(value: Any) -> tuple[str, ...]:
    named = isinstance(value, list | tuple) and len(value) <= MOST_COMPANIONS
    if not named or not all(isinstance(one, str) and 1 <= len(one) <= 100 for one in value):
        raise ScanConfigError(f"companions: write a list of at most {MOST_COMPANIONS} names of servers")
    return tuple(value)


def _levels(value: Any, where: str, known: frozenset[str] | set[str]) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ScanConfigError(f"{where}: write an object of names and {', '.join(_LEVELS)}")
    for name, level in value.items():
        if name not in known:
            raise ScanConfigError(f"{where}: {str(name)[:80]!r} is not known; there are {', '.join(sorted(known))}")
        if level not in _LEVELS and level is not False:  # YAML reads a bare off as false
            raise ScanConfigError(f"{where}.{name}: write one of {', '.join(_LEVELS)}")
    return {name: OFF if level is False else level for name, level in value.items()}


def _pattern(value: Any, where: str) -> ScanRule:
    if not isinstance(value, Mapping):
        raise ScanConfigError(f"{where}: write an object with {', '.join(sorted(_PATTERN_FIELDS))}")
    if unknown := set(value) - _PATTERN_FIELDS:
        raise ScanConfigError(
            f"{where}: {min(map(str, unknown))!r} is not known; write {', '.join(sorted(_PATTERN_FIELDS))}"
        )
    id_, severity = value.get("id"), value.get("severity", Severity.FLAG.value)
    if not isinstance(id_, str) or not _ID.fullmatch(id_) or id_ in RULE_IDS:
        raise ScanConfigError(f"{where}.id: write family.name in lower case, other than the ids that exist")
    if severity not in (Severity.FLAG.value, Severity.BLOCK.value):
        raise ScanConfigError(f"{where}.severity: write flag or block")
    message = value.get("message", "It holds a pattern that this gateway's operators look for.")
    if not isinstance(message, str) or not 10 <= len(message) <= 300 or not message.isprintable():
        raise ScanConfigError(f"{where}.message: write a sentence of 10 to 300 characters")
    phrases, regex = value.get("phrases") or (), value.get("regex")
    if not isinstance(phrases, list | tuple) or not all(isinstance(one, str) for one in phrases):
        raise ScanConfigError(f"{where}.phrases: write a list of phrases")
    if not phrases and regex is None:
        raise ScanConfigError(f"{where}: write phrases, a regex, or both")
    try:
        for phrase in phrases:
            compile_phrase(phrase)
    except PhraseError as error:
        raise ScanConfigError(f"{where}.phrases: {error}") from None
    try:
        patterns = () if regex is None else (Pattern(check_linear(regex)),)
    except LinearError as error:
        raise ScanConfigError(f"{where}.regex: {error}") from None
    return ScanRule(id_, Severity(severity), message, tuple(phrases), patterns)
