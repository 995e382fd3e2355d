"""The section `auth` of mcp-guard's configuration, in Kong's schema language; mcp_core.auth.config reads it."""

from __future__ import annotations

from typing import Any, Final

from mcp_core.auth.config import (
    ACTORS,
    DEFAULT_TYPES,
    INTROSPECTION_SECONDS,
    MAX_ACTORS,
    MAX_SECONDS,
    MAX_SKEW,
    SKEW,
)
from mcp_core.auth.keysets import ALGORITHMS
from mcp_core.auth.proof import SECONDS as PROOF_SECONDS
from mcp_core.auth.scopes import Denial
from mcp_core.auth.upstream import GrantKind
from mcp_kong.schema_parts import GLOB, names

_FACADE: Final = {
    "type": "record",
    "description": "For a provider that lacks what MCP clients need: the gateway's metadata names its own endpoints, "
    "which hand on to the provider without `resource`. Nothing is issued here.",
    "fields": [
        {
            "authorization_endpoint": {
                "type": "string",
                "required": True,
                "description": "The provider's own: people log in there.",
            }
        },
        {
            "token_endpoint": {
                "type": "string",
                "required": True,
                "description": "The provider's, for codes and tokens.",
            }
        },
        {
            "scope_prefix": {
                "type": "string",
                "description": "What stands before scopes at the provider, such as api://APPLICATION-ID/.",
            }
        },
        {
            "client_id": {
                "type": "string",
                "description": "The provider's client for agents that would register. Without it they cannot.",
            }
        },
    ],
}

_ISSUER: Final = {
    "type": "record",
    "fields": [
        {"issuer": {"type": "string", "required": True, "description": "The issuer, exactly as its tokens have it."}},
        {"audiences": names("What aud of its tokens must name, any of these exactly. Without any: the resource.")},
        {
            "audience_only": {
                "type": "boolean",
                "required": True,
                "default": False,
                "description": "Refuse tokens that are for anybody else too: whoever that is could use them here.",
            }
        },
        {
            "algorithms": {
                "type": "array",
                "elements": {"type": "string", "one_of": list(ALGORITHMS)},
                "required": True,
                "default": list(ALGORITHMS),
                "description": "Algorithms that its tokens may be signed by. None has a shared secret.",
            }
        },
        {
            "types": {
                "type": "array",
                "elements": {"type": "string", "len_min": 1},
                "required": True,
                "default": list(DEFAULT_TYPES),
                "description": "What typ in the header of its tokens may be; untyped is for tokens without one. Many "
                "issuers write JWT, as for ID tokens.",
            }
        },
        {
            "groups_claim": names(
                "Keys that lead to the claim with its groups, outermost first. Without any: no groups."
            )
        },
        {
            "introspect": {
                "type": "boolean",
                "required": True,
                "default": False,
                "description": "Ask it of tokens that are no signed JWT (RFC 7662). MCP_SIDECAR_ISSUER_CLIENTS says as "
                "whom, and KONG_MCP_ASK_SOCKET where the sidecar is asked.",
            }
        },
        {
            "introspection_seconds": {
                "type": "integer",
                "required": True,
                "default": INTROSPECTION_SECONDS,
                "between": [1, MAX_SECONDS],
                "description": "Seconds that its word on such a token is believed: so late is a revocation there.",
            }
        },
        {"facade": _FACADE},
    ],
}

_SCOPE_RULE: Final = {
    "type": "record",
    "fields": [
        {"scopes": names("Scopes that all of these items need.")},
        {"tools": names(f"Globs of tools that need them, in every spelling. {GLOB}")},
        {"prompts": names(f"Globs of prompts that need them, in every spelling. {GLOB}")},
        {"resources": names(f"Globs of resources that need them, in every spelling. {GLOB}")},
    ],
}

