"""What only shows between items and servers: tools of one name, and text about the tools of another server."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from mcp_core.scan import structure
from mcp_core.scan.characters import folded
from mcp_core.scan.config import ScanConfig
from mcp_core.scan.excerpt import escaped, excerpt
from mcp_core.scan.finding import Finding, Report
from mcp_core.scan.items import Item, ItemKind, name_of, path_text
from mcp_core.scan.names import snake
from mcp_core.scan.reader import ItemReading
from mcp_core.scan.rule import ScanRule

See: TypeAlias = Callable[[ItemKind, Item, Container[str]], ItemReading]

MOST_ALIKE: Final = 50_000
"""Tools of one server whose names are compared by what they look like: no server can use up the memory for all."""
_ALIKE_EACH: Final = 2
"""Names of one server that look the same and are kept: one of two is another one than any that is compared."""

_LISTS: Final = (ItemKind.TOOL, ItemKind.PROMPT, ItemKind.RESOURCE, ItemKind.TEMPLATE, ItemKind.SKILL, ItemKind.FILE)
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

_ORDERING: Final = frozenset(
    {
        "arguments.obliged",
        "arguments.redirected",
        "arguments.tampering",
        "duties.act",
        "duties.afterwards",
        "duties.behind-the-back",
        "duties.instead",
        "duties.news-of-a-tool",
        "precondition.named-tool",
        "precondition.other-tools-effect",
    }
)
"""Weak signals that are orders where the tool that is named is another server's."""


_CALL: Final = 20
"""Characters before a name within which a word for its call ends."""
_CLAUSE: Final = 240
"""Characters around a name within which its sentence is looked for."""
_STOPS: Final = re.compile(r"[.!?;](?=\s|$)|\n[ \t]{0,20}[\n*>#-]")
_CALLING: Final = re.compile(
    r"(?:\b(?:call|calls|called|calling|use|using|invoke|invoking|run|running|execute|executing|trigger|before|after|via)"
    r"(?: the)?|\bthe) [`'\"]?$",
    re.IGNORECASE,
)
_QUOTED: Final = re.compile(r"[`'\"]")
_CALLED_TOOL: Final = re.compile(r"[`'\"]? (?:tool|function)\b", re.IGNORECASE)
_ORDER: Final = re.compile(
    r"\b(?:must|shall|should|always|never|before|after|afterwards|whenever|once|when|if|unless|until|every|each|needs?|"
    r"mandatory|prerequisite|make sure|be sure to|ensure|do not|don't|instead of|now uses|"
    r"(?:is|are) required|(?:has|have|is|are) to|[a-z_]{2,30}=\S|"
    r"(?:set|added|copied|forwarded|passed|sent|written|changed|appended) (?:to|as|with|by)|"
    r"deprecated|disabled|unavailable|upgraded|optimi[sz]ed|enhanced|replaced?|replaces|overrides?|redirects?)\b",
    re.IGNORECASE,
)
"""Words of orders, and of news about a tool: of a stranger's tool there is no honest need for either."""
_COMPARED: Final = re.compile(
    r"\b(?:see|see also|like|unlike|cf\.?|similar to|alternative to|compared? (?:to|with)|comparable to|in contrast to|"
    r"(?:complement|counterpart|equivalent|analogous|identical) (?:of|to)|the same (?:as|format as|shape as|fields as)|"
    r"same as|as in|inspired by|modell?ed (?:on|after)|compatible with|differs from|different from|"
    r"distinct from|confused with)"
    r"(?: (?:the|its|a|an|our|their|your))?(?: [\w.@/'-]{1,40}){0,2}[ `'\"(.:/]{0,3}$",
    re.IGNORECASE,
)
"""What ends where a tool is named that is compared with this one: an honest text has no more to say of a stranger's."""
_COMPARED_REACH: Final = 120
"""Characters before a name within which it is compared."""
_ENTRY: Final = re.compile(r"(?:^|\n)[ \t]{0,20}(?:[-*\u2022]|\d{1,3}[.)])[ \t]{1,4}['\"`*]{0,3}$")
_AS: Final = re.compile(r"\bas (?:the )?[`'\"]?$", re.IGNORECASE)
_DOES: Final = re.compile(r"[`'\"]?(?: tool)? (?:does|do|did)\b", re.IGNORECASE)
_LISTED: Final = re.compile(r"['\"`]?,\s{0,20}['\"`]?$")
_LISTED_ON: Final = re.compile(r"['\"`]?(?:,|\s?[\])}])")
_BETWEEN: Final = ((_AS, _DOES), (_LISTED, _LISTED_ON))
"""What stands before and behind a name that is compared, or is one of a list of values."""


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


