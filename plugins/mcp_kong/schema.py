"""The fields of mcp-guard's configuration, as Kong's schema language has them. Kong fills the defaults in.

Kong wants every description to be 10 to 500 characters long.
"""

from __future__ import annotations

from typing import Any, Final

from mcp_core.errand import SCHEMES
from mcp_core.inspection import Mode
from mcp_core.methods import ServerKind
from mcp_core.passing import HIDDEN_HEADERS
from mcp_core.pins.states import Pinning, Trust
from mcp_kong.auth_schema import AUTH_SCHEMA, UPSTREAM_TOKEN_SCHEMA
from mcp_kong.constraint_schema import CONSTRAINTS
from mcp_kong.limits_schema import LIMITS, limit
from mcp_kong.scan_schema import SCAN
from mcp_kong.schema_parts import GLOB, names
from mcp_kong.virtual_schema import VIRTUAL

SIDECAR: Final = "mcp-sidecar"
PATH: Final = "/mcp"
MODE: Final = "enforce"
MCP: Final = "mcp"
PAGES: Final = "pages"
PINNING: Final = Pinning.OFF
SESSION_SECONDS: Final = 86_400
REPEATS: Final = ("off", "hinted")
RESUMES: Final = ("off", "resume")
"""Which calls are repeated on another replica: none, or those whose approved tool says that it may be.

And what becomes of sessions that their replica lost: agents hear 404, or they are opened again.
"""
INSPECTION: Final = {
    "lists": frozenset({"mode"}),
    "results": frozenset({"mode"}),
    "arguments": frozenset({"schema", "secrets"}),
}
"""The fields that say what else is looked for, and their keys: each holds a word of inspection.Mode."""


def _access(what: str) -> dict[str, Any]:
    return {
        "type": "record",
        "description": f"Which {what} exist for callers. What no allow list names is hidden and refused as unknown.",
        "fields": [
            {"allow": names(f"Globs of the {what} that callers may see and use. {GLOB}")},
            {
                "deny": names(
                    f"Globs of {what} that stay hidden and refused, whatever allows them, however they are spelled: "
                    "case and width of letters do not matter, nor how readers of URIs write one. `*` stands for any "
                    "run of characters."
                )
            },
        ],
    }


def _mode(description: str, default: Mode = Mode.OFF) -> dict[str, Any]:
    return {
        "type": "string",
        "required": True,
        "default": default.value,
        "one_of": [mode.value for mode in Mode],
        "description": description,
    }


_RULE: Final = {
    "type": "record",
    "fields": [
        {"consumers": names("Names of the Kong consumers that this rule is for (their username).")},
        {
            "groups": names(
                "Groups that this rule is for: a consumer is in group g when it is tagged group:g, the subject of a "
                "token when the claim that groups_claim names holds it."
            )
        },
        {"subjects": names("Subjects of tokens that this rule is for (sub). They need the section auth.")},
        {"clients": names("OAuth clients whose tokens this rule is for. They need the section auth.")},
        {
            "via": names(
                "Who acts for the subject of a token, by its claim act: this rule is for what these do for others. It "
                "needs the section auth."
            )
        },
        {"scopes": names("Scopes: this rule is for tokens that have one of them. They need the section auth.")},
        {
            "issuer": {
                "type": "string",
                "description": "The rule is for this issuer's tokens alone; required where there are several issuers.",
            }
        },
        {"tools": _access("tools")},
        {"prompts": _access("prompts")},
        {"resources": _access("resources")},
        {"skills": _access("files of skills")},
        {"apps": _access("pages of apps")},
    ],
}


