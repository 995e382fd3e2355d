"""The field `constraints` of mcp-guard's configuration, as Kong's schema language has it."""

from __future__ import annotations

from typing import Any, Final

from mcp_kong.schema_parts import names

_CONSTRAINT: Final = {
    "type": "record",
    "fields": [
        {
            "tool": {
                "type": "string",
                "required": True,
                "description": "Glob of the tools that it is for, whatever case or width their names are called in.",
            }
        },
        {
            "argument": {
                "type": "array",
                "elements": {"type": "string"},
                "required": True,
                "len_min": 1,
                "description": "Keys that lead from the call's arguments to the value, outermost first.",
            }
        },
        {"one_of": names("Values that it may have, exactly. Numbers and truth values are written as JSON has them.")},
        {
            "pattern": {
                "type": "string",
                "description": "What the whole value must fit: an expression without *, + and look-around.",
            }
        },
        {"minimum": {"type": "integer", "description": "The least number that it may be."}},
        {"maximum": {"type": "integer", "description": "The greatest number that it may be."}},
        {"max_length": {"type": "integer", "description": "Characters that it may have."}},
        {
            "required": {
                "type": "boolean",
                "required": True,
                "default": False,
                "description": "Whether a call without it is refused, too.",
            }
        },
    ],
}

CONSTRAINTS: Final[dict[str, Any]] = {
    "type": "array",
    "required": True,
    "default": [],
    "elements": _CONSTRAINT,
    "description": "What single arguments of tools may say. Other calls are refused before the server hears of them, "
    "with what would be allowed. A value that is a list is held member by member.",
}
