"""One line on what an item makes a model do, for whoever reviews many of them.

Of a description the sentence is shown that orders most: a reviewer reads the first one anyway, and attacks in plain
words stand behind it. Which words order is a matter of what is shown first, never of what is allowed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mcp_core.scan import ItemKind, escaped

LONGEST: Final = 300
"""Characters of a summary: more fits on no screen's line."""
_READ: Final = 20_000
"""Characters of an item's texts that are looked at."""

_SENTENCE: Final = re.compile(r"(?<=[.!?:])\s+|\n+")
_ORDERS: Final = re.compile(
    r"\b(?:must|always|never|instead|before|after|first|required?|only|whenever|every|all|ensure|make sure|do not|don't"
    r"|should|need to|have to|prefer|ignore|mandatory|important|without|forward|copy|include|send|pass|best)\b",
    re.IGNORECASE,
)
_MOST_ARGUMENTS: Final = 6


def summary(kind: ItemKind, item: Mapping[str, Any]) -> str:
    """Return one line of at most LONGEST characters in ASCII, everything else escaped."""
    texts = list(_texts(kind, item))
    sentences = [one.strip() for text in texts for one in _SENTENCE.split(text) if one.strip()]
    # The first of those that order most; where none does, the first one.
    most = max(sentences, key=lambda sentence: len(_ORDERS.findall(sentence)), default="says nothing of itself")
    whole = _line(texts[0]) if texts else ""
    said = whole if len(whole) <= LONGEST and _line(most) in whole else f"{_line(most)} | {whole}"
    line = f"{_asks(item)}{said}" if kind is ItemKind.TOOL else said
    shown = escaped(line.removesuffix(" | "))
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 3]}..."


def _line(text: str) -> str:
    return " ".join(text.split())


def _asks(item: Mapping[str, Any]) -> str:
    """Return which arguments a tool has a model fill in: required ones are marked."""
    schema = item.get("inputSchema")
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping) or not isinstance(schema, Mapping) or not properties:
        return ""
    required = schema.get("required")
    needed = set(map(str, required)) if isinstance(required, list) else set()
    names = [f"{str(name)[:24]}{'*' if name in needed else ''}" for name in list(properties)[:_MOST_ARGUMENTS]]
    more = ["..."] if len(properties) > _MOST_ARGUMENTS else []
    return f"({', '.join([*names, *more])}) "


def _texts(kind: ItemKind, item: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts that a model reads: the description first, then all else that could hold a sentence."""
    left = _READ
    first = item.get(kind.value) if kind is ItemKind.INSTRUCTIONS else item.get("description")
    if isinstance(first, str):
        yield first[:left]
        left -= len(first)
    stack: list[Any] = [value for key, value in item.items() if key not in ("name", "uri", "description")]
    while stack and left > 0:
        one = stack.pop(0)
        if isinstance(one, str):
            if " " in one:
                yield one[:left]
                left -= len(one)
        elif isinstance(one, Mapping):
            stack.extend(one.values())
        elif isinstance(one, list):
            stack.extend(one)


def difference(fields: tuple[str, ...], before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return in one line how a version differs from the open one: which members, and the words that are new."""
    if not before:
        return "new"
    words: list[str] = []
    for name in fields:
        known = set(_words(before.get(name)))
        words += [word for word in _words(after.get(name)) if word not in known]
    gone = "" if words else " (only less)"
    shown = escaped(" ".join(words[:40]))
    return (
        f"changed {escaped(', '.join(fields))}{gone}: {shown}"
        if words
        else f"changed {escaped(', '.join(fields))}{gone}"
    )


def _words(value: Any) -> list[str]:
    if value is None:
        return []
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).split()
