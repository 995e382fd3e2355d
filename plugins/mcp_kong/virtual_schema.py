"""The fields of virtual servers and their members in mcp-guard's configuration."""

from __future__ import annotations

from typing import Any, Final

from mcp_core.adaptive.flow import LEAST_WINDOW, MOST_WINDOW, FlowMode, ReadLabel, WriteLabel
from mcp_core.virtual import LEAST_OUTPUT, MOST_TOKENS, BudgetMode, Prefix
from mcp_kong.acting import Deputies
from mcp_kong.schema_parts import GLOB, names

_OF_ITEMS: Final = [
    {"tools": names(f"Globs of tools, by their names at the member. {GLOB}")},
    {"resources": names(f"Globs of URIs of resources. {GLOB}")},
    {"prompts": names(f"Globs of prompts, by their names at the member. {GLOB}")},
]
_SERVER: Final = {"server": {"type": "string", "required": True, "len_min": 1, "description": "The member's name."}}
LABELS: Final[list[dict[str, Any]]] = [
    *_OF_ITEMS,
    {
        "reads": {
            "type": "array",
            "elements": {"type": "string", "one_of": [read_label.value for read_label in ReadLabel]},
            "required": True,
            "default": [],
            "description": "What somebody reads who uses them: untrusted, text that strangers may have written; "
            "private, what must not leave the house.",
        }
    },
    {
        "writes": {
            "type": "array",
            "elements": {"type": "string", "one_of": [write_label.value for write_label in WriteLabel]},
            "required": True,
            "default": [],
            "description": "external: what they are given goes beyond the house, to other people or the network.",
        }
    },
]
"""The labels of some items of one server."""

_FLOW: Final = {
    "flow": {
        "type": "record",
        "description": "For virtual servers: who has read untrusted text and private data may not use what writes "
        "outside. Items that no label names count as all three.",
        "fields": [
            {
                "mode": {
                    "type": "string",
                    "one_of": [mode.value for mode in FlowMode],
                    "description": "enforce refuses; monitor notes what it would refuse, and lets it pass.",
                }
            },
            {
                "labels": {
                    "type": "array",
                    "elements": {"type": "record", "fields": [_SERVER, *LABELS]},
                    "required": True,
                    "default": [],
                    "description": "What items of members read and write, beside what the members' own files say.",
                }
            },
            {
                "permits": {
                    "type": "array",
                    "elements": {
                        "type": "record",
                        "fields": [
                            _SERVER,
                            *_OF_ITEMS,
                            {"consumers": names("Consumers for whom it is. With nobody named, it is for everybody.")},
                            {"groups": names("Groups for whom it is.")},
                            {"subjects": names("Subjects of tokens for whom it is.")},
                            {"clients": names("Clients of tokens for whom it is.")},
                        ],
                    },
                    "required": True,
                    "default": [],
                    "description": "What may be used whatever was read.",
                }
            },
            {
                "window": {
                    "type": "integer",
                    "between": [LEAST_WINDOW, MOST_WINDOW],
                    "description": "Seconds for which what was read counts where there are no sessions (2026-07-28): "
                    "3600 by default.",
                }
            },
            {
                "ask": {
                    "type": "boolean",
                    "description": "Whether a person is asked, by elicitation, to let a single call pass. true by "
                    "default.",
                }
            },
        ],
    }
}

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
            "one_of": [prefix.value for prefix in Prefix],
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
                        "one_of": [mode.value for mode in BudgetMode],
                        "description": "full lists everything; filtered lists as many tools as fit; search lists three "
                        "that find, describe and call the others; auto, the default: full where all fits, else search.",
                    }
                },
                {"pinned": names("Tools that come first where not all fit, by their names on the virtual server.")},
                {
                    "output": {
                        "type": "integer",
                        "between": [LEAST_OUTPUT, MOST_TOKENS],
                        "description": "Tokens that the text of a tool's result may take: a longer one is cut, with "
                        "a link to the whole.",
                    }
                },
            ],
        }
    },
    _FLOW,
    {
        "deputies": {
            "type": "string",
            "one_of": [deputy.value for deputy in Deputies],
            "description": "Whether this route is the sidecar's, for members of virtual servers: for-known and "
            "for-anyone take nothing but its signed word for whom it asks. nobody by default: such words are refused.",
        }
    },
]
