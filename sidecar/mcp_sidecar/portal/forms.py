"""The form with which somebody tries a tool: a field for each argument, and what was filled in as JSON values again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_core import jsonrpc
from mcp_core.jsonrpc import Limits, NotStrictError
from mcp_sidecar.portal.schema_view import kind_of, resolved
from mcp_sidecar.portal.shown import Piece, Text, plain, shown

MOST_FIELDS: Final = 100
WHOLE: Final = "arguments"
"""The field with all arguments as JSON, for tools with more of them than are asked for one by one."""
_LIMITS: Final = Limits(body=256 * 1024, depth=64, keys=5000)
_MOST_CHOICES: Final = 200


@dataclass(frozen=True, slots=True)
class FormField:
    """One argument. `input` is text, long, number, boolean, choice or json; `key` is what the form calls it."""

    key: str
    name: str
    label: tuple[Piece, ...]
    input: str
    kind: str
    required: bool
    text: Text
    choices: tuple[str, ...] = ()
    given: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Filled:
    """What was filled in: arguments, or for each field (by key) what is wrong with it."""

    arguments: dict[str, Any]
    problems: dict[str, str]


def fields(
    schema: Any, given: Mapping[str, str] | None = None, problems: Mapping[str, str] | None = None
) -> list[FormField]:
    """Return the fields of a tool's input schema, with what was filled in and what is wrong with it."""
    given, problems = given or {}, problems or {}
    root, _ = resolved(schema, schema)
    properties = root.get("properties")
    required = root.get("required")
    needed = {one for one in required if isinstance(one, str)} if isinstance(required, list) else set()
    found = []
    for number, (name, one) in enumerate(properties.items() if isinstance(properties, Mapping) else ()):
        if number == MOST_FIELDS:
            break
        key, part = f"a{number}", resolved(one, schema)[0]
        description = part.get("description")
        found.append(
            FormField(
                key,
                str(name),
                plain(str(name), 120),
                _input(part),
                kind_of(part, schema),
                name in needed,
                shown((description if isinstance(description, str) else "")[:1000]),
                _choices(part),
                given.get(key, _default(part)),
                problems.get(key, ""),
            )
        )
    return sorted(found, key=lambda field: not field.required)


def read(schema: Any, given: Mapping[str, str]) -> Filled:
    """Return the arguments that a form holds. What was left empty is left out."""
    arguments: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for field in fields(schema, given):
        text = given.get(field.key, "")
        if not text.strip() and not (field.input in ("text", "long") and field.required and text):
            if field.required:
                problems[field.key] = "This must be filled in."
            continue
        try:
            arguments[field.name] = _value(field, text)
        except ValueError as error:
            problems[field.key] = str(error)
    if given.get(WHOLE, "").strip():
        try:
            whole = jsonrpc.load(given[WHOLE].encode(), _LIMITS)
        except NotStrictError as error:
            return Filled(arguments, {**problems, WHOLE: f"This is not JSON: {error}"})
        if not isinstance(whole, dict):
            return Filled(arguments, {**problems, WHOLE: 'Write a JSON object, {"name": value}.'})
        arguments.update(whole)
        problems = {key: text for key, text in problems.items() if _name(schema, key) not in whole}
    return Filled(arguments, problems)


def _name(schema: Any, key: str) -> str:
    return next((field.name for field in fields(schema) if field.key == key), "")


def _value(field: FormField, text: str) -> Any:
    if field.input == "number":
        try:
            return int(text) if field.kind == "integer" else json.loads(text.strip(), parse_constant=_no_number)
        except ValueError:
            raise ValueError("Write a whole number." if field.kind == "integer" else "Write a number.") from None
    if field.input == "boolean":
        return text == "true"
    if field.input == "choice":
        if not text.isascii() or not text.isdigit() or int(text) >= len(field.choices):
            raise ValueError("Choose one of them.")
        return json.loads(field.choices[int(text)])
    if field.input == "json":
        try:
            return jsonrpc.load(text.encode(), _LIMITS)
        except NotStrictError as error:
            raise ValueError(f"This is not JSON: {error}") from None
    return text.replace("\r\n", "\n")


def _no_number(_word: str) -> float:
    raise ValueError("not a number of JSON")


def _input(schema: Mapping[str, Any]) -> str:
    if _choices(schema):
        return "choice"
    kind = schema.get("type")
    if kind == "string":
        length = schema.get("maxLength")
        return "long" if isinstance(length, int) and length > 200 else "text"
    if kind in ("number", "integer"):
        return "number"
    return "boolean" if kind == "boolean" else "json"


def _choices(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the values of an enumeration as JSON texts."""
    choices = schema.get("enum")
    if not isinstance(choices, list) or not 0 < len(choices) <= _MOST_CHOICES:
        return ()
    return tuple(json.dumps(choice) for choice in choices)


def _default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    if default is None or _choices(schema):
        return ""
    if isinstance(default, bool):
        return "true" if default else "false"
    return default if isinstance(default, str) and schema.get("type") == "string" else json.dumps(default)[:10_000]
