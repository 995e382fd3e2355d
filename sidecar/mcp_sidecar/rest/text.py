"""The text of a description, JSON or YAML, as plain values, within bounds.

YAML is read by its events, one after the other: nothing of it makes an object of Python's, stands for something else in
the document, or is so deep that its reader ends. Words mean what YAML 1.2's core schema says: `no` and a date are text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from mcp_core import jsonrpc
from mcp_core.rest.document import OpenApiError

MOST_BYTES: Final = 32 * 1024 * 1024
_MOST_VALUES: Final = 4_000_000
_MOST_DEPTH: Final = 128
_LIMITS: Final = jsonrpc.Limits(body=MOST_BYTES, depth=_MOST_DEPTH, keys=_MOST_VALUES, values=_MOST_VALUES)
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,300}")
_NUMBER: Final = re.compile(r"[-+]?(?:\.[0-9]{1,300}|[0-9]{1,300}(?:\.[0-9]{0,300})?)(?:[eE][-+]?[0-9]{1,3})?")
_WORDS: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def values_in(file: str | Path) -> Any:
    """Return the values that a file holds. Raises OpenApiError, whose message names it."""
    try:
        with Path(file).open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise OpenApiError(f"{file}: cannot be read: {error.strerror}") from None
    try:
        return values_of(raw)
    except OpenApiError as error:
        raise OpenApiError(f"{file}: {error}") from None


def values_of(raw: bytes) -> Any:
    """Return the values that a description's bytes are. Raises OpenApiError."""
    if len(raw) > MOST_BYTES:
        raise OpenApiError(f"has more than {MOST_BYTES // 1024 // 1024} MiB")
    if raw.lstrip()[:1] in {b"{", b"["}:
        try:
            return jsonrpc.load(raw, _LIMITS)
        except jsonrpc.NotStrictError as error:
            raise OpenApiError(f"is no strict JSON: {error}") from None
    try:
        return _document(yaml.parse(raw.decode(), Loader=_LOADER))
    except UnicodeDecodeError:
        raise OpenApiError("is not UTF-8") from None
    except yaml.MarkedYAMLError as error:
        line = getattr(error.problem_mark, "line", None)
        where = "" if line is None else f" in line {line + 1}"
        raise OpenApiError(f"is no YAML{where}: {error.problem}") from None
    except yaml.YAMLError:
        raise OpenApiError("is no YAML: it holds characters that may not stand in it") from None


def _document(events: Iterator[Any]) -> Any:
    """Return the values of the one document. An open mapping waits on the stack with the key that is being filled."""
    top: list[Any] = []
    stack: list[tuple[Any, list[str]]] = [(top, [])]
    count = 0
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.StreamStartEvent | yaml.StreamEndEvent | yaml.DocumentEndEvent):
            continue
        if isinstance(event, yaml.DocumentStartEvent):
            if top:
                raise OpenApiError(f"has a second document in line {line}")
            continue
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            stack.pop()
            continue
        count += 1
        if count > _MOST_VALUES or len(stack) > _MOST_DEPTH:
            raise OpenApiError("holds more values, or deeper ones, than a description may")
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise OpenApiError(f"has an anchor or an alias in line {line}; write out what it stands for")
        value = _value(event)
        _put(stack[-1], value, line)
        if isinstance(value, dict | list):
            stack.append((value, []))
    return top[0] if top else None


def _value(event: Any) -> Any:
    if isinstance(event, yaml.MappingStartEvent):
        return {}
    if isinstance(event, yaml.SequenceStartEvent):
        return []
    return event if not isinstance(event, yaml.ScalarEvent) else _Scalar(event)


class _Scalar:
    """A scalar whose meaning depends on where it stands: a key is always text."""

    def __init__(self, event: yaml.ScalarEvent) -> None:
        self.text: str = event.value
        self.is_plain = bool(event.implicit[0])

    def value(self) -> Any:
        if not self.is_plain:
            return self.text
        if self.text in _WORDS:
            return _WORDS[self.text]
        if _INTEGER.fullmatch(self.text):
            return int(self.text)
        number = float(self.text) if _NUMBER.fullmatch(self.text) else math.inf
        return number if math.isfinite(number) else self.text


def _put(place: tuple[Any, list[str]], value: Any, line: int) -> None:
    into, key = place
    if isinstance(into, list):
        into.append(value.value() if isinstance(value, _Scalar) else value)
    elif key:
        into[key.pop()] = value.value() if isinstance(value, _Scalar) else value
    elif not isinstance(value, _Scalar):
        raise OpenApiError(f"has a list or a mapping for a key in line {line}")
    elif value.text in into:
        raise OpenApiError(f"has the key {value.text[:60]!a} twice, again in line {line}")
    else:
        key.append(value.text)
