"""The three tools by which an agent finds, reads and calls all others, where a list would hold too much.

Their texts and schemas are the same bytes at every request, so that caches of prompts hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mcp_core.virtual import CALL, DESCRIBE, FIND

MOST_FOUND: Final = 20
"""Tools that one answer of find_tools names."""
MOST_NAMED: Final = 40
"""Members that the text of find_tools names."""


def tools(members: Sequence[str]) -> list[dict[str, Any]]:
    """Return the three, for a virtual server with these members."""
    named = ", ".join(members[:MOST_NAMED]) + (", ..." if len(members) > MOST_NAMED else "")
    reads = {"readOnlyHint": True}
    return [
        {
            "name": FIND,
            "title": "Find tools",
            "description": f"Find tools that are not listed, by what you want to do. There are tools of: {named}. "
            "Look here before you say that something cannot be done.",
            "inputSchema": _schema(
                {
                    "query": _text("What you want to do, in a few words."),
                    "limit": {"type": "integer", "minimum": 1, "maximum": MOST_FOUND, "default": 5},
                },
                "query",
            ),
            "annotations": reads,
        },
        {
            "name": DESCRIBE,
            "title": "Describe a tool",
            "description": f"Read a tool's full description and input schema, by the name that {FIND} gave.",
            "inputSchema": _schema({"name": _text("The tool's name.")}, "name"),
            "annotations": reads,
        },
        {
            "name": CALL,
            "title": "Call a tool",
            "description": f"Call a tool that {FIND} named, with arguments that fit its input schema.",
            "inputSchema": _schema(
                {
                    "name": _text("The tool's name."),
                    "arguments": {"type": "object", "description": "Its arguments, an object."},
                },
                "name",
            ),
        },
    ]


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _schema(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
