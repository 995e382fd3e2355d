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
_SCHEMAS: Final = (
    *("items", "additionalProperties", "not", "propertyNames", "contains"),
    *("if", "then", "else"),
)
_SCHEMAS_BY_NAME: Final = ("patternProperties", "dependentSchemas")
_DEFINITIONS: Final = "#/$defs/"
_NOT_READ: Final = frozenset({"$dynamicRef", "unevaluatedItems", "unevaluatedProperties"})
"""Keywords that hold values to more, and cannot be read within bounds."""
_CHOICES: Final = frozenset({"not", "if", "then", "else", "maxContains"})
_TOO_LONG: Final = {"description": "Anything: the whole schema is too long to be shown."}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value)) and len(set(value)) == len(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_PLAIN: Final[dict[str, Callable[[Any], bool]]] = {
    "const": lambda _: True,
    "default": lambda _: True,
    "dependentRequired": lambda value: isinstance(value, dict) and all(map(_is_names, value.values())),
    "enum": lambda value: isinstance(value, list) and bool(value),
    "exclusiveMaximum": _is_number,
    "exclusiveMinimum": _is_number,
    "format": lambda value: isinstance(value, str),
    "maxContains": _is_count,
    "maxItems": _is_count,
    "maxLength": _is_count,
    "maxProperties": _is_count,
    "maximum": _is_number,
    "minContains": _is_count,
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
        self._is_whole = True
        self._waiting: deque[tuple[str, str]] = deque()
        self.definitions: dict[str, Any] = {}

    def of(
        self, schema: Any, document: str = "", depth: int = 0, hidden: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """Return a schema of OpenAPI as JSON Schema; no argument needs what is `hidden`.

        Raises:
            OpenApiError: a reference leads nowhere, or where it may not.
        """
        if not isinstance(schema, dict) or depth > MOST_DEPTH:
            self._is_whole &= not isinstance(schema, dict)
            return {}
        self._is_whole &= schema.keys().isdisjoint(_NOT_READ)
        # What stands in lists and mappings is looked at here, and again in each operation that refers to it.
        self._document.count(1 + len(schema) + sum(len(one) for one in schema.values() if isinstance(one, dict | list)))
        if isinstance(schema.get("$ref"), str) and not self._document.is_draft_2020:
            made = self._referred(schema, document)
            return _or_null(made) if schema.get("nullable") is True else made  # said by many, if not by OpenAPI 3.0
        made = self._referred(schema, document) if isinstance(schema.get("$ref"), str) else {}
        types = schema.get("type")
        words = filter(_is_text, types if isinstance(types, list) else [types])
        named = [word for word in dict.fromkeys(words) if word in _TYPES]
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
                self._is_whole = False
                del made["pattern"]
        self._add_inner(made, schema, document, depth, hidden)
        return _as_draft_2020(made, schema)

    def _add_inner(
        self, made: dict[str, Any], schema: dict[str, Any], document: str, depth: int, hidden: frozenset[str]
    ) -> None:
        def inner(one: Any, hidden: frozenset[str] = frozenset()) -> Any:
            return one if isinstance(one, bool) else self.of(one, document, depth + 1, hidden)

        properties = schema.get("properties")
        hidden |= self._hidden_in(schema, document)
        if isinstance(properties, dict):
            hidden |= {name for name, one in properties.items() if self._is_read_only(one, document)}
            shown = {name: one for name, one in properties.items() if name not in hidden and len(name) <= LONGEST_NAME}
            made["properties"] = {name: inner(one) for name, one in shown.items()}
        required = schema.get("required")
        if isinstance(required, list) and self._is_short(required):
            needed = [word for word in dict.fromkeys(filter(_is_text, required)) if word not in hidden]
            made |= {"required": needed} if needed else {}
        for name in _SCHEMAS:
            if isinstance(schema.get(name), dict | bool):
                made[name] = inner(schema[name])
        for name in _SCHEMAS_BY_NAME:
            if isinstance(within := schema.get(name), dict) and self._is_short(list(within)):
                made[name] = {one: inner(of) for one, of in within.items()}
        for name in (*_IN_PLACE, "prefixItems"):
            if isinstance(schema.get(name), list) and schema[name]:
                made[name] = [inner(one, hidden if name == "allOf" else frozenset()) for one in schema[name]]

    def _is_short(self, value: Any) -> bool:
        """Return whether a plain value can stand in a schema that is shown; one that cannot is for the API to check."""
        left, stack = MOST_CHARACTERS, [value]
        while stack and left >= 0:
            one = stack.pop()
            if isinstance(one, dict) and not one.keys().isdisjoint(_OF_SCHEMAS):
                left = -1
                break
            left -= 2 + (len(one) if isinstance(one, str | dict | list) else 0)
            if isinstance(one, dict | list) and left >= 0:
                stack += [*one, *one.values()] if isinstance(one, dict) else one
        self._document.count((MOST_CHARACTERS - left) // 16 if left >= 0 else MOST_CHARACTERS // 16)
        self._is_whole &= left >= 0
        return left >= 0

    def _referred(self, schema: dict[str, Any], document: str) -> dict[str, Any]:
        place = self._document.place(schema["$ref"], document)
        if place not in self._names and len(self._names) >= MOST_DEFINITIONS:
            self._is_whole = False
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

    def _hidden_in(self, schema: dict[str, Any], document: str) -> set[str]:
        """Return the members that are read only by a part of a schema (allOf): another part may need them."""
        hidden: set[str] = set()
        parts = schema.get("allOf")
        for part in parts if isinstance(parts, list) else ():
            try:
                one, where = self._document.resolve(part, document)
            except OpenApiError:
                continue
            properties = one.get("properties")
            for name, inner in properties.items() if isinstance(properties, dict) else ():
                self._document.count()
                if self._is_read_only(inner, where):
                    hidden.add(name)
        return hidden

    def _is_read_only(self, schema: Any, document: str) -> bool:
        try:
            return self._document.resolve(schema, document)[0].get("readOnly") is True
        except OpenApiError:
            return False

    def finish(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a schema with what it refers to, nearest first, for as long as all together stays short.

        What takes more than it should takes no choice with it: a value that is nothing else would be refused then.

        Raises:
            OpenApiError: a reference leads nowhere, or where it may not; or what is outside is too long by itself.
        """
        left = MOST_CHARACTERS - length_of(schema)
        if left < 0:
            raise OpenApiError(f"has arguments whose schemas take more than {MOST_CHARACTERS:,} characters")
        while self._waiting:
            place = self._waiting.popleft()
            waiting = len(self._waiting)
            made = self.of(self._document.at(place), place[0])
            if (size := length_of(made)) <= left:
                left -= size
            else:
                made, self._is_whole = _TOO_LONG, False
                while len(self._waiting) > waiting:  # what only this one refers to
                    del self._names[self._waiting.pop()]
            self.definitions[self._names[place]] = made
        self._open_circles()
        if self.definitions:
            schema = {**schema, "$defs": self.definitions}
        return schema if self._is_whole else loosened(schema)

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
                    self._is_whole = False
                elif following not in done:
                    stack.append(following)


def loosened(schema: Any) -> Any:
    """Return a schema that takes whatever this one would with parts of it unknown: no part says what may not fit it."""
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _CHOICES:
            continue
        if name in _SCHEMAS:
            made[name] = loosened(value)
        elif name in {"properties", "$defs", *_SCHEMAS_BY_NAME}:
            made[name] = {one: loosened(inner) for one, inner in value.items()}
        elif name == "oneOf":
            made["allOf"] = [*made.get("allOf", ()), {"anyOf": [loosened(one) for one in value]}]
        elif name in {"allOf", "anyOf", "prefixItems"}:
            made[name] = [*made.get(name, ()), *(loosened(one) for one in value)]
        else:
            made[name] = value
    return made


def patterns_of(schema: Any) -> set[str]:
    """Return the expressions of a schema."""
    found, stack = set(), [schema]
    while stack:
        one = stack.pop()
        stack += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        if isinstance(one, dict):
            within = one.get("patternProperties")
            texts = (one.get("pattern"), *(within if isinstance(within, dict) else ()))
            found |= {text for text in texts if isinstance(text, str)}
    return found


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
        stack += [one.get(name) for name in ("not", "if", "then", "else")]
        stack += one.get("dependentSchemas", {}).values()
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
        return _or_null(made)
    return made


def _or_null(made: dict[str, Any]) -> dict[str, Any]:
    about = {"description": made.pop("description")} if "description" in made else {}
    return {**about, "anyOf": [made, {"type": "null"}]}