class Either:
    """What is in one of two: a union that is never built, for it would be built for every item."""

    __slots__ = ("_first", "_second")

    def __init__(self, first: Container[str], second: Container[str]) -> None:
        self._first = first
        self._second = second

    def __contains__(self, name: object) -> bool:
        """Return whether either holds the name."""
        return name in self._first or name in self._second


def scan_surface(
    config: ScanConfig, see: See, surface: Mapping[str, Any], foreign: frozenset[str]
) -> dict[tuple[ItemKind, str], Report]:
    """Return a report for every item; items of one name are reported together."""
    return _scan(config, see, surface, siblings_of(tool_names(surface)), foreign.__contains__)


def _scan(
    config: ScanConfig,
    see: See,
    surface: Mapping[str, Any],
    siblings: Container[str],
    is_foreign: Callable[[str], bool],
) -> dict[tuple[ItemKind, str], Report]:
    reports: dict[tuple[ItemKind, str], Report] = {}
    for kind, item in items(surface):
        sight = see(kind, item, siblings)
        report = Report.of((*sight.findings, *_foreign(config, sight, siblings, is_foreign)))
        key = (kind, name_of(kind, item) if kind is not ItemKind.INSTRUCTIONS else "")
        reports[key] = reports[key] + report if key in reports else report
    return reports


def siblings_of(names: Iterable[str]) -> frozenset[str]:
    """Return names of tools as texts are read: readFile is read_file."""
    return frozenset(snake(name).lower() for name in names)


class ToolNames:
    """The names of all servers' tools, to which more may be added. What is asked of them costs the same for any number.

    Beyond MOST_ALIKE of one server, only equal names are told of.
    """

    def __init__(self, by_server: Mapping[str, Iterable[str]] | None = None) -> None:
        self._own: dict[str, set[str]] = {}
        self._siblings: dict[str, set[str]] = {}
        self._owners: dict[str, tuple[str, ...]] = {}
        self._looks: dict[str, tuple[tuple[str, str], ...]] = {}
        for server, names in (by_server or {}).items():
            self.add(server, names)

    def add(self, server: str, names: Iterable[str]) -> None:
        """Add names of a server's tools."""
        own, siblings = self._own.setdefault(server, set()), self._siblings.setdefault(server, set())
        for name in names:
            if name in own:
                continue
            own.add(name)
            siblings.add(snake(name).lower())
            self._owners[name] = (*self._owners.get(name, ()), server)
            if len(own) <= MOST_ALIKE:
                found = self._looks.get(look(name), ())
                if sum(whose == server for whose, _ in found) < _ALIKE_EACH:
                    self._looks[look(name)] = (*found, (server, name))

    def siblings(self, server: str) -> Container[str]:
        """Return the names of a server's tools, as texts are read."""
        return self._siblings.get(server, frozenset())

    def owners(self, name: str, server: str) -> set[str]:
        """Return which other servers have a tool of this name."""
        return {other for other in self._owners.get(name, ()) if other != server}

    def is_foreign(self, name: str, server: str) -> bool:
        """Return whether another server has a tool of this name."""
        return any(other != server for other in self._owners.get(name, ()))

    def alike(self, name: str, server: str) -> set[str]:
        """Return which other servers have a tool whose name is another one and looks like this one."""
        found = self._looks.get(look(name), ())
        return {other for other, theirs in found if other != server and theirs != name}


