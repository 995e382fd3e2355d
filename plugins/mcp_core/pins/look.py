"""Reading a server's whole surface, sans-IO: questions out, results in, items at the end."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any, Final, TypeAlias

from mcp_core.methods import LIST_METHODS, SURFACE_KEYS
from mcp_core.scan.items import ItemKind

Question: TypeAlias = tuple[str, dict[str, Any]]
"""A method, and its params without `_meta`."""
Found: TypeAlias = tuple[ItemKind, str, dict[str, Any]]
"""Kind, name and content of an item."""

MOST_PAGES: Final = 1000
"""Pages of one list that are read: a server may always promise another one."""
MOST_ITEMS: Final = 20_000
"""Items of one list that are read."""


def read_surface(introduction: Mapping[str, Any]) -> Generator[Question, Mapping[str, Any] | None, list[Found]]:
    """Ask for every list that a server says it has, page by page.

    `introduction` is the result of initialize or server/discover. Each question is answered with its result, or with
    None where there is none; the generator returns what was found. Items without a name are left out: no agent is shown
    them either.
    """
    found: list[Found] = []
    instructions = introduction.get("instructions")
    if isinstance(instructions, str):
        found.append((ItemKind.INSTRUCTIONS, "", {ItemKind.INSTRUCTIONS.value: instructions}))
    capabilities = introduction.get("capabilities")
    for method, key, capability in LIST_METHODS:
        if isinstance(capabilities, Mapping) and isinstance(capabilities.get(capability), Mapping):
            found += yield from _read_list(method, key)
    return found


def _read_list(method: str, key: str) -> Generator[Question, Mapping[str, Any] | None, list[Found]]:
    found: list[Found] = []
    cursors: set[str] = set()
    params: dict[str, Any] = {}
    for _ in range(MOST_PAGES):
        result = yield method, params
        if result is None:
            break
        found += _items(result.get(key), key)
        cursor = result.get("nextCursor")
        # A cursor that comes again would go on for ever.
        if not isinstance(cursor, str) or cursor in cursors or len(found) >= MOST_ITEMS:
            break
        cursors.add(cursor)
        params = {"cursor": cursor}
    return found[:MOST_ITEMS]


def _items(items: Any, key: str) -> Iterator[Found]:
    named = SURFACE_KEYS[key][1]
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and isinstance(item.get(named), str):
            yield ItemKind(key), item[named], item
