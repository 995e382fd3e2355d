"""Validates values against Kong's schema tables and fills in defaults.

A field is a dict as in Kong's plugin schemas (``type``, ``required``, ``default``, ``elements``, ``one_of``...). Of
what Kong knows there, this has what our plugins and the entities use; a schema that asks for more is refused.
The messages are Kong's. Paths are dotted; array positions count from 1, as Kong's do.
Source: kong/db/schema/init.lua (Kong 3.9.1).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

from kong_devkit.errors import SchemaError

Field = Mapping[str, Any]
Problems = list[tuple[str, str]]

REFERENCE: Final = re.compile(r"^\{vault://[^/}]+/[^}]+\}$")
_SET: Final = re.compile(r"\[[^\]%\\]*\]")


def validate(field: Field, value: Any, path: str = "") -> Any:
    """Check a value against a field and fill in defaults.

    Returns:
        A new value: unset fields of records are absent, defaults are filled in, sets have no duplicates.

    Raises:
        SchemaError: with every problem found, each at its path.
    """
    problems: Problems = []
    checked = _field(field, value, path, problems)
    if problems:
        raise SchemaError(problems)
    return checked


def check_table(schema: Any, name: str) -> Field:
    """Find the ``config`` record in a plugin's schema table.

    Raises:
        SchemaError: the table is not a plugin schema, or asks for what the devkit does not check.
    """
    fields = schema.get("fields") if isinstance(schema, dict) else None
    found = next((field["config"] for field in fields or () if isinstance(field, dict) and "config" in field), None)
    if not isinstance(found, dict):
        raise SchemaError([(f"schema of plugin {name}", "has no 'config' record among its fields")])
    problems = [
        (f"schema of plugin {name}", f"the devkit does not check {one}: use a real Kong") for one in _odd(found)
    ]
    if problems:
        raise SchemaError(problems)
    return {"required": True, **found}


def _odd(field: Field) -> Iterator[str]:
    """Yield what a field, or one in it, asks for and ``validate`` does not do."""
    yield from (f"'{name}'" for name in field if name not in _KNOWN)
    if field.get("type") not in _TYPES:
        yield f"the type '{field.get('type')}'"
    pattern = field.get("match")
    # Lua's patterns are Python's where there is no class, no lazy repetition and no sign that only Python knows.
    if pattern is not None and set(_SET.sub("", pattern)) & set("%-[]{}|\\()"):
        yield f"the pattern {pattern}"
    inner = [*record_fields(field).values(), *(field[name] for name in ("elements", "keys", "values") if name in field)]
    for one in inner:
        yield from _odd(one)


def _field(field: Field, value: Any, path: str, problems: Problems) -> Any:
    if value is None and field.get("default") is not None:
        value = deepcopy(field["default"])
    kind = field["type"]
    if value is None and kind == "record" and field.get("required"):
        value = {}
    if value is None:
        if field.get("required"):
            problems.append((path, "required field missing"))
        return None
    before = len(problems)
    value = _TYPES[kind](field, value, path, problems)
    if len(problems) == before:
        _validators(field, value, path, problems)
    return value


def _string(field: Field, value: Any, path: str, problems: Problems) -> Any:
    if not isinstance(value, str):
        problems.append((path, "expected a string"))
    elif value == "" and field.get("len_min", 1) != 0:
        problems.append((path, "length must be at least 1"))
    return value


def _number(_field: Field, value: Any, path: str, problems: Problems) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        problems.append((path, "expected a number"))
    return value


def _integer(_field: Field, value: Any, path: str, problems: Problems) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        problems.append((path, "expected an integer"))
        return value
    return int(value)


def _boolean(_field: Field, value: Any, path: str, problems: Problems) -> Any:
    if not isinstance(value, bool):
        problems.append((path, "expected a boolean"))
    return value


def _array(field: Field, value: Any, path: str, problems: Problems) -> Any:
    if not isinstance(value, list):
        problems.append((path, f"expected {'a set' if field['type'] == 'set' else 'an array'}"))
        return value
    element: Field = {"required": True, **field["elements"]}
    items = [_field(element, one, f"{path}[{i}]", problems) for i, one in enumerate(value, 1)]
    if field["type"] == "set":
        return [one for i, one in enumerate(items) if one not in items[:i]]
    return items


def _map(field: Field, value: Any, path: str, problems: Problems) -> Any:
    if not isinstance(value, dict):
        problems.append((path, "expected a map"))
        return value
    checked = {}
    for key, one in value.items():
        _field(field["keys"], key, f"{path}.{key}", problems)
        checked[key] = _field({"required": True, **field["values"]}, one, f"{path}.{key}", problems)
    return checked


def record_fields(field: Field) -> dict[str, Field]:
    """The fields of a record by name, in the order written."""
    return {name: sub for entry in field.get("fields", []) for name, sub in entry.items()}


def _record(field: Field, value: Any, path: str, problems: Problems) -> Any:
    if not isinstance(value, dict):
        problems.append((path, "expected a record"))
        return value
    known = record_fields(field)
    prefix = f"{path}." if path else ""
    problems.extend((f"{prefix}{name}", UNKNOWN) for name in value if name not in known)
    checked = {}
    for name, sub in known.items():
        one = _field(sub, value.get(name), f"{prefix}{name}", problems)
        if one is not None:
            checked[name] = one
    return checked


UNKNOWN: Final = "unknown field: if Kong has it, the devkit does not; use a real Kong"

_TYPES: Final[Mapping[str, Callable[[Field, Any, str, Problems], Any]]] = {
    "string": _string,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "array": _array,
    "set": _array,
    "map": _map,
    "record": _record,
    "json": lambda _field, value, _path, _problems: value,
}


def _validators(field: Field, value: Any, path: str, problems: Problems) -> None:
    if field.get("referenceable") and isinstance(value, str) and REFERENCE.match(value):
        return
    for name, check in _VALIDATORS.items():
        if name in field and (message := check(value, field[name])) is not None:
            problems.append((path, str(field.get("err") or message)))
            return


def _plain(value: Any) -> str:
    return "true" if value is True else "false" if value is False else str(value)


_VALIDATORS: Final[Mapping[str, Callable[[Any, Any], str | None]]] = {
    "eq": lambda v, w: None if v == w else f"value must be {_plain(w)}",
    "one_of": lambda v, w: None if v in w else f"expected one of: {', '.join(map(_plain, w))}",
    "between": lambda v, w: None if w[0] <= v <= w[1] else f"value should be between {w[0]} and {w[1]}",
    "len_min": lambda v, w: None if len(v) >= w else f"length must be at least {w}",
    "match": lambda v, w: None if re.search(w, v) else f"invalid value: {v}",
    # ours, for the built-in entities: what Kong writes as custom_validator functions
    "custom": lambda v, check: check(v),
}
_KNOWN: Final = frozenset(
    {
        *_VALIDATORS,
        *("type", "required", "default", "description", "err", "referenceable", "elements", "keys", "values", "fields"),
    }
)
