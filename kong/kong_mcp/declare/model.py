"""The fields of a server file, in Kong's schema language: one table for the reader, the JSON Schema and the docs.

What the guard is configured with comes from the guard's own schema, so a new field of it is at once a field of files.
Beyond Kong's language a field may have `pattern` (a regular expression of Python and ECMA-262 that the whole text must
match), `say` (what to write instead), `refuse` (patterns with sentences of their own, which do not show the value),
`examples`, the type `any` (what decK takes), `short` on a record: the field that a single word stands for, and `or`:
the record that a mapping in its place is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kong_mcp.declare.local import LOCAL
from kong_mcp.declare.short_forms import TOKENS, TRUST
from kong_mcp.policy_file import GIVEN
from mcp_core.servers import LifeCycle
from mcp_core.virtual import OWN_TOOLS
from mcp_kong.schema import GUARD_SCHEMA
from mcp_kong.virtual_schema import LABELS

NAME_PATTERN: Final = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
REFERENCE_PATTERN: Final = r"\{vault://[^\s/{}]+/[^\s{}]+\}"
"""A secret in one of Kong's vaults: Kong reads it, and no file holds it (kong/pdk/vault.lua)."""
VARIABLE_PATTERN: Final = r'\$\{\{ env "DECK_(?!MCP_)[A-Z0-9_]+" \}\}'
"""A variable that decK fills in when it syncs. Those of the gateway itself (DECK_MCP_...) are not for servers."""
UUID_PATTERN: Final = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
PEM_PATTERN: Final = r"-----BEGIN CERTIFICATE-----\r?\n[A-Za-z0-9+/=\r\n]+-----END CERTIFICATE-----\s*"
TAG_PATTERN: Final = r"[^\x00-\x20\x7f-\x9f,/]+"
AUTH: Final = (
    "basic-auth",
    "hmac-auth",
    "jwt",
    "jwt-signer",
    "key-auth",
    "key-auth-enc",
    "ldap-auth",
    "ldap-auth-advanced",
    "mtls-auth",
    "oauth2",
    "oauth2-introspection",
    "openid-connect",
)
"""Kong's plugins that say who calls, by their bare names."""

_LOGIN: Final = r"[^/]*//[^/]*@.*"
_LINE: Final = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+"
_TEXT: Final = {"type": "string", "pattern": _LINE, "say": "write it on one line"}
_URL: Final = {
    "type": "string",
    "pattern": r"https?://[^\s/?#@]+([/?#][^\s]*)?",
    "say": "write https://HOST/PATH",
    "refuse": [(_LOGIN, "found a user and password in a URL; remove them")],
}
_REFERENCE: Final = {
    "type": "string",
    "pattern": REFERENCE_PATTERN,
    "say": "write a reference to one of Kong's vaults, {vault://env/weather-key} say",
}


_SEGMENT_CHARACTER: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_REPLICA: Final = (
    r"https?://(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[1-9][0-9]{0,4})?"
    rf"(?:/{_SEGMENT_CHARACTER}+)*/?"
)
_NO_LOGIN: Final = (
    "remove them, and have plugins say it: request-transformer with add.headers "
    """['Authorization:Basic ${{ env "DECK_NAME" }}']"""
)
_NO_QUERY: Final = (
    """remove it, and write the field query beside replicas: query: {NAME: "{vault://env/NAME}"}, or NAME: VALUE for """
    "what is no secret"
)


def _milliseconds(least: int, most: int, description: str) -> dict[str, Any]:
    return {"type": "integer", "between": [least, most], "description": description}


PLUGIN: Final = {
    "type": "record",
    "fields": [
        {
            "name": {
                "type": "string",
                "required": True,
                "pattern": "[a-z0-9][a-z0-9-]*",
                "say": "write a plugin's name, rate-limiting say",
                "description": "Name of the Kong plugin.",
            }
        },
        {"config": {"type": "any", "description": "The plugin's configuration, as Kong's documentation has it."}},
        {"enabled": {"type": "boolean", "description": "Whether the plugin runs. It does by default."}},
        {"instance_name": {"type": "string", "description": "A name of your own for this plugin's place."}},
        {"protocols": {"type": "array", "elements": {"type": "string"}, "description": "Protocols it runs for."}},
        {"tags": {"type": "array", "elements": {"type": "string"}, "description": "Further tags of the plugin."}},
        {"ordering": {"type": "any", "description": "Kong Enterprise: what it runs before or after."}},
    ],
}