_DPOP: Final = {
    "type": "record",
    "description": "Proofs of possession (RFC 9449). A token that is bound to a key needs one, whatever stands here.",
    "fields": [
        {
            "required": {
                "type": "boolean",
                "required": True,
                "default": False,
                "description": "Refuse tokens that are bound to no key.",
            }
        },
        {
            "nonces": {
                "type": "boolean",
                "required": True,
                "default": False,
                "description": "Take proofs with a nonce of the gateway's alone: none can be made ahead.",
            }
        },
        {
            "seconds": {
                "type": "integer",
                "required": True,
                "default": PROOF_SECONDS,
                "between": [1, MAX_SECONDS],
                "description": "Seconds by which a proof's time may differ from now.",
            }
        },
    ],
}

AUTH_SCHEMA: Final[dict[str, Any]] = {
    "type": "record",
    "description": "Who calls, by an OAuth 2.1 access token: with it, nothing passes without a verified token.",
    "fields": [
        {
            "resource": {
                "type": "string",
                "description": "The URL at which agents reach this server: what clients ask tokens for, and aud names.",
            }
        },
        {
            "issuers": {
                "type": "array",
                "required": True,
                "default": [],
                "elements": _ISSUER,
                "description": "Whose tokens are taken. MCP_SIDECAR_ISSUERS names them too: it has their keys fetched.",
            }
        },
        {"required_scopes": names("Scopes that every request needs, and that the first challenge names.")},
        {
            "scope_rules": {
                "type": "array",
                "required": True,
                "default": [],
                "elements": _SCOPE_RULE,
                "description": "Items that need more scopes than that.",
            }
        },
        {
            "implied_scopes": {
                "type": "map",
                "keys": {"type": "string"},
                "values": {"type": "array", "elements": {"type": "string", "len_min": 1}},
                "description": "For broad scopes, the narrower ones that they hold.",
            }
        },
        {
            "denial": {
                "type": "string",
                "required": True,
                "default": Denial.HIDE.value,
                "one_of": [denial.value for denial in Denial],
                "description": "hide: what needs scopes is unknown to whoever lacks them. challenge: it is listed, and "
                "a call is answered with the scopes that it needs.",
            }
        },
        {
            "skew": {
                "type": "integer",
                "required": True,
                "default": SKEW,
                "between": [0, MAX_SKEW],
                "description": "Seconds by which the clocks of issuer and gateway may differ.",
            }
        },
        {
            "max_actors": {
                "type": "integer",
                "required": True,
                "default": ACTORS,
                "between": [0, MAX_ACTORS],
                "description": "How many may act for the subject of a token, one for the other, by its claim act: "
                "servers that call servers. 0 takes nobody's token who acts for somebody.",
            }
        },
        {"dpop": _DPOP},
    ],
}

UPSTREAM_TOKEN_SCHEMA: Final[dict[str, Any]] = {
    "type": "record",
    "description": "A token of the server's own, which it gets in Authorization. The agent's token never goes there.",
    "fields": [
        {
            "grant": {
                "type": "string",
                "one_of": [grant_kind.value for grant_kind in GrantKind],
                "description": "exchange: the agent's token is exchanged for one for this server (RFC 8693). "
                "client_credentials: the gateway has one of its own.",
            }
        },
        {
            "issuer": {
                "type": "string",
                "description": "Who gives it: one of MCP_SIDECAR_ISSUERS, with a client in MCP_SIDECAR_ISSUER_CLIENTS.",
            }
        },
        {"resource": {"type": "string", "description": "The URL of the server as its issuer knows it (RFC 8707)."}},
        {
            "audience": {
                "type": "string",
                "description": "Its name there, where that is no URL (RFC 8693, section 2.1).",
            }
        },
        {"scopes": names("Scopes that are asked for.")},
        {
            "actor": {
                "type": "boolean",
                "required": True,
                "default": False,
                "description": "Name the gateway as who acts, by a token of its own (actor_token of an exchange).",
            }
        },
    ],
}