def scan_beside(
    config: ScanConfig,
    see: See,
    surface: Mapping[str, Any],
    server: str,
    names: ToolNames,
    siblings: Container[str] = frozenset(),
) -> dict[tuple[ItemKind, str], Report]:
    """Return a report for every item of a server's surface, with what only shows beside the tools of other servers.

    `siblings` are more names of the server's own tools than the surface and `names` hold, as `siblings_of` gives them.
    Tools of declared companions count as the server's own.
    """
    own = Either(siblings_of(tool_names(surface)), Either(names.siblings(server), siblings))
    for companion in config.companions:
        own = Either(own, names.siblings(companion))
    reports = _scan(config, see, surface, own, lambda name: names.is_foreign(name, server))
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


def _foreign(
    config: ScanConfig, sight: ItemReading, siblings: Container[str], is_foreign: Callable[[str], bool]
) -> Iterator[Finding]:
    for number, field in enumerate(sight.fields):
        named, read = None, 0
        for found in _TOKEN.finditer(field.text):
            name = found[0]
            if not is_foreign(name) or name == field.text or snake(name).lower() in siblings:
                continue
            telling = _is_telling(name)
            if not telling and not _is_spoken_of(field.text, found):
                continue
            sentence, end = ("", read) if found.end() <= read else _sentence(field.text, found)
            read = end
            if _ORDER.search(sentence) or (
                telling and (sight.ids & (_DIRECTING | _ORDERING) or not _is_mentioned(sight, field.text, found))
            ):
                named = structure.FOREIGN_STEERED, found
                break
            if telling and named is None:
                named = structure.FOREIGN, found
        if named is not None:
            rule, found = named
            yield from _finding(config, rule, sight.path(number), excerpt(field.text, *found.span()), f": {found[0]}.")


def _is_spoken_of(text: str, found: re.Match[str]) -> bool:
    """Return whether an everyday word stands where a tool's name does: "the search tool", "call `search`"."""
    start, end = found.span()
    if _CALLING.search(text, max(0, start - _CALL), start) is None:
        return False
    return _QUOTED.match(text, start - 1) is not None or _CALLED_TOOL.match(text, end) is not None


def _is_mentioned(sight: ItemReading, text: str, found: re.Match[str]) -> bool:
    """Return whether a name is only compared, or listed, or a value of the schema: no more is done with its tool."""
    start, end = found.span()
    before = max(0, start - _COMPARED_REACH)
    if _COMPARED.search(text, before, start) or _ENTRY.search(text, before, start):
        return True
    if any(left.search(text, before, start) and right.match(text, end) for left, right in _BETWEEN):
        return True
    return any(field.text == found[0] for field in sight.fields)


def _sentence(text: str, found: re.Match[str]) -> tuple[str, int]:
    """Return the sentence that names a tool, as far as it is near the name, and where it ends."""
    start = max(0, found.start() - _CLAUSE)
    for stop in _STOPS.finditer(text, start, found.start()):
        start = stop.end()
    stops = _STOPS.search(text, found.end(), found.end() + _CLAUSE)
    end = stops.start() if stops else min(len(text), found.end() + _CLAUSE)
    return text[start:end], end


def _collisions(config: ScanConfig, name: str, others: set[str], alike: set[str], report: Report) -> list[Finding]:
    path = path_text(ItemKind.TOOL, name, None)
    found: list[Finding] = []
    steers = any(finding.family in _STEERING for finding in report.findings)
    if others or alike:
        names = ", ".join(escaped(one) for one in sorted(others | alike))
        rule = structure.SHADOW if steers else structure.COLLISION if others else structure.LOOKALIKE
        found += _finding(config, rule, path, excerpt(name), f": {names}.")
    return found


def _finding(config: ScanConfig, rule: ScanRule, path: str, shown: str, also: str) -> Iterator[Finding]:
    severity = config.severity(rule)
    if severity is not None:
        yield Finding(rule.id, rule.family, severity, path, shown, rule.message + also)
