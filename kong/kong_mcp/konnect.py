"""A plugin's schema as the one file of Lua that a control plane takes which runs no plugin server: Konnect's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

_HEAD: Final = "-- Made of the plugin's Python schema by `kong-mcp unpack`: do not change it here.\nreturn "
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS: Final = frozenset(
    (
        *("and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if"),
        *("in", "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while"),
    )
)
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\0": "\\0"}


def schema_lua(schema: Mapping[str, object]) -> str:
    """Return a file of Lua that returns this schema: values of JSON only, without a call or a require.

    Raises:
        TypeError: something in it is no value of JSON.
    """
    return _HEAD + _lua(schema, 0) + "\n"


def _lua(value: object, depth: int) -> str:
    """Return a value as Lua writes it (Lua 5.1 reference manual, 2.1 and 2.5.7)."""
    if isinstance(value, str):
        return '"' + "".join(_ESCAPES.get(one, one) for one in value) + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return _table([f"{_key(name)} = {_lua(one, depth + 1)}" for name, one in value.items()], depth)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return _table([_lua(one, depth + 1) for one in value], depth)
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) and name not in _WORDS else f"[{_lua(name, 0)}]"


def _table(members: Sequence[str], depth: int) -> str:
    if not members:
        return "{}"
    indent = "  " * (depth + 1)
    return "{\n" + "".join(f"{indent}{member},\n" for member in members) + "  " * depth + "}"
