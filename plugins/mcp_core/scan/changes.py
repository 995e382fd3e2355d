"""Grading of changes: what is new in an item counts more than what its approved version already held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator
from typing import Any, Final, TypeAlias

from mcp_core.scan import changes_rules
from mcp_core.scan.config import ScanConfig
from mcp_core.scan.excerpt import excerpt
from mcp_core.scan.finding import Finding, Report, Severity
from mcp_core.scan.items import Item, ItemKind, TextField, fields, name_of, path_text
from mcp_core.scan.reader import ItemReading
from mcp_core.scan.rule import ScanRule

See: TypeAlias = Callable[[ItemKind, Item, Container[str]], ItemReading]

_STRONG: Final = frozenset(
    {
        "authority.claim",
        "authority.standing-order",
        "exfiltration.sensitive-read",
        "exfiltration.destination",
        "exfiltration.capture-site",
        "secrecy.covert",
        "secrecy.no-consent",
        "override.authority-wording",
        "shell.command",
        "shell.hijack",
        "shadowing.steers-other-tool",
        "markup.hidden",
        "markup.active",
    }
)
"""Signals of which two new ones together are more than an honest edit."""

_HARMLESS: Final = {"readOnlyHint": True, "destructiveHint": False, "openWorldHint": False, "idempotentHint": True}
"""Annotations, and the value that makes a client ask less (2025-11-25, schema, ToolAnnotations)."""


def grade(config: ScanConfig, see: See, kind: ItemKind, before: Item, after: Item) -> Report:
    """Return the findings about what changed: those of the new version that the old one lacks, and the change's own."""
    if before == after:
        return Report()
    old, new = see(kind, before, frozenset()), see(kind, after, frozenset())
    known = Counter((finding.rule, finding.excerpt) for finding in old.findings)
    found = [finding for finding in new.findings if not known[finding.rule, finding.excerpt]]
    found += _signals(config, old, new)
    name = name_of(kind, after)
    found += _differences(config, kind, name, before, after)
    return Report.of(found)


def _signals(config: ScanConfig, old: ItemReading, new: ItemReading) -> Iterator[Finding]:
    fresh = (new.ids - old.ids) & _STRONG
    if len(fresh) >= 2 and (severity := config.severity(changes_rules.NEW_SIGNALS)):
        rule = changes_rules.NEW_SIGNALS
        yield Finding(rule.id, rule.family, severity, new.path(0), ", ".join(sorted(fresh)), rule.message)


def _differences(config: ScanConfig, kind: ItemKind, name: str, before: Item, after: Item) -> Iterator[Finding]:
    texts = Counter((field.path, field.text) for field in fields(before))
    changed: list[TextField] = [field for field in fields(after) if not texts[field.path, field.text]]
    for field in changed[:8]:
        yield from _finding(config, changes_rules.TEXT, path_text(kind, name, field.path), field.text)
    if not changed:
        yield from _finding(config, changes_rules.STRUCTURE, path_text(kind, name, None), "")
    old, new = _annotations(before), _annotations(after)
    for hint, harmless in _HARMLESS.items():
        if new.get(hint) is harmless and old.get(hint) is not harmless:
            yield from _finding(config, changes_rules.HINTS, path_text(kind, name, ((None, "annotations"), hint)), hint)


def _annotations(item: Item) -> dict[str, Any]:
    value = item.get("annotations")
    return value if isinstance(value, dict) else {}


def _finding(config: ScanConfig, rule: ScanRule, path: str, text: str) -> Iterator[Finding]:
    severity: Severity | None = config.severity(rule)
    if severity is not None:
        yield Finding(rule.id, rule.family, severity, path, excerpt(text), rule.message)
