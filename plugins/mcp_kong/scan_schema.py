"""The fields of mcp-guard's section `scan`, as Kong's schema language has them."""

from __future__ import annotations

from typing import Any, Final

from mcp_kong.schema_parts import names


def _levels(description: str) -> dict[str, Any]:
    values = {"type": "string", "one_of": ["off", "flag", "block"]}
    return {"type": "map", "keys": {"type": "string"}, "values": values, "description": description}


_PATTERN: Final = {
    "type": "record",
    "fields": [
        {"id": {"type": "string", "required": True, "description": "FAMILY.NAME in lower case; both may be new."}},
        {
            "severity": {
                "type": "string",
                "required": True,
                "default": "flag",
                "one_of": ["flag", "block"],
                "description": "What finding it weighs.",
            }
        },
        {"message": {"type": "string", "description": "A sentence for whoever reviews what was found."}},
        {"phrases": names("Words in a row; a|b are alternatives, ~2 stands for up to two words between.")},
        {"regex": {"type": "string", "description": "An expression without *, + and look-around."}},
    ],
}

SCAN: Final[dict[str, Any]] = {
    "type": "record",
    "description": "How the scanner of pins differs from what ships. All guards of a server must say the same.",
    "fields": [
        {"families": _levels("Families of rules to switch off, only flag, or block by.")},
        {"rules": _levels("Single rules to switch off, only flag, or block by; they win over their family.")},
        {
            "patterns": {
                "type": "array",
                "required": True,
                "default": [],
                "elements": _PATTERN,
                "description": "What to look for besides. Each has phrases, a regex, or both.",
            }
        },
        {
            "companions": names(
                "Names of servers whose tools this server may speak of as of its own, for they belong together."
            )
        },
    ],
}
