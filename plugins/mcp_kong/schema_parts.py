"""Pieces that several parts of the guard's schema are made of."""

from __future__ import annotations

from typing import Any, Final

GLOB: Final = "`*` stands for any run of characters; everything else is compared exactly."


def names(description: str) -> dict[str, Any]:
    """Return a list of non-empty strings, empty by default."""
    element = {"type": "string", "len_min": 1}
    return {"type": "array", "elements": element, "required": True, "default": [], "description": description}
