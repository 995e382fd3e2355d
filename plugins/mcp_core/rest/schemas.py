"""Schemas of OpenAPI as JSON Schema 2020-12, as input schemas of tools are written.

Laws: what is referred to is written once, under `$defs`, so a schema that contains itself is no trouble; a schema that
is itself, without anything between (allOf of itself, say), becomes one that takes anything, as no reader could end with
it; the whole has a bounded size, and what is nearest to the arguments is written first.
Source: OpenAPI 3.0.3, Schema Object; OpenAPI 3.1.0, Schema Object.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from mcp_core.rest.document import LONGEST_NAME, ApiDocument, OpenApiError, text_of

MOST_CHARACTERS: Final = 49_152
"""Characters of all schemas of one tool. Validators and models take more, and nobody is helped by it."""
MOST_DEFINITIONS: Final = 400
"""Schemas of one tool that are referred to: with what is said in place of one that is too long, all stay readable."""
MOST_EXPRESSIONS: Final = 100
"""Values of `pattern` in one tool: readers that bound their work take only so many."""
MOST_DEPTH: Final = 48
_LONGEST_TEXT: Final = 400
_TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_OF_SCHEMAS: Final = frozenset(
    {"$dynamicRef", "$recursiveRef", "$ref", "$schema", "unevaluatedItems", "unevaluatedProperties"}
)
"""What readers of a schema look for anywhere in it, plain values too (mcp_core.arguments)."""
_IN_PLACE: Final = ("allOf", "anyOf", "oneOf")
_DEFINITIONS: Final = "#/$defs/"
_TOO_LONG: Final = {"description": "Anything: the whole schema is too long to be shown."}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_PLAIN: Final[dict[str, Callable[[Any], bool]]] = {
    "const": lambda _: True,
    "default": lambda _: True,
    "enum": lambda value: isinstance(value, list) and bool(value),
    "exclusiveMaximum": _is_number,
    "exclusiveMinimum": _is_number,
    "format": lambda value: isinstance(value, str),
    "maxItems": _is_count,
    "maxLength": _is_count,
    "maxProperties": _is_count,
    "maximum": _is_number,
    "minItems": _is_count,
    "minLength": _is_count,
    "minProperties": _is_count,
    "minimum": _is_number,
    "multipleOf": lambda value: _is_number(value) and value > 0,
    "pattern": lambda value: isinstance(value, str),
    "uniqueItems": lambda value: isinstance(value, bool),
}
"""Keywords whose value is taken as it is, where it is well-formed. What is not named here or below is left out."""


class SchemaMaker:
    """Makes the schemas of one tool. `definitions` is complete after `finish`."""

    def __init__(self, document: ApiDocument) -> None:
        self._document = document
        self._names: dict[tuple[str, str], str] = {}
        self._patterns: set[str] = set()
        self._waiting: deque[tuple[str, str]] = deque()
        self.definitions: dict[str, Any] = {}

    def of(self, schema: Any, document: str = "", depth: int = 0) -> dict[str, Any]:
        """Return a schema of OpenAPI as JSON Schema. Raises OpenApiError for a reference that leads nowhere."""
        if not isinstance(schema, dict) or depth > MOST_DEPTH:
            return {}
        # What stands in lists and mappings is looked at here, and again in each operation that refers to it.
        self._document.count(1 + len(schema) + sum(len(one) for one in schema.values() if isinstance(one, dict | list)))
        if isinstance(schema.get("$ref"), str):
            return self._referred(schema, document)
        made: dict[str, Any] = {}
        types = schema.get("type")
        words = filter(_is_text, types if isinstance(types, list) else [types])
        named = [one for one in dict.fromkeys(words) if one in _TYPES]
        if named:
            made["type"] = named[0] if len(named) == 1 else named
        if about := text_of(schema, "description", _LONGEST_TEXT) or text_of(schema, "title", _LONGEST_TEXT):
            made["description"] = about
        for name, fits in _PLAIN.items():
            if name in schema and fits(schema[name]) and self._is_short(schema[name]):
                made[name] = schema[name]
        if "pattern" in made:
            self._patterns.add(made["pattern"])
            if len(self._patterns) > MOST_EXPRESSIONS:
                del made["pattern"]
        self._add_inner(made, schema, document, depth)
        return _as_draft_2020(made, schema)

    def _add_inner(self, made: dict[str, Any], schema: dict[str, Any], document: str, depth: int) -> None:
        def inner(one: Any) -> Any:
            return one if isinstance(one, bool) else self.of(one, document, depth + 1)

        properties = schema.get("properties")
        hidden: set[str] = set()
        if isinstance(properties, dict):
            hidden = {name for name, one in properties.items() if self._is_read_only(one, document)}
            shown = {name: one for name, one in properties.items() if name not in hidden and len(name) <= LONGEST_NAME}
            made["properties"] = {name: inner(one) for name, one in shown.items()}
        required = schema.get("required")
        if isinstance(required, list) and self._is_short(required):
            needed = [one for one in dict.fromkeys(filter(_is_text, required)) if one not in hidden]
            made |= {"required": needed} if needed else {}
        for name in ("items", "additionalProperties", "not"):
            if isinstance(schema.get(name), dict | bool):
                made[name] = inner(schema[name])
        for name in (*_IN_PLACE, "prefixItems"):
            if isinstance(schema.get(name), list) and schema[name]:
                made[name] = [inner(one) for one in schema[name]]

    def _is_short(self, value: Any) -> bool:
        """Return whether a plain value can stand in a schema that is shown; one that cannot is for the API to check."""
        left, stack = MOST_CHARACTERS, [value]
        while stack and left >= 0:
            one = stack.pop()
            if isinstance(one, dict) and not one.keys().isdisjoint(_OF_SCHEMAS):
                return False
            left -= 2 + (len(one) if isinstance(one, str | dict | list) else 0)
            if isinstance(one, dict | list) and left >= 0:
                stack += [*one, *one.values()] if isinstance(one, dict) else one
        self._document.count((MOST_CHARACTERS - left) // 16 if left >= 0 else MOST_CHARACTERS // 16)
        return left >= 0

    def _referred(self, schema: dict[str, Any], document: str) -> dict[str, Any]:
        place = self._document.place(schema["$ref"], document)
        if place not in self._names and len(self._names) >= MOST_DEFINITIONS:
            return {}
        if place not in self._names:
            self._document.at(place)
            last = re.sub(r"[^A-Za-z0-9_.-]", "_", place[1].rpartition("/")[2])[:80] or "schema"
            taken = set(self._names.values())
            name = next(one for at in range(len(taken) + 1) if (one := f"{last}{at or ''}") not in taken)
            self._names[place] = name
            self._waiting.append(place)
        about = text_of(schema, "description", _LONGEST_TEXT)
        return {"$ref": _DEFINITIONS + self._names[place]} | ({"description": about} if about else {})

    def _is_read_only(self, schema: Any, document: str) -> bool:
        try:
            return self._document.resolve(schema, document)[0].get("readOnly") is True
        except OpenApiError:
            return False

    def finish(self, written: int) -> None:
        """Write what was referred to, nearest first, for as long as all together stays short.

        `written` is the characters of what is outside the definitions.

        Raises:
            OpenApiError: a reference leads nowhere, or where it may not; or what is outside is too long by itself.
        """
        left = MOST_CHARACTERS - written
        if left < 0:
            raise OpenApiError(f"has arguments whose schemas take more than {MOST_CHARACTERS:,} characters")
        while self._waiting:
            place = self._waiting.popleft()
            waiting = len(self._waiting)
            made = self.of(self._document.at(place), place[0])
            if (size := length_of(made)) <= left:
                left -= size
            else:
                made = _TOO_LONG
                while len(self._waiting) > waiting:  # what only this one refers to
                    del self._names[self._waiting.pop()]
            self.definitions[self._names[place]] = made
        self._open_circles()

    def _open_circles(self) -> None:
        """Have what is itself, with nothing between, take anything."""
        edges = {name: _in_place(schema) for name, schema in self.definitions.items()}
        done: set[str] = set()
        for start in self.definitions:
            on_the_way: dict[str, list[str]] = {}
            stack = [start]
            while stack:
                name = stack[-1]
                if name not in on_the_way and name not in done:
                    on_the_way[name] = list(edges.get(name, ()))
                if name in done or not on_the_way[name]:
                    on_the_way.pop(name, None)
                    done.add(name)
                    stack.pop()
                    continue
                following = on_the_way[name].pop()
                if following in on_the_way:
                    self.definitions[name], edges[name], on_the_way[name] = {}, [], []
                elif following not in done:
                    stack.append(following)


def length_of(schema: Any) -> int:
    """Return the characters of a schema as JSON. Raises OpenApiError where it cannot be written so."""
    try:
        return len(json.dumps(schema, allow_nan=False))
    except ValueError:
        raise OpenApiError("holds a number that is too large to be written") from None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _in_place(schema: Any) -> list[str]:
    """Return the definitions that a schema holds its own value to, without going into that value."""
    found, stack = [], [schema]
    while stack:
        one = stack.pop()
        if not isinstance(one, dict):
            continue
        if isinstance(reference := one.get("$ref"), str):
            found.append(reference.removeprefix(_DEFINITIONS))
        stack += [member for name in _IN_PLACE for member in one.get(name, ())]
        stack.append(one.get("not"))
    return found


def _as_draft_2020(made: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with what OpenAPI 3.0 writes in its own way: exclusive bounds, and what may be null."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if schema.get(exclusive) is True and bound in made:
            made[exclusive] = made.pop(bound)
    if schema.get("nullable") is not True:
        return made
    if "enum" in made and None not in made["enum"]:
        made["enum"] = [*made["enum"], None]
    if isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    elif any(name in made for name in _IN_PLACE):
        about = {"description": made.pop("description")} if "description" in made else {}
        return {**about, "anyOf": [made, {"type": "null"}]}
    return made
