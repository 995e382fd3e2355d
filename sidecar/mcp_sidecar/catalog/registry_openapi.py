"""The OpenAPI document of the registry, in words of our own, after the registry's API of 2025-12-01.

It says less than that one where we do less (nothing is published here), and more where the other leaves it open:
bounds, refusals, `_meta`.
"""

from __future__ import annotations

from typing import Any, Final

from mcp_core.pins.states import Pinning, Trust
from mcp_core.servers import LifeCycle
from mcp_sidecar.catalog.registry import CURSOR, MOST_CURSOR, MOST_SEARCH, PAGE
from mcp_sidecar.catalog.registry_api import CARD_TYPE, CARDS, SERVERS
from mcp_sidecar.catalog.server_json import CARD_SCHEMA, DELETED, MOST_MESSAGE, MOST_TEXT, OFFICIAL, SCHEMA, TRUST

_TEXT: Final = {"type": "string"}
_TIME: Final = {"type": "string", "format": "date-time"}
_URL: Final = {"type": "string", "pattern": "^https?://[^\\s]+$"}
_FLAG: Final = {"type": "boolean", "default": False}
_CURSOR: Final = {"type": "string", "maxLength": MOST_CURSOR, "pattern": f"^{CURSOR.pattern}$"}
_COUNTS: Final = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}}


def _object(needed: dict[str, Any], more: dict[str, Any] | None = None) -> dict[str, Any]:
    members = {"type": "object", "properties": {**needed, **(more or {})}, "required": sorted(needed)}
    return {**members, "additionalProperties": False}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _words(words: list[str]) -> dict[str, Any]:
    return {"type": "string", "enum": words}


_HEADER: Final = _object(
    {"name": _TEXT}, {"description": _TEXT, "isRequired": {"type": "boolean"}, "isSecret": {"type": "boolean"}}
)
_DETAIL: Final = {
    "name": {"type": "string", "maxLength": 200, "pattern": "^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$"},
    "description": {"type": "string", "minLength": 1, "maxLength": MOST_TEXT},
    "version": {"type": "string", "maxLength": 255},
    "title": {"type": "string", "minLength": 1, "maxLength": MOST_TEXT},
}
_MORE: Final = {
    "repository": _object({"url": _URL, "source": _words(["github", "gitlab"])}),
    "websiteUrl": _URL,
    "remotes": {
        "type": "array",
        "items": _object(
            {"type": _words(["streamable-http"]), "url": _URL}, {"headers": {"type": "array", "items": _HEADER}}
        ),
    },
}
_SCHEMAS: Final = {
    "Error": _object({"error": _TEXT}),
    "ServerDetail": _object(
        {"$schema": {"const": SCHEMA}, **_DETAIL},
        {**_MORE, "_meta": {"type": "object", "additionalProperties": {"type": "object"}}},
    ),
    "ServerCard": _object({"$schema": {"const": CARD_SCHEMA}, **_DETAIL}, _MORE),
    "Official": _object(
        {
            "status": _words(["active", "deprecated", DELETED]),
            "statusChangedAt": _TIME,
            "publishedAt": _TIME,
            "updatedAt": _TIME,
            "isLatest": {"type": "boolean"},
        },
        {"statusMessage": {"type": "string", "maxLength": MOST_MESSAGE}},
    ),
    "Trust": _object(
        {
            "lifeCycle": _words([cycle.value for cycle in LifeCycle]),
            "pins": _words([pinning.value for pinning in Pinning]),
            "trust": {"enum": [*(one.value for one in Trust), None]},
            "owner": {"type": ["string", "null"]},
            "items": _COUNTS,
            "states": _COUNTS,
            "findings": _COUNTS,
            "lastLook": {"anyOf": [_object({"at": _TIME, "outcome": _TEXT}), {"type": "null"}]},
        }
    ),
    "ServerResponse": _object(
        {"server": _ref("ServerDetail"), "_meta": _object({OFFICIAL: _ref("Official")}, {TRUST: _ref("Trust")})}
    ),
    "ServerList": _object(
        {
            "servers": {"type": "array", "items": _ref("ServerResponse")},
            "metadata": _object({"count": {"type": "integer", "minimum": 0}}, {"nextCursor": _TEXT}),
        }
    ),
}


def _parameter(name: str, schema: dict[str, Any], about: str, where: str = "query") -> dict[str, Any]:
    found = {"name": name, "in": where, "description": about, "schema": schema}
    return {**found, "required": True} if where == "path" else found


_NAME: Final = _parameter("serverName", _TEXT, "NAMESPACE/NAME, URL-encoded.", "path")
_DELETED: Final = _parameter(
    "include_deleted", _FLAG, "Whether what nobody can reach any more is told too: with updated_since it always is."
)
_LIST: Final = [
    _parameter("cursor", _CURSOR, "The nextCursor of the answer before."),
    _parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": 999_999_999, "default": PAGE},
        "Entries of a page; 100 at most are told.",
    ),
    _parameter("search", {"type": "string", "maxLength": MOST_SEARCH}, "Part of a name, title or tag, in any case."),
    _parameter("updated_since", _TIME, "Only what changed after this time, also what was deleted."),
    _parameter("version", {"type": "string", "maxLength": 255}, "`latest`, or exactly this version."),
    _DELETED,
]


def _operation(summary: str, schema: str, parameters: list[Any], media: str = "application/json") -> dict[str, Any]:
    def answer(about: str, name: str, kind: str = "application/json") -> dict[str, Any]:
        return {"description": about, "content": {kind: {"schema": _ref(name)}}}

    found = {"200": answer("Found.", schema, media), "304": {"description": "As it was: the ETag still holds."}}
    found["400"] = answer("A parameter cannot be used; the text says which.", "Error")
    if any(parameter["in"] == "path" for parameter in parameters):
        found["404"] = answer("There is no such server or version, for whoever asks.", "Error")
    return {"get": {"summary": summary, "parameters": parameters, "responses": found}}


def document() -> dict[str, Any]:
    """Return the document."""
    version = _parameter("version", _TEXT, "A version, URL-encoded, or `latest`.", "path")
    return {
        "openapi": "3.1.0",
        "info": {"title": "The registry of a kong-mcp gateway", "version": "0.1"},
        "paths": {
            SERVERS: _operation("List servers", "ServerList", _LIST),
            SERVERS + "/{serverName}/versions": _operation("List versions", "ServerList", [_NAME, _DELETED]),
            SERVERS + "/{serverName}/versions/{version}": _operation(
                "Get one version", "ServerResponse", [_NAME, version, _DELETED]
            ),
            CARDS + "/{name}": _operation(
                "Get a server card (SEP-2127, a draft)",
                "ServerCard",
                [_parameter("name", _TEXT, "The server's name at the gateway.", "path")],
                CARD_TYPE,
            ),
        },
        "components": {"schemas": _SCHEMAS},
    }
