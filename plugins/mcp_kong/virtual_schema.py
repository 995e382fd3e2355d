"""The fields of virtual servers and their members in mcp-guard's configuration."""

from __future__ import annotations

from typing import Any, Final

from mcp_core.virtual import MOST_TOKENS, BudgetMode, Prefix
from mcp_kong.acting import Deputies
from mcp_kong.schema_parts import names

VIRTUAL: Final[list[dict[str, Any]]] = [
    {
        "members": names(
            "Names of the servers that this virtual server offers as one. The sidecar asks each of them for whoever "
            "calls, and the guard of each decides by its own policy."
        )
    },
    {
        "prefix": {
            "type": "string",
            "one_of": [one.value for one in Prefix],
            "description": "For virtual servers: whether names of tools and prompts begin with that of their member. "
            "when-needed, the default: where two members have one name; always; never: the first member's counts.",
        }
    },
    {
        "budget": {
            "type": "record",
            "description": "For virtual servers: how many tokens the tools of a list may take, by an estimate.",
            "fields": [
                {
                    "tokens": {
                        "type": "integer",
                        "between": [0, MOST_TOKENS],
                        "description": "Tokens that all tools of a list may take together.",
                    }
                },
                {
                    "mode": {
                        "type": "string",
                        "one_of": [one.value for one in BudgetMode],
                        "description": "full lists everything; filtered lists as many tools as fit; search lists three "
                        "that find, describe and call the others; auto, the default: full where all fits, else search.",
                    }
                },
                {"pinned": names("Tools that come first where not all fit, by their names on the virtual server.")},
            ],
        }
    },
    {
        "deputies": {
            "type": "string",
            "one_of": [one.value for one in Deputies],
            "description": "Whether this route is the sidecar's, for members of virtual servers: for-known and "
            "for-anyone take nothing but its signed word for whom it asks. nobody by default: such words are refused.",
        }
    },
]
