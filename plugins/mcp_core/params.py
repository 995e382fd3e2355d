"""Headers that repeat single arguments of a call: where the configuration knows them, they must tell the truth.

A rate limit or a route of Kong may hang on such a header: one that says anything but the body would be a way past it.
Headers that the configuration does not know pass unread, as the specification asks of intermediaries.
Source: 2026-07-28/basic/transports/streamable-http (custom headers from tool parameters, server validation).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeAlias

from mcp_core import headers as http
from mcp_core.jsonrpc import Request
from mcp_core.methods import PARAM_HEADER_PREFIX
from mcp_core.outcome import HEADER_MISMATCH, Reject
from mcp_core.reasons import Reason

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_DEEPEST: Final = 5
"""Objects within objects whose properties are looked at for headers."""
_NUMBER: Final = re.compile(r"-?[0-9]{1,32}(?:\.[0-9]{1,32})?(?:[eE][+-]?[0-9]{1,2})?")


class ParamHeaderError(ValueError):
    """A header cannot be known as it is written; the message names the field and says what to write."""


@dataclass(frozen=True, slots=True)
class ParamHeader:
    """One header, lower-case and whole, and the keys that lead from a call's arguments to what it repeats."""

    header: str
    path: tuple[str, ...]


ParamHeaders: TypeAlias = Mapping[str, Sequence[ParamHeader]]
"""Tool -> the headers that repeat its arguments."""


def read_config(value: Any) -> dict[str, tuple[ParamHeader, ...]]:
    """Read [{tool, header, argument: [key, ...]}, ...]; `header` is the part behind Mcp-Param-.

    Raises:
        ParamHeaderError: naming the entry that cannot be used.
    """
    if value is None or value == {}:  # Kong's JSON writes an empty list as an empty object
        return {}
    found: dict[str, tuple[ParamHeader, ...]] = {}
    wanted = "write {tool: NAME, header: NAME, argument: [KEY, ...]}"
    for number, entry in enumerate(value if isinstance(value, list | tuple) else [value]):
        where = f"param_headers[{number}]"
        if not isinstance(entry, Mapping) or entry.keys() != {"tool", "header", "argument"}:
            raise ParamHeaderError(f"{where}: {wanted}")
        tool, header, path = entry["tool"], entry["header"], entry["argument"]
        if not isinstance(tool, str) or not tool:
            raise ParamHeaderError(f"{where}.tool: {wanted}")
        if not isinstance(header, str) or _TOKEN.fullmatch(header) is None:
            raise ParamHeaderError(f"{where}.header: write what stands behind Mcp-Param-, a token of RFC 9110")
        if not isinstance(path, list | tuple) or not path or not all(isinstance(key, str) for key in path):
            raise ParamHeaderError(f"{where}.argument: {wanted}")
        known = ParamHeader(PARAM_HEADER_PREFIX + header.lower(), tuple(path))
        found[tool] = (*found.get(tool, ()), known)
    return found


def check(known: Sequence[ParamHeader], headers: http.Headers, call: Request, *, required: bool) -> Reject | None:
    """Refuse a call whose headers say anything but its arguments, or, where `required`, leave out what is there."""
    for one in known:
        value: Any = call.params.get("arguments")
        for key in one.path:
            value = value.get(key) if isinstance(value, dict) else None
        said = http.single(headers, one.header)
        if said is None:
            if required and value is not None:
                text = f"Header mismatch: send {one.header} with what the argument {'.'.join(one.path)} says."
                return Reject(HEADER_MISMATCH, text, Reason.PARAM_MISSING, id=call.id)
        elif not _agrees(http.decode_value(said), value):
            text = f"Header mismatch: {one.header} does not say what the argument {'.'.join(one.path)} says."
            return Reject(HEADER_MISMATCH, text, Reason.PARAM_MISMATCH, id=call.id)
    return None


def repeating(schema: Any, arguments: Any) -> dict[str, str]:
    """Return the headers that a client sends with these arguments of a tool, by its input schema (`x-mcp-header`).

    A header that a schema asks for twice, or whose name is no token, is left out: the server refuses what it needs.
    """
    found: dict[str, str] = {}
    for header, value in _repeated(schema, arguments, _DEEPEST):
        name = PARAM_HEADER_PREFIX + header.lower()
        if _TOKEN.fullmatch(header) is not None and name not in found:
            found[name] = http.encode_value(value)
    return found


def _repeated(schema: Any, arguments: Any, deepest: int) -> Iterator[tuple[str, str]]:
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not deepest or not isinstance(properties, Mapping) or not isinstance(arguments, Mapping):
        return
    for key, one in properties.items():
        value, header = arguments.get(key), one.get("x-mcp-header") if isinstance(one, Mapping) else None
        if isinstance(header, str) and isinstance(value, str | bool | int):
            yield header, value if isinstance(value, str) else json.dumps(value)
        yield from _repeated(one, value, deepest - 1)


def _agrees(said: str | None, value: Any) -> bool:
    if said is None:
        return False
    if isinstance(value, bool):
        return said == ("true" if value else "false")
    if isinstance(value, int | float):
        # 42.0 and 42 are equal, and no digit is lost on the way (server validation, note on integers).
        return _NUMBER.fullmatch(said) is not None and Decimal(said) == Decimal(value)
    return isinstance(value, str) and said == value
