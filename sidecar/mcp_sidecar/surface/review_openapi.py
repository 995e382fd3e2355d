"""The OpenAPI document of the review API, made of the same values that the endpoints check with."""

from __future__ import annotations

import re
from typing import Any, Final

from mcp_core.pins.snapshot import IS_OPEN
from mcp_core.pins.states import State
from mcp_core.scan.items import KIND_WORDS

PREFIX: Final = "/review/v1"
DIGEST: Final = re.compile(r"[0-9a-f]{8,64}")
ANCHOR: Final = re.compile(r"[0-9]{1,18}:[0-9a-f]{64}")
STATES: Final = (IS_OPEN, State.QUARANTINED.value, State.REJECTED.value)
TEXT_LENGTH: Final = 2000
BODY_BYTES: Final = 64 * 1024

_TEXT: Final = {"type": "string"}
_TEXTS: Final = {"type": "array", "items": _TEXT}
_HEX: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_TIME: Final = {"type": "string", "format": "date-time"}
_NO_NUL: Final = "^[^\\x00]*$"
_SAYS_SOMETHING: Final = "^[^\\x00]*[^\\s\\x00][^\\x00]*$"


def _object(**members: Any) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": sorted(members)}


_STATE: Final = {"type": "string", "enum": [one.value for one in State]}
_VERSION: Final = {
    "digest": _HEX,
    "state": _STATE,
    "reason": _TEXT,
    "rules": _TEXTS,
    "first_seen": _TIME,
    "last_seen": _TIME,
    "differs": {"type": "boolean"},
}
_KINDS: Final = {"type": "string", "enum": [word.value for word in KIND_WORDS]}
_IDENTITY: Final = {"server": _TEXT, "kind": _KINDS, "name": _TEXT}

_SCHEMAS: Final = {
    "Error": _object(error=_TEXT),
    "Version": _object(**_VERSION),
    "Item": _object(
        **_IDENTITY,
        open={"type": "boolean"},
        changes_often={"type": "boolean"},
        state={"type": "string", "enum": list(STATES)},
        versions={"type": "array", "items": {"$ref": "#/components/schemas/Version"}},
    ),
    "Entry": _object(
        seq={"type": "integer"},
        at=_TIME,
        actor=_TEXT,
        action=_TEXT,
        digest=_HEX,
        state=_STATE,
        why=_TEXT,
        detail={"type": "object"},
        hash=_HEX,
    ),
    "Shown": _object(
        **_IDENTITY,
        **_VERSION,
        content={"type": "object"},
        findings={"type": "array", "items": {"type": "object"}},
        history={"type": "array", "items": {"$ref": "#/components/schemas/Entry"}},
    ),
    "Difference": _object(before={"type": ["string", "null"]}, after=_HEX, fields=_TEXTS, lines=_TEXTS),
    "Decision": {
        **_object(
            server={"type": "string", "minLength": 1, "pattern": _NO_NUL},
            kind={"type": "string", "enum": [*KIND_WORDS.values()]},
            digest={"type": "string", "pattern": f"^{DIGEST.pattern}$"},
            state={"type": "string", "enum": [State.APPROVED.value, State.REJECTED.value]},
            why={"type": "string", "minLength": 1, "maxLength": TEXT_LENGTH, "pattern": _SAYS_SOMETHING},
        ),
        "additionalProperties": False,
    },
    "Audit": _object(entries={"type": "integer"}, anchor=_TEXT, problem={"type": ["string", "null"]}),
}
_SCHEMAS["Decision"]["properties"]["name"] = {"type": "string", "pattern": _NO_NUL}


def _query(name: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema}


_SERVER: Final = {"type": "string", "minLength": 1, "pattern": _NO_NUL}
_ITEM: Final = [
    _query("server", _SERVER, required=True),
    _query("kind", {"type": "string", "enum": [*KIND_WORDS.values()]}, required=True),
    _query("name", {"type": "string", "pattern": _NO_NUL}),
    _query("digest", {"type": "string", "pattern": f"^{DIGEST.pattern}$"}),
]


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _operation(name: str, summary: str, answer: dict[str, Any], *statuses: int, **more: Any) -> dict[str, Any]:
    texts = {
        400: "The request cannot be understood.",
        401: "No reviewer's token.",
        403: "A token that may not do this.",
        404: "No such item or version.",
        413: "Too large.",
        415: "Not JSON.",
        503: "The store cannot be used, or guards do not know a decision yet; the error says which.",
    }
    error = {"$ref": "#/components/schemas/Error"}
    refusals = {str(status): {"description": texts[status], **_json(error)} for status in (400, 401, *statuses, 503)}
    return {
        "operationId": name,
        "summary": summary,
        **more,
        "responses": {"200": {"description": summary, **_json(answer)}, **refusals},
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def document() -> dict[str, Any]:
    """Return the document (OpenAPI 3.1)."""
    items = _object(items={"type": "array", "items": _ref("Item")})
    chosen = [_query("server", _SERVER), _query("state", {"type": "string", "enum": list(STATES)})]
    anchor = _query("anchor", {"type": "string", "pattern": f"^{ANCHOR.pattern}$"})
    body = {"required": True, **_json(_ref("Decision"))}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Review of what MCP servers put before models",
            "version": "1",
            "description": "Served by mcp-sidecar, on the address it listens on, to whom its settings give tokens.",
        },
        "security": [{"reviewer": []}],
        "paths": {
            f"{PREFIX}/items": {"get": _operation("listItems", "All items.", items, parameters=chosen)},
            f"{PREFIX}/item": {"get": _operation("showItem", "One version.", _ref("Shown"), 404, parameters=_ITEM)},
            f"{PREFIX}/diff": {
                "get": _operation("diffItem", "Against the open version.", _ref("Difference"), 404, parameters=_ITEM)
            },
            f"{PREFIX}/decisions": {
                "post": _operation(
                    "decide", "Approve or reject one version.", _ref("Version"), 403, 404, 413, 415, requestBody=body
                )
            },
            f"{PREFIX}/audit": {"get": _operation("verify", "The chain, proved.", _ref("Audit"), parameters=[anchor])},
        },
        "components": {
            "securitySchemes": {"reviewer": {"type": "http", "scheme": "bearer"}},
            "schemas": _SCHEMAS,
        },
    }
