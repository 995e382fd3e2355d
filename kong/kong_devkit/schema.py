"""Validates values against Kong's schema tables and fills in defaults.

A field is a dict as in Kong's plugin schemas (``type``, ``required``, ``default``, ``elements``, ``fields``,
``one_of``...).
The messages are Kong's. Paths are dotted; array positions count from 1, as Kong's do.
Source: kong/db/schema/init.lua (Kong 3.9.1).
"""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final

from kong_devkit.errors import SchemaError
from kong_devkit.luapattern import compile_lua

Field = Mapping[str, Any]
Problems = list[tuple[str, str]]

REFERENCE: Final = re.compile(r"^\{vault://[^/}]+/[^}]+\}$")
_UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", re.IGNORECASE)


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
        SchemaError: the table is not a plugin schema.
    """
    fields = schema.get("fields") if isinstance(schema, dict) else None
    if isinstance(fields, list):
        for entry in fields:
            if isinstance(entry, dict) and isinstance(entry.get("config"), dict):
                return {"required": True, **entry["config"]}
    raise SchemaError([(f"schema of plugin {name}", "has no 'config' record among its fields")])


def _field(field: Field, value: Any, path: str, problems: Problems) -> Any:
    if value is None and field.get("default") is not None:
        value = deepcopy(field["default"])
    kind = field.get("type")
    if value is None and kind == "record" and field.get("required"):
        value = {}
    if value is None:
        if field.get("required"):
            problems.append((path, "required field missing"))
        return None
    check = _TYPES.get(str(kind))
    if check is None:
        problems.append((path, f"the schema asks for the unknown type '{kind}'"))
        return value
    before = len(problems)
    value = check(field, value, path, problems)
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
        problems.append((path, f"expected {'a set' if field.get('type') == 'set' else 'an array'}"))
        return value
    element: Field = {"required": True, **field.get("elements", {})}
    items = [_field(element, one, f"{path}[{i}]", problems) for i, one in enumerate(value, 1)]
    if field.get("type") == "set":
        return [one for i, one in enumerate(items) if one not in items[:i]]
    return items


def _map(field: Field, value: Any, path: str, problems: Problems) -> Any:
    if not isinstance(value, dict):
        problems.append((path, "expected a map"))
        return value
    keys, values = field.get("keys", {"type": "string"}), field.get("values", {})
    checked = {}
    for key, one in value.items():
        _field(keys, key, f"{path}.{key}", problems)
        checked[key] = _field({"required": True, **values}, one, f"{path}.{key}", problems)
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
    problems.extend((f"{prefix}{name}", "unknown field") for name in value if name not in known)
    checked = {}
    for name, sub in known.items():
        one = _field(sub, value.get(name), f"{prefix}{name}", problems)
        if one is not None:
            checked[name] = one
    return checked


def _json(_field: Field, value: Any, _path: str, _problems: Problems) -> Any:
    return value


_TYPES: Final[Mapping[str, Callable[[Field, Any, str, Problems], Any]]] = {
    "string": _string,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "array": _array,
    "set": _array,
    "map": _map,
    "record": _record,
    "json": _json,
}


def _validators(field: Field, value: Any, path: str, problems: Problems) -> None:
    if field.get("referenceable") and isinstance(value, str) and REFERENCE.match(value):
        return
    for name, check in _VALIDATORS.items():
        wanted = field.get(name)
        if wanted is None:
            continue
        message = check(value, wanted)
        if message is not None:
            problems.append((path, str(field.get("err") or message)))
            return


def _match(value: Any, pattern: str) -> str | None:
    return None if compile_lua(pattern).search(value) else f"invalid value: {value}"


def _match_all(value: Any, patterns: list[dict[str, str]]) -> str | None:
    return next((one["err"] for one in patterns if not compile_lua(one["pattern"]).search(value)), None)


def _match_none(value: Any, patterns: list[dict[str, str]]) -> str | None:
    return next((one["err"] for one in patterns if compile_lua(one["pattern"]).search(value)), None)


def _match_any(value: Any, wanted: dict[str, Any]) -> str | None:
    return None if any(compile_lua(one).search(value) for one in wanted["patterns"]) else str(wanted["err"])


def _is_regex(value: Any, _wanted: Any) -> str | None:
    try:
        re.compile(value)
    except re.error:
        return f"not a valid regex: {value}"
    return None


def _plain(value: Any) -> str:
    return "true" if value is True else "false" if value is False else str(value)


_VALIDATORS: Final[Mapping[str, Callable[[Any, Any], str | None]]] = {
    "eq": lambda v, w: None if v == w else f"value must be {_plain(w)}",
    "ne": lambda v, w: None if v != w else f"value must not be {_plain(w)}",
    "not_one_of": lambda v, w: None if v not in w else f"must not be one of: {', '.join(map(_plain, w))}",
    "one_of": lambda v, w: None if v in w else f"expected one of: {', '.join(map(_plain, w))}",
    "gt": lambda v, w: None if v > w else f"value must be greater than {_plain(w)}",
    "uuid": lambda v, _: None if _UUID.match(v) else "expected a valid UUID",
    "is_regex": _is_regex,
    "between": lambda v, w: None if w[0] <= v <= w[1] else f"value should be between {w[0]} and {w[1]}",
    "len_eq": lambda v, w: None if len(v) == w else f"length must be {w}",
    "len_min": lambda v, w: None if len(v) >= w else f"length must be at least {w}",
    "len_max": lambda v, w: None if len(v) <= w else f"length must be at most {w}",
    "starts_with": lambda v, w: None if v.startswith(w) else f"should start with: {w}",
    "not_match": lambda v, w: None if _match(v, w) else f"invalid value: {v}",
    "match_none": _match_none,
    "match": _match,
    "match_all": _match_all,
    "match_any": _match_any,
    "contains": lambda v, w: None if w in v else f"expected to contain: {w}",
    # ours, for the built-in entities: what Kong writes as custom_validator functions
    "custom": lambda v, check: check(v),
}
