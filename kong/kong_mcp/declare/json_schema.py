"""The published JSON Schema of server files, made of the same table that reads them (model.py).

Editors show the descriptions and complete the names: yaml-language-server by the first line of a file,
`# yaml-language-server: $schema=...`. Source: JSON Schema draft-07, which that server knows best.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from kong_mcp.declare.model import SERVER_FILE, fields_of
from kong_mcp.declare.values import ANY_NUMBER

TITLE: Final = "A server file of kong-mcp"
_KEPT: Final[tuple[str, ...]] = ("description", "default", "examples")


def text() -> str:
    """Return the schema as it is published."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a server file."""
    about = "One MCP server behind the gateway. `kong-mcp server check` says the rest of what must hold."
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": TITLE,
        "description": about,
        **_of(SERVER_FILE),
    }


def _of(field: dict[str, Any]) -> dict[str, Any]:
    schema = _BY_TYPE[field["type"]](field)
    if "short" in field:  # a word alone stands for the record with it
        schema = {"anyOf": [_of(fields_of(field)[field["short"]]), schema]}
    if "or" in field:  # a mapping in its place
        schema = {"anyOf": [schema, _of(field["or"])]}
    # Kong writes an empty default where a list may be left out: nothing to tell a person.
    kept = {name: field[name] for name in _KEPT if name in field and field[name] not in ([], None)}
    return {**kept, **schema}


def _string(field: dict[str, Any]) -> dict[str, Any]:
    if "one_of" in field:
        return {"type": "string", "enum": list(field["one_of"])}
    schema: dict[str, Any] = {"type": "string", "minLength": 1}
    if "pattern" in field:
        schema["pattern"] = f"^(?:{field['pattern']})$"
    return schema


def _integer(field: dict[str, Any]) -> dict[str, Any]:
    least, most = field.get("between", ANY_NUMBER)
    return {"type": "integer", "minimum": least, "maximum": most}


def _boolean(_field: dict[str, Any]) -> dict[str, Any]:
    return {"type": "boolean"}


def _array(field: dict[str, Any]) -> dict[str, Any]:
    least = {"minItems": field["len_min"]} if "len_min" in field else {}
    return {"type": "array", "items": _of(field["elements"]), **least}


def _map(field: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": _of(field["values"])}


def _record(field: dict[str, Any]) -> dict[str, Any]:
    fields = fields_of(field)
    required = [name for name, one in fields.items() if one.get("required") and "default" not in one]
    either = [(name, one["required_unless"]) for name, one in fields.items() if "required_unless" in one]
    return {
        "type": "object",
        "properties": {name: _of(one) for name, one in fields.items()},
        **({"anyOf": [{"required": [name]} for name in either[0]]} if either else {}),
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _any(_field: dict[str, Any]) -> dict[str, Any]:
    return {}


_BY_TYPE: Final[dict[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "string": _string,
    "integer": _integer,
    "boolean": _boolean,
    "array": _array,
    "set": _array,
    "map": _map,
    "record": _record,
    "any": _any,
}
