"""A JSON Schema as a person reads it: one row a property, however the schema is nested, and an end to what recurs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_sidecar.portal.shown import Piece, Text, plain, shown, value

DEEPEST: Final = 6
MOST_ROWS: Final = 200
_REFERENCES: Final = 16
_RULES: Final = {
    "const": "always",
    "default": "default",
    "format": "format",
    "pattern": "pattern",
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
    "multipleOf": "a multiple of",
    "minLength": "characters at least",
    "maxLength": "characters at most",
    "minItems": "items at least",
    "maxItems": "items at most",
}
"""Keyword -> what people call it (JSON Schema 2020-12, validation, section 6)."""


@dataclass(frozen=True, slots=True)
class SchemaRow:
    """One property: `kind` says what it may be, `rules` are (what it is called, its value)."""

    depth: int
    name: tuple[Piece, ...]
    kind: tuple[Piece, ...]
    required: bool
    text: Text
    rules: tuple[tuple[str, tuple[Piece, ...]], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a schema; `cut` says that there are more than are shown."""

    rows: tuple[SchemaRow, ...]
    cut: bool = False


def table(schema: Any, findings: tuple[Mapping[str, Any], ...] = ()) -> Table:
    """Return the properties of a schema in the order in which it names them."""
    rows: list[SchemaRow] = []
    for row in _rows(schema, schema, 0, (), findings):
        if len(rows) == MOST_ROWS:
            return Table(tuple(rows), cut=True)
        rows.append(row)
    return Table(tuple(rows))


def _rows(
    schema: Any, root: Any, depth: int, way: tuple[int, ...], findings: tuple[Mapping[str, Any], ...]
) -> Iterator[SchemaRow]:
    schema, _ = resolved(schema, root)
    if depth >= DEEPEST or id(schema) in way:
        return
    way = (*way, id(schema))
    properties = schema.get("properties")
    required = schema.get("required")
    needed = {one for one in required if isinstance(one, str)} if isinstance(required, list) else set()
    for name, given in properties.items() if isinstance(properties, Mapping) else ():
        one, recurs = resolved(given, root)
        recurs = recurs or id(one) in way
        yield SchemaRow(
            depth,
            plain(str(name), 120),
            plain(kind_of(one, root) + (", as above" if recurs else "")),
            name in needed,
            shown(str(one.get("description", "")) if isinstance(one.get("description"), str) else "", findings),
            tuple(_rules(one)),
        )
        if not recurs:
            yield from _rows(one, root, depth + 1, way, findings)
    items = schema.get("items")
    if isinstance(items, Mapping):
        yield from _rows(items, root, depth, way, findings)
    for keyword in ("anyOf", "oneOf", "allOf"):
        choices = schema.get(keyword)
        for choice in choices if isinstance(choices, list) else ():
            yield from _rows(choice, root, depth, way, findings)


def _rules(schema: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Piece, ...]]]:
    choices = schema.get("enum")
    if isinstance(choices, list):
        yield (
            "one of",
            value(choices[:30]) if len(choices) <= 30 else (*value(choices[:30]), Piece(f" of {len(choices)}")),
        )
    for keyword, called in _RULES.items():
        if keyword in schema:
            yield called, value(schema[keyword])


def kind_of(schema: Mapping[str, Any], root: Any) -> str:
    """Return in words what a value may be."""
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(str(one)[:20] for one in kind[:8])
    if kind == "array":
        items, _ = resolved(schema.get("items", {}), root)
        inner = items.get("type")
        return f"list of {inner}" if isinstance(inner, str) else "list"
    if isinstance(kind, str):
        return kind
    if any(keyword in schema for keyword in ("anyOf", "oneOf", "allOf")):
        return "one of several"
    return "choice" if "enum" in schema else "anything"


def resolved(schema: Any, root: Any) -> tuple[Mapping[str, Any], bool]:
    """Follow `$ref` within the document: nothing is ever fetched. Returns the schema, and whether it goes in a ring."""
    for _ in range(_REFERENCES):
        if not isinstance(schema, Mapping):
            return {}, False
        reference = schema.get("$ref", schema.get("$dynamicRef"))
        if not isinstance(reference, str):
            return schema, False
        target = _target(reference, root)
        if target is None:
            return {name: one for name, one in schema.items() if name != "$ref"}, False
        schema = target
    return {}, True


def _target(reference: str, root: Any) -> Any:
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return None
    found = root
    for step in reference[2:].split("/")[:32]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found