GUARD_SCHEMA: Final[list[dict[str, Any]]] = [
    {
        "server": {
            "type": "string",
            "required": True,
            "match": "^[a-z0-9][a-z0-9-]*$",
            "description": "Name of the MCP server behind this route; sessions, tasks and approvals are bound to it.",
        }
    },
    {
        "upstream": {
            "type": "string",
            "required": True,
            "len_min": 1,
            "description": "Kong upstream that holds the server's replicas. Only an admitted call is sent there.",
        }
    },
    {
        "session_upstream": {
            "type": "string",
            "len_min": 1,
            "description": "Kong upstream with the same replicas, which hashes mcp_affinity so that a session stays on "
            "its replica. Without it, upstream serves sessions too.",
        }
    },
    {
        "path": {
            "type": "string",
            "required": True,
            "default": PATH,
            "match": "^/",
            "description": "Path of the server's MCP endpoint, as the service behind this route has it: the sidecar "
            "asks there.",
        }
    },
    {
        "scheme": {
            "type": "string",
            "required": True,
            "default": SCHEMES[0],
            "one_of": list(SCHEMES),
            "description": "How the server's replicas are spoken to, as the service behind this route has it under "
            "`protocol`.",
        }
    },
    {
        "query": {
            "type": "map",
            "keys": {"type": "string", "len_min": 1},
            "values": {"type": "string", "referenceable": True},
            "description": "What the server is asked with in the query of its URL (`?NAME=VALUE`), on calls, lists and "
            "streams, in place of any query of the agent's. A secret is written as a reference to one of Kong's "
            'vaults: `{api_key: "{vault://env/weather-key}"}`.',
        }
    },
    {
        "sidecar": {
            "type": "string",
            "required": True,
            "default": SIDECAR,
            "description": "Kong upstream that holds the sidecars, which filter whatever carries a surface.",
        }
    },
    *VIRTUAL,
    {
        "serves": {
            "type": "string",
            "required": True,
            "default": MCP,
            "one_of": [MCP, PAGES],
            "description": "What is behind this route: an MCP server, or the sidecar's pages for people, for which "
            "only the fields server, upstream and sidecar matter.",
        }
    },
    {
        "mode": {
            "type": "string",
            "required": True,
            "default": MODE,
            "one_of": ["enforce", "monitor"],
            "description": "enforce refuses what the policy forbids; monitor only logs it and lets it pass.",
        }
    },
    {"tools": _access("tools")},
    {"prompts": _access("prompts")},
    {"resources": _access("resources")},
    {"skills": _access("files of skills")},
    {"apps": _access("pages of apps")},
    {
        "methods": {
            "type": "record",
            "description": "Methods and notifications beyond those that MCP defines; without this they are refused.",
            "fields": [{"allow": names(f"Globs of further methods that may pass. {GLOB}")}],
        }
    },
    {
        "rules": {
            "type": "array",
            "required": True,
            "default": [],
            "elements": _RULE,
            "description": "More globs for some consumers and groups only, added to those above. Deny wins over allow.",
        }
    },
    {"auth": AUTH_SCHEMA},
    {"upstream_token": UPSTREAM_TOKEN_SCHEMA},
    {
        "pins": {
            "type": "record",
            "description": "Whether items must be approved, in the exact form in which the server sends them.",
            "fields": [
                {
                    "mode": {
                        "type": "string",
                        "required": True,
                        "default": PINNING.value,
                        "one_of": [pinning.value for pinning in Pinning],
                        "description": "enforce hides and refuses what is not approved; monitor only writes down what "
                        "is seen. Both need a sidecar with a store, and enforce the snapshot that it writes.",
                    }
                },
                {
                    "trust": {
                        "type": "string",
                        "one_of": [one.value for one in Trust],
                        "description": "Whose server it is. own: what is clean opens by itself, new and changed; "
                        "known: changes of text or schema wait; foreign: everything waits for a person. Without it the "
                        "sidecar's settings hold.",
                    }
                },
            ],
        }
    },
    {
        "server_messages": {
            "type": "record",
            "description": "What servers may send besides answers: progress, logs, requests of their own.",
            "fields": [
                {
                    "allow": {
                        "type": "array",
                        "elements": {"type": "string", "one_of": [server_kind.value for server_kind in ServerKind]},
                        "required": True,
                        "default": [server_kind.value for server_kind in ServerKind],
                        "description": "Kinds of messages that may reach agents, all that MCP defines by default. "
                        "sampling and elicitation put a server's text before a model or a person.",
                    }
                },
                {"methods": names("Further methods that servers may send, exactly; unknown ones are left out.")},
            ],
        }
    },
    {
        "lists": {
            "type": "record",
            "description": "Whether lists are searched for text that would steer the model that chooses from them.",
            "fields": [
                {
                    "mode": _mode(
                        "block leaves an item with such text out of lists; flag only writes it down. Where pins are "
                        "enforced, what is found waits for a person instead.",
                        Mode.BLOCK,
                    )
                }
            ],
        }
    },
    {
        "results": {
            "type": "record",
            "description": "Whether answers are searched for text that would steer the model that reads them.",
            "fields": [
                {
                    "mode": _mode(
                        "block withholds an answer with such text and says so in its place; flag only writes it down. "
                        "Both send every request of the route through the sidecar."
                    )
                }
            ],
        }
    },
    {
        "arguments": {
            "type": "record",
            "description": "What the arguments of calls are held to. Whatever is on sends calls through the sidecar.",
            "fields": [
                {
                    "schema": _mode(
                        "block refuses arguments that do not fit the approved inputSchema of the tool, and all for a "
                        "tool without one: it needs pins. flag only writes it down."
                    )
                },
                {
                    "secrets": _mode(
                        "block refuses arguments that hold a credential (keys, tokens, passwords in addresses); flag "
                        "only writes it down."
                    )
                },
            ],
        }
    },
    {"constraints": CONSTRAINTS},
    {
        "repeat": {
            "type": "record",
            "description": "What is asked again, on another replica, where no answer came. It sends calls and reads of "
            "resources, or whole sessions, through the sidecar.",
            "fields": [
                {
                    "calls": {
                        "type": "string",
                        "required": True,
                        "default": REPEATS[0],
                        "one_of": list(REPEATS),
                        "description": "hinted repeats calls of tools that are approved with readOnlyHint or "
                        "idempotentHint, outside of sessions, and reads; it needs pins. off repeats no call.",
                    }
                },
                {
                    "sessions": {
                        "type": "string",
                        "required": True,
                        "default": RESUMES[0],
                        "one_of": list(RESUMES),
                        "description": "resume initializes again, on another replica, where a server has lost a "
                        "session, for servers whose sessions hold nothing. With off agents hear 404 and do it.",
                    }
                },
            ],
        }
    },
    {"scan": SCAN},
    {
        "origins": names(
            "Values of the Origin header that may pass, exactly, or * for any. Requests without Origin always may."
        )
    },
    {
        "hosts": names(
            "Values of the Host header that may pass, with a port or for any port. Without any, every host may: Kong's "
            "routes can name hosts too."
        )
    },
    {
        "param_headers": {
            "type": "array",
            "required": True,
            "default": [],
            "elements": {
                "type": "record",
                "fields": [
                    {"tool": {"type": "string", "required": True, "description": "Name of the tool, exactly."}},
                    {"header": {"type": "string", "required": True, "description": "What stands behind Mcp-Param-."}},
                    {
                        "argument": {
                            "type": "array",
                            "elements": {"type": "string"},
                            "required": True,
                            "len_min": 1,
                            "description": "Keys that lead from the call's arguments to the value, outermost first.",
                        }
                    },
                ],
            },
            "description": "Headers Mcp-Param-* that must say what an argument says, so that Kong's limits and routes "
            "may rely on them. Others pass unread.",
        }
    },
    {
        "hide_headers": {
            "type": "array",
            "elements": {"type": "string", "len_min": 1},
            "required": True,
            "default": list(HIDDEN_HEADERS),
            "description": "Globs of the agent's headers that reach neither the server nor Kong's log records: its "
            "credentials are for the gateway. `*` spares the headers of MCP.",
        }
    },
    {
        "session_max_age": limit(
            SESSION_SECONDS, 31_536_000, "Seconds after which a session of the legacy era must be opened again."
        )
    },
    {"limits": LIMITS},
]
"""Kong schema of `config`: a list of one-key records, as kong-pdk plugins give it."""