OWN_FIELDS: Final[list[dict[str, Any]]] = [
    {
        "name": {
            "type": "string",
            "required": True,
            "pattern": NAME_PATTERN,
            "say": "write a DNS label: a-z, 0-9 and - between them, 63 characters at most",
            "description": "Name of the server, a DNS label. Agents find it at /NAME/mcp, and what Kong gets is named "
            "after it, so another name is another server.",
            "examples": ["weather"],
        }
    },
    {"title": {**_TEXT, "description": "What people call the server.", "examples": ["Weather and forecasts"]}},
    {
        "description": {
            "type": "string",
            "len_min": 1,
            "description": "What the server is good for, in a few sentences.",
        }
    },
    {"owner": {**_TEXT, "description": "Who answers for the server: a team, or an address.", "examples": ["team-sky"]}},
    {
        "version": {
            "type": "string",
            "pattern": r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}",
            "say": "write one version, 1.4.2 say: letters, digits and . + _ - between them",
            "refuse": [("latest", "found latest, which stands for the newest version of any server")],
            "description": "Version of the server as its team counts. Without it catalog and registry name one by the "
            "day on which its items changed last.",
            "examples": ["1.4.2"],
        }
    },
    {
        "life_cycle": {
            "type": "string",
            "one_of": [cycle.value for cycle in LifeCycle],
            "default": LifeCycle.ACTIVE.value,
            "description": "Where the server is in its life: preview may change or go at any time; deprecated still "
            "answers, and nobody should begin to use it.",
            "examples": ["deprecated"],
        }
    },
    {
        "successor": {
            "type": "string",
            "pattern": NAME_PATTERN,
            "say": "write the name of a server",
            "description": "Name of the server that takes the place of a deprecated one.",
            "examples": ["weather-2"],
        }
    },
    {
        "links": {
            "type": "map",
            "keys": {"type": "string"},
            "values": _URL,
            "description": "Pages about the server, by what they are: source, runbook, dashboard.",
            "examples": [{"runbook": "https://wiki.example.com/weather"}],
        }
    },
    {
        "tags": {
            "type": "array",
            "elements": {
                "type": "string",
                "pattern": TAG_PATTERN,
                "say": "write it without blank, comma and slash",
            },
            "description": "Tags of your own on everything that Kong gets for this server.",
            "examples": [["production"]],
        }
    },
    {
        "replicas": {
            "type": "array",
            "required_unless": "servers",
            "len_min": 1,
            "elements": {
                "type": "string",
                "or": LOCAL,
                "pattern": _REPLICA,
                "say": "write http://HOST:PORT/PATH or https://HOST:PORT/PATH",
                "refuse": [
                    (_LOGIN, "found a user and password in a URL; " + _NO_LOGIN),
                    (r"[^?]*\?.*", "found a query in a URL; " + _NO_QUERY),
                ],
            },
            "description": "URLs of the MCP endpoint, one a replica. They differ in host and port only. The path is "
            "the one that replicas are asked for. Or a mapping: the program of a local server (docs/local-servers.md), "
            "or a REST API (docs/rest-apis.md).",
            "examples": [["http://10.0.0.7:8080/mcp", "http://10.0.0.8:8080/mcp"]],
        }
    },
    {
        "servers": {
            "type": "array",
            "len_min": 1,
            "elements": {
                "type": "string",
                "pattern": "[a-z0-9*][a-z0-9*-]{0,62}",
                "say": "write the name of a server, or a pattern: team-*",
            },
            "description": "In place of replicas: the servers that this virtual server offers as one, by name; `*` "
            "stands for any run of characters. Their own policies hold, whoever calls.",
            "examples": [["weather", "team-*"]],
        }
    },
    {
        "labels": {
            "type": "array",
            "elements": {"type": "record", "fields": LABELS},
            "description": "What those read and write who use items of this server, for the flow rules of virtual "
            "servers that have it as a member (docs/flow-rules.md). An item that no label names counts as if it had "
            "all of them.",
            "examples": [[{"tools": ["read_*"], "reads": ["untrusted"]}]],
        }
    },
    {
        "path": {
            "type": "string",
            "pattern": r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+",
            "say": "write /SEGMENT/SEGMENT of letters, digits and . _ ~ -, without a slash at the end",
            "description": "Where agents find the server at the gateway: /NAME/mcp by default. The last segment is not "
            "`messages`: there the transport of 2024-11-05 takes what agents send. The first one is neither `portal` "
            "nor `registry`, which are the gateway's own.",
            "examples": ["/weather/mcp"],
        }
    },
    {
        "auth": {
            "type": "array",
            "elements": {**PLUGIN, "short": "name"},
            "or": TOKENS,
            "default": ["key-auth"],
            "description": "Kong's plugins that say who calls, each by its name alone or as decK writes it. All of "
            "them must be satisfied. An empty list asks nobody who they are. With `oauth` none is needed. "
            "Or a mapping: `oauth` in short, for the tokens of one issuer.",
            "examples": [["key-auth"], ["jwt"], {"issuer": "https://idp.example.com"}],
        }
    },
    {"trust": TRUST},
    {
        "tls": {
            "type": "record",
            "description": "How Kong and replicas prove who they are. For https replicas only.",
            "fields": [
                {
                    "verify": {
                        "type": "boolean",
                        "default": True,
                        "description": "Whether a replica's certificate must be good. It must by default.",
                    }
                },
                {
                    "verify_depth": {
                        "type": "integer",
                        "between": [0, 64],
                        "description": "Longest chain of certificates.",
                    }
                },
                {
                    "ca": {
                        "type": "array",
                        "len_min": 1,
                        "elements": {
                            "type": "string",
                            "pattern": f"{UUID_PATTERN}|{PEM_PATTERN}",
                            "say": "write the id of a CA certificate in Kong, or a certificate in PEM",
                        },
                        "description": "Whose certificates are good: ids of CA certificates in Kong, or PEM. Without "
                        "it Kong's own lua_ssl_trusted_certificate decides.",
                    }
                },
                {
                    "client_certificate": {
                        "type": "string",
                        "pattern": UUID_PATTERN,
                        "say": "write the id of a certificate in Kong, or give cert and key as vault references",
                        "description": "Id of a certificate in Kong that Kong shows the replicas.",
                    }
                },
                {
                    "cert": {
                        **_REFERENCE,
                        "description": "The certificate that Kong shows the replicas, in a Kong vault.",
                    }
                },
                {"key": {**_REFERENCE, "description": "The private key of `cert`, in a Kong vault."}},
            ],
        }
    },
    {
        "timeouts": {
            "type": "record",
            "description": "How long Kong waits for a replica, in milliseconds.",
            "fields": [
                {"connect": _milliseconds(1, 10_000, "Until a replica takes the connection.")},
                {"write": _milliseconds(1, 2_147_483_646, "Between two writes of a request.")},
                {
                    "read": _milliseconds(
                        60_001, 2_147_483_646, "The longest silence of a slow tool, or of an idle stream."
                    )
                },
            ],
        }
    },
    {
        "health": {
            "type": "record",
            "description": "How Kong finds out whether a replica is well.",
            "fields": [
                {
                    "checks": {
                        "type": "boolean",
                        "default": True,
                        "description": "Whether Kong asks, and looks at answers. Without it, only a replica that takes "
                        "no connection is passed over, request by request.",
                    }
                },
                {
                    "probes": {
                        "type": "boolean",
                        "default": False,
                        "description": "Whether the sidecar asks each replica as MCP speaks, and takes out of rotation "
                        "those that do not answer so. It needs MCP_SIDECAR_KONG_ADMIN (docs/availability.md).",
                    }
                },
                {
                    "path": {
                        "type": "string",
                        "pattern": r"/[^\s#]*",
                        "say": "write /PATH",
                        "description": "A page of each replica that Kong gets to see whether it is well, and that "
                        "answers 200 or 204 then. Without it deck/shared.yaml says how Kong finds out.",
                        "examples": ["/healthz"],
                    }
                },
                {
                    "interval": {
                        "type": "integer",
                        "between": [1, 65535],
                        "description": "Seconds between two questions for `path`, 5 by default.",
                    }
                },
            ],
        }
    },
    {
        "plugins": {
            "type": "array",
            "elements": PLUGIN,
            "description": "Further Kong plugins for this server, as decK writes them: rate-limiting, acl, cors ...",
            "examples": [[{"name": "rate-limiting", "config": {"minute": 60, "policy": "local"}}]],
        }
    },
]

