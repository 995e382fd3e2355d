"""What stands beside the items of a list, and beside the instructions of an introduction: text that somebody may read.

A server's name, title and description, the names of its experimental capabilities, `_meta`, and members that no
revision defines: each is read by the rules for surfaces, and what they block is left out alone. A cursor is a token: it
goes back to the server as it came, and nobody else needs to read it (all revisions, server/utilities/pagination).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from mcp_core.methods import SURFACE_KEYS
from mcp_core.scan import Report, Severity, Verdict

CURSOR: Final = "nextCursor"
LONGEST_CURSOR: Final = 4096
"""Characters of a cursor: some servers write their state into it."""
SHORT_CURSOR: Final = 64
"""Characters up to which a cursor may be a word of any alphabet: some servers write the last item's name into it."""
MOST_BLANKS: Final = 3
"""Blanks of a short cursor: with more it could be a sentence."""
LARGE: Final = 16_384
"""Characters of one part that are read: honest ones have some hundred."""
MOST: Final = 131_072
"""Characters of all parts that are read."""
MOST_PARTS: Final = 500

Scan: TypeAlias = Callable[[Mapping[str, Any]], Report]
"""Returns what the rules for surfaces find in an object of JSON."""

_Part: TypeAlias = tuple[str, str | None]
"""The key of a member of a result, and that of a member of it, where it is an object."""

_INSTRUCTIONS: Final = "instructions"
_SERVER: Final = "serverInfo"
_INTRODUCES: Final = frozenset({_INSTRUCTIONS, _SERVER, "capabilities", "protocolVersion", "supportedVersions"})
_NEEDED: Final = {"name": "unnamed", "version": "0"}
"""Members of serverInfo that every revision asks for, and what stands in their place (Implementation)."""
# As JSON writes it, a blank may follow a comma or a colon.
_TOKEN: Final = re.compile(r"(?:[!-~]|(?<=[,:]) (?=[!-~]))*+")
_UNREAD: Final = "size.unread"


def is_cursor(value: Any) -> bool:
    """Return whether a value may stand for a cursor: a token, or a value that says that there is none."""
    if isinstance(value, str):
        word = len(value) <= SHORT_CURSOR and value.isprintable() and value.count(" ") <= MOST_BLANKS
        return word or (len(value) <= LONGEST_CURSOR and _TOKEN.fullmatch(value) is not None)
    return not isinstance(value, dict | list)


def govern(message: dict[str, Any], scan: Scan, *, enforce: bool) -> tuple[frozenset[str], bool] | None:
    """Read what stands beside the items of a message, and with `enforce` take out what a rule blocks, in place.

    Returns the rules that hold, those that block alone where any does, and whether anything was taken out; None where
    no rule holds.
    """
    result = message.get("result")
    if not isinstance(result, dict) or result.keys().isdisjoint(_INTRODUCES | SURFACE_KEYS.keys()):
        return None
    parts, unread = _parts(result)
    report = scan({"result": [_value(result, part) for part in parts]}) if parts else Report()
    if not unread and report.verdict is not Verdict.BLOCK:
        rules = frozenset(finding.rule for finding in report.findings)
        return (rules, False) if rules else None
    rules = frozenset(finding.rule for finding in report.findings if finding.severity is Severity.BLOCK)
    bad = []
    if rules:
        # What only holds of several together is in none of them: then all go.
        bad = [one for one in parts if scan(_value(result, one)).verdict is Verdict.BLOCK] or parts
    if enforce:
        for part in (*bad, *unread):
            _take_out(result, part)
    return rules | ({_UNREAD} if unread else frozenset()), enforce


def _parts(result: Mapping[str, Any]) -> tuple[list[_Part], list[_Part]]:
    """Return the parts that hold text, and those that are not read because they are too large, or too many."""
    read: list[_Part] = []
    unread: list[_Part] = []
    left = MOST
    for part in _all_parts(result):
        size = _size(_value(result, part))
        if size == 0:
            continue
        if size > min(LARGE, left) or len(read) >= MOST_PARTS:
            unread.append(part)
            continue
        left -= size
        read.append(part)
    return read, unread


def _all_parts(result: Mapping[str, Any]) -> Iterator[_Part]:
    for key, value in result.items():
        if key in SURFACE_KEYS or key == _INSTRUCTIONS:
            continue
        if isinstance(value, dict) and value and len(key) <= _KEY:
            yield from ((key, name) for name in value)
        else:
            yield key, None


_KEY: Final = 64
"""Characters of a key whose members are parts of their own; one that is longer could be a text, and goes as a whole."""


def _value(result: Mapping[str, Any], part: _Part) -> dict[str, Any]:
    key, name = part
    return {key: result[key] if name is None else {name: result[key][name]}}


def _size(value: Any) -> int:
    """Return how many characters of text a part holds, 0 where it holds none that a rule could be about."""
    size = 0
    text = False
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            size += len(one)
            text = True
        elif isinstance(one, dict):
            for key, inner in one.items():
                size += len(key)
                text = text or len(key) > _WORD
                stack.append(inner)
        elif isinstance(one, list):
            stack.extend(one)
    return size if text else 0


_WORD: Final = 24
"""Characters from which a key could be a sentence."""


def _take_out(result: dict[str, Any], part: _Part) -> None:
    key, name = part
    if name is None:
        result.pop(key, None)
    elif key == _SERVER and name in _NEEDED:
        result[key][name] = _NEEDED[name]
    else:
        result[key].pop(name, None)
