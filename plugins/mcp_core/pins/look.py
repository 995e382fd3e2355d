"""Reading a server's whole surface, sans-IO: questions out, results in, items at the end."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeAlias

from mcp_core.conversation import Ask, read_lists
from mcp_core.methods import SURFACE_KEYS
from mcp_core.scan.items import ItemKind

Found: TypeAlias = tuple[ItemKind, str, dict[str, Any]]
"""Kind, name and content of an item."""


def read_surface(introduction: Mapping[str, Any]) -> Generator[Ask, Mapping[str, Any] | None, list[Found]]:
    """Ask for every list that a server says it has, page by page.

    `introduction` is the result of initialize or server/discover. Each question is answered with its result, or with
    None where there is none; the generator returns what was found. Items without a name are left out: no agent is shown
    them either.
    """
    found: list[Found] = []
    instructions = introduction.get("instructions")
    if isinstance(instructions, str):
        found.append((ItemKind.INSTRUCTIONS, "", {ItemKind.INSTRUCTIONS.value: instructions}))
    lists = yield from read_lists(introduction)
    for key, items in lists.items.items():
        named = SURFACE_KEYS[key][1]
        found += [
            (ItemKind(key), item[named], item)
            for item in items
            if isinstance(item, dict) and isinstance(item.get(named), str)
        ]
    return found