RENAMED: Final = {"auth": "oauth"}
"""The guard's name of a field -> that of server files, in which `auth` names Kong's own plugins."""

GUARD_FIELDS: Final = [
    {RENAMED.get(name, name): field for name, field in entry.items()}
    for entry in GUARD_SCHEMA
    if not GIVEN & entry.keys()
]
"""What mcp-guard is configured with, but for what follows from the server's name."""

SERVER_FILE: Final[dict[str, Any]] = {"type": "record", "fields": [*OWN_FIELDS, *GUARD_FIELDS]}
"""A whole server file."""

GUARD_NAMES: Final = frozenset(name for field in GUARD_FIELDS for name in field)


def of_guard(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a server file the guard is configured with, by the guard's own names."""
    given = {new: old for old, new in RENAMED.items()}
    guard = {given.get(name, name): one for name, one in values.items() if name in GUARD_NAMES}
    return guard if "servers" not in values else guard | _left_to_members(values)


def _left_to_members(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a virtual server's guard lets pass where its file says nothing of it: its members decide."""
    policy = {kind: {"allow": ["*"]} for kind in ("tools", "prompts", "resources") if kind not in values}
    tools = values.get("tools")
    if "budget" in values and isinstance(tools, Mapping):
        # Whoever may see some tools may look for them.
        policy["tools"] = {**tools, "allow": [*tools.get("allow", ()), *OWN_TOOLS]}
    return policy


def fields_of(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the fields of a record by name, in the order of the table."""
    return {name: field for entry in record["fields"] for name, field in entry.items()}
