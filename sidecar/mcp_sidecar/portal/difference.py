"""How two versions of an item differ, line by line, as a person reads JSON: long texts a sentence a line."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from mcp_core.pins.canonical import field_digests
from mcp_core.pins.states import changed_fields
from mcp_sidecar.portal.shown import Piece, plain

MOST_LINES: Final = 400
_MOST_COMPARED: Final = 4000
"""Lines of each version that are compared: more than that takes seconds."""
_LONGEST: Final = 1000
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|\n")

Lines: TypeAlias = list[tuple[str, tuple[Piece, ...]]]
"""What a line is (add, take, keep or place), and its pieces."""


def lines(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Lines, Sequence[str]]:
    """Return the lines that differ with two around them, and the members that changed."""
    old, new = _written(before), _written(after)
    found: Lines = []
    for line in difflib.unified_diff(old[:_MOST_COMPARED], new[:_MOST_COMPARED], "", "", lineterm="", n=2):
        if line.startswith(("---", "+++")):
            continue
        if len(found) == MOST_LINES:
            found.append(("place", (Piece("There is more than is shown here."),)))
            break
        sort = {"+": "add", "-": "take", "@": "place"}.get(line[0], "keep")
        found.append(("place", (Piece("..."),)) if sort == "place" else (sort, plain(line, _LONGEST)))
    if max(len(old), len(new)) > _MOST_COMPARED:
        found.append(("place", (Piece("The end of it is too long to be compared."),)))
    return found, tuple(changed_fields(field_digests(before), after)) if before else ()


def _written(item: Mapping[str, Any]) -> list[str]:
    return [line for member in sorted(item) for line in _member(member, item[member])]


def _member(name: str, given: Any) -> Iterator[str]:
    if isinstance(given, str):
        yield f"{name}:"
        yield from (f"  {one}" for one in _SENTENCE.split(given) if one.strip())
        return
    text = json.dumps(given, indent=2, sort_keys=True, ensure_ascii=False)
    yield f"{name}: {text}" if "\n" not in text else f"{name}:"
    if "\n" in text:
        yield from (f"  {one}" for one in text.split("\n"))
