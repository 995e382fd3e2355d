"""The table of fields in docs/server-file.md, made of the model: name, what it takes, its default, what it means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from kong_mcp.declare.model import SERVER_FILE, fields_of

_SHORT: Final = 40
_WORDS: Final = {"string": "text", "boolean": "true or false", "any": "as decK has it"}


def table() -> str:
    """Return the rows of all fields as a Markdown table."""
    rows = ["| field | takes | default | meaning |", "|---|---|---|---|"]
    rows += [
        f"| `{name}` | {takes} | {default} | {meaning} |" for name, takes, default, meaning in _rows(SERVER_FILE, "")
    ]
    return "\n".join(rows) + "\n"


def _rows(record: dict[str, Any], before: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in fields_of(record).items():
        where = f"{before}{name}"
        yield where, _takes(field), _default(field), _meaning(field)
        inner = field.get("elements", field)
        if inner["type"] == "record" and "short" not in inner:  # auth takes what plugins take
            yield from _rows(inner, f"{where}[]." if "elements" in field else f"{where}.")
        if "or" in inner and inner is not field:  # a mapping among the words of a list
            yield from _rows(inner["or"], f"{where}[].")
        if "or" in field:
            yield from _rows(field["or"], f"{where}.")


def _takes(field: dict[str, Any]) -> str:
    kind = field["type"]
    if "one_of" in field:
        return " or ".join(f"`{word}`" for word in field["one_of"])
    if kind == "integer":
        return "{:,} to {:,}".format(*field["between"]) if "between" in field else "whole number"
    if "or" in field:
        return f"{_takes({name: one for name, one in field.items() if name != 'or'})}, or a mapping"
    if kind in {"array", "set"}:
        return f"list of {'mappings' if field['elements']['type'] == 'record' else _takes(field['elements'])}"
    if kind == "map":
        return f"names with {_takes(field['values'])}"
    return "mapping" if kind == "record" else _WORDS[kind]


def _default(field: dict[str, Any]) -> str:
    if field.get("required") and "default" not in field:
        return "**must be there**"
    if "required_unless" in field:
        return f"**must be there**, or `{field['required_unless']}`"
    default = field.get("default")
    if default is None or default == []:
        return ""
    text = json.dumps(default) if isinstance(default, list | bool) else str(default)
    return f"`{text}`" if len(text) <= _SHORT else "see the schema"


def _meaning(field: dict[str, Any]) -> str:
    text = str(field.get("description", ""))
    return text.replace("|", "\\|").replace("<", "&lt;")
