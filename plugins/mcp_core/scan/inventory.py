"""What only shows between items and servers: tools of one name, and text about the tools of another server."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from mcp_core.scan import structure
from mcp_core.scan.characters import folded
from mcp_core.scan.config import ScanConfig
from mcp_core.scan.excerpt import escaped, excerpt
from mcp_core.scan.finding import Finding, Report
from mcp_core.scan.items import Item, ItemKind, name_of, path_text
from mcp_core.scan.names import snake
from mcp_core.scan.reader import Sight
from mcp_core.scan.rule import Rule

See: TypeAlias = Callable[[ItemKind, Item, frozenset[str]], Sight]

MOST_ALIKE: Final = 50_000
"""Tools whose names are compared by what they look like: some 2 microseconds each."""

_LISTS: Final = (ItemKind.TOOL, ItemKind.PROMPT, ItemKind.RESOURCE, ItemKind.TEMPLATE)
_APART: Final = re.compile(r"[\W_]+")
_TOKEN: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[_-][A-Za-z0-9]+)*")
_STEERING: Final = frozenset(
    {"precondition", "shadowing", "arguments", "override", "secrecy", "combined", "exfiltration"}
)

_DIRECTING: Final = frozenset(
    {
        "combined.changed-in-authority",
        "combined.covert-action",
        "combined.named-tool-in-authority",
        "combined.named-tool-steered",
        "combined.precondition-destination",
        "combined.precondition-literal-call",
        "combined.precondition-sensitive",
        "combined.private-files-first",
        "combined.steers-other-tool",
        "arguments.appended-to-all",
        "arguments.replaced",
        "shadowing.replaces-tool",
    }
)
"""Rules that say more of another tool than that it may be called first, as honest hints do."""


def items(surface: Mapping[str, Any]) -> Iterator[tuple[ItemKind, Item]]:
    """Yield every item of a surface with its kind; what is no object is passed over, as it names nothing."""
    for kind in _LISTS:
        listed = surface.get(kind.value)
        for item in listed if isinstance(listed, list | tuple) else ():
            if isinstance(item, Mapping):
                yield kind, item
    if isinstance(text := surface.get(ItemKind.INSTRUCTIONS.value), str) and text:
        yield ItemKind.INSTRUCTIONS, {ItemKind.INSTRUCTIONS.value: text}


def tool_names(surface: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of a surface's tools."""
    return frozenset(name_of(kind, item) for kind, item in items(surface) if kind is ItemKind.TOOL) - {""}


def scan_surface(
    config: ScanConfig, see: See, surface: Mapping[str, Any], foreign: frozenset[str]
) -> dict[tuple[ItemKind, str], Report]:
    """Return a report for every item; items of one name are reported together."""
    siblings = frozenset(snake(name).lower() for name in tool_names(surface))
    telling = {name for name in foreign if _is_telling(name) and snake(name).lower() not in siblings}
    reports: dict[tuple[ItemKind, str], Report] = {}
    for kind, item in items(surface):
        sight = see(kind, item, siblings)
        report = Report.of((*sight.findings, *_foreign(config, sight, telling)))
        key = (kind, name_of(kind, item) if kind is not ItemKind.INSTRUCTIONS else "")
        reports[key] = reports[key] + report if key in reports else report
    return reports


class ToolNames:
    """The names of all servers' tools. Beyond MOST_ALIKE of them, only equal names are told of."""

    def __init__(self, by_server: Mapping[str, frozenset[str]]) -> None:
        self._by_server = by_server
        self._owners: dict[str, set[str]] = defaultdict(set)
        self._looks: dict[str, set[tuple[str, str]]] = defaultdict(set)
        alike = sum(map(len, by_server.values())) <= MOST_ALIKE
        for server, names in by_server.items():
            for name in names:
                self._owners[name].add(server)
                if alike:
                    self._looks[look(name)].add((server, name))

    def foreign(self, server: str) -> frozenset[str]:
        """Return the names of the tools of all other servers."""
        return frozenset().union(*(names for other, names in self._by_server.items() if other != server))

    def owners(self, name: str, server: str) -> set[str]:
        """Return which other servers have a tool of this name."""
        return self._owners.get(name, set()) - {server}

    def alike(self, name: str, server: str) -> set[str]:
        """Return which other servers have a tool whose name is another one and looks like this one."""
        found = self._looks.get(look(name), ())
        return {other for other, theirs in found if other != server and theirs != name}


def scan_beside(
    config: ScanConfig, see: See, surface: Mapping[str, Any], server: str, names: ToolNames
) -> dict[tuple[ItemKind, str], Report]:
    """Return a report for every item of a server's surface, with what only shows beside the tools of other servers."""
    reports = scan_surface(config, see, surface, names.foreign(server))
    for kind, name in list(reports):
        if kind is ItemKind.TOOL:
            others, alike = names.owners(name, server), names.alike(name, server)
            reports[kind, name] += Report.of(_collisions(config, name, others, alike, reports[kind, name]))
    return reports


def scan_inventory(
    config: ScanConfig, see: See, surfaces: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[tuple[ItemKind, str], Report]]:
    """Return server -> item -> report. The order of the servers does not matter."""
    names = ToolNames({server: tool_names(surface) for server, surface in surfaces.items()})
    return {server: scan_beside(config, see, surface, server, names) for server, surface in surfaces.items()}


def look(name: str) -> str:
    """Return what a hasty reader sees of a name: no case, no separators, look-alike letters as one."""
    return _APART.sub("", folded(name)).translate(_ALIKE)


_ALIKE: Final = str.maketrans("01i5", "olls")


def _is_telling(name: str) -> bool:
    """Return whether a name is no everyday word, so that a text which holds it speaks of the tool."""
    return len(name) >= 6 and ("_" in name or "-" in name or name != name.lower())


def _foreign(config: ScanConfig, sight: Sight, telling: set[str]) -> Iterator[Finding]:
    if not telling:
        return
    for number, field in enumerate(sight.fields):
        for found in _TOKEN.finditer(field.text):
            if found[0] in telling:
                rule = structure.FOREIGN_STEERED if sight.ids & _DIRECTING else structure.FOREIGN
                yield from _finding(
                    config, rule, sight.path(number), excerpt(field.text, *found.span()), f": {found[0]}."
                )
                break


def _collisions(config: ScanConfig, name: str, others: set[str], alike: set[str], report: Report) -> list[Finding]:
    path = path_text(ItemKind.TOOL, name, None)
    found: list[Finding] = []
    steers = any(finding.family in _STEERING for finding in report.findings)
    if others or alike:
        names = ", ".join(escaped(one) for one in sorted(others | alike))
        rule = structure.SHADOW if steers else structure.COLLISION if others else structure.LOOKALIKE
        found += _finding(config, rule, path, excerpt(name), f": {names}.")
    return found


def _finding(config: ScanConfig, rule: Rule, path: str, shown: str, also: str) -> Iterator[Finding]:
    severity = config.severity(rule)
    if severity is not None:
        yield Finding(rule.id, rule.family, severity, path, shown, rule.message + also)
