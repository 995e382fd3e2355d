"""Reading of a server's JSON as official clients read it, with a note of what they would read differently.

An answer is not refused for a value that is odd somewhere deep in it: what decides (the envelope, the keys of a result,
the items of a list) is judged by whoever reads it. A key that stands twice leaves a mark on its object, and `odd` says
that something may be unsound: looking for it costs a walk, which the answers of honest servers need not pay.
Source: RFC 8259; for what clients accept, ECMAScript's JSON.parse and Python's json.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from mcp_core.counts import may_hold_odd_numbers
from mcp_core.jsonrpc import CONTAINERS, Limits, NotStrictError, depth_of

MAX_DEPTH: Final = 256
"""How deep a text of a server may be nested: official clients refuse deeper ones too (pydantic's at 200)."""

_BLANK: Final = " \t\n\r"
MOST_DOUBLED: Final = 1_000
"""Objects in which a key stands twice: no honest writer makes one, and each costs ten times what another does."""

_ESCAPED_BACKSLASH: Final = "\\\\"
_NO_ESCAPE: Final = "\\|"
"""What stands for an escaped backslash while halves of surrogate pairs are looked for. JSON knows no such escape."""
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_HALF: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


class TooMuchError(NotStrictError):
    """The text may be JSON, and holds more than is read; the message says of what. Shows none of the text."""


class Doubled(dict[str, Any]):
    """An object in which some keys stood more than once: `twice`. It holds the last value of each, as clients do."""

    twice: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Loose:
    """One JSON value; `text` is what every reader takes for it, and `odd` whether something in it may be unsound."""

    value: Any
    text: bytes
    odd: bool


def load(body: bytes, limits: Limits) -> Loose:
    """Return the one JSON value of `body`. What is not UTF-8, and half a surrogate pair, is replaced by U+FFFD.

    Raises:
        NotStrictError: the text is not one JSON value, or deeper than clients read.
        TooMuchError: it is larger or holds more than may be; the message says of what.
    """
    opened = _check_size(body, limits)
    text, repaired = _decode(body)
    doubled: list[Doubled] = []

    def pairs_hook(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        return value if len(value) == len(pairs) else _marked(value, pairs, doubled)

    value = _scan(text, pairs_hook)
    depth = depth_of(value, MAX_DEPTH) if opened > limits.depth else 0
    if depth > MAX_DEPTH:
        raise NotStrictError(f"it is nested deeper than {MAX_DEPTH}")
    deep = depth > limits.depth
    constants = b"NaN" in body or b"Infinity" in body
    odd = bool(doubled) or deep or constants or may_hold_odd_numbers(body, limits.digits)
    return Loose(value, text.encode() if repaired else body, odd)


def plain(body: bytes, limits: Limits) -> Any:
    """Return the one JSON value of `body` as Python's reader has it: of a key that stands twice the last value.

    It is for texts of whose members some are read and none is passed on, and takes half the time of `load`.

    Raises:
        NotStrictError: the text is not one JSON value, or deeper than Python reads.
        TooMuchError: it is larger or holds more than may be.
    """
    _check_size(body, limits)
    text, _ = _decode(body)
    return _scan(text, None)


def _check_size(body: bytes, limits: Limits) -> int:
    """Return how many brackets a text opens. Raises TooMuchError."""
    if len(body) > limits.body:
        raise TooMuchError(f"{limits.body} bytes")
    opened = body.count(b"{") + body.count(b"[")
    if body.count(b",") > limits.values or opened > limits.keys:
        _check_counts(body, limits)
    return opened


def _scan(text: str, pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None) -> Any:
    """Return the one JSON value of a text. Raises NotStrictError."""
    decoder: Any = json.JSONDecoder(object_pairs_hook=pairs_hook, strict=False)
    bare = text.strip(_BLANK)
    try:
        value, end = decoder.scan_once(bare, 0)
    except NotStrictError:
        raise
    except (ValueError, RecursionError, StopIteration):
        raise NotStrictError("it is not JSON") from None
    if end != len(bare):
        raise NotStrictError("something stands behind the JSON text")
    return value


def sound(value: Any, depth: int) -> bool:
    """Return whether every reader reads a value alike: no key twice, no number beyond bounds, not too deep."""
    level = [value]
    for _ in range(depth):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, Doubled) or _is_infinite(one):
                return False
            if isinstance(one, dict):
                inner.extend(one.values())
            elif isinstance(one, list):
                inner.extend(one)
        if not inner:
            return True
        level = inner
    return not any(isinstance(one, CONTAINERS) or _is_infinite(one) for one in level)


def _is_infinite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _marked(value: dict[str, Any], pairs: list[tuple[str, Any]], doubled: list[Doubled]) -> Doubled:
    marked = Doubled(value)
    left = dict.fromkeys(value, 1)
    twice = set()
    for key, _ in pairs:
        left[key] -= 1
        if left[key] < 0:
            twice.add(key)
    marked.twice = frozenset(twice)
    doubled.append(marked)
    if len(doubled) > MOST_DOUBLED:
        raise TooMuchError(f"{MOST_DOUBLED} objects in which a key stands twice")
    return marked


def _check_counts(body: bytes, limits: Limits) -> None:
    """Count the values, and the objects and arrays, of a text before it is read. Raises NotStrictError."""
    # Without escaped ones, every second quote ends a string.
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    if plain.count(b'"') > 2 * (limits.keys + limits.values):
        raise TooMuchError(f"{limits.keys + limits.values} keys and values")
    outside = b"".join(plain.split(b'"')[::2])
    # A comma stands before every value but the first of its object or array.
    if outside.count(b",") > limits.values:
        raise TooMuchError(f"{limits.values} values")
    # Each costs as much to make and to look through as twenty numbers do.
    if outside.count(b"{") + outside.count(b"[") > limits.keys:
        raise TooMuchError(f"{limits.keys} objects and arrays")


def _decode(body: bytes) -> tuple[str, bool]:
    """Return the text, and whether it had to be repaired."""
    try:
        text, repaired = body.decode(), False
    except UnicodeDecodeError:
        text, repaired = body.decode(errors="replace"), True
    if _SURROGATE.search(text) is None:
        return text, repaired
    # Escapes are read from the left, so that an escaped backslash does not begin another one.
    bare = text.replace(_ESCAPED_BACKSLASH, _NO_ESCAPE)
    if bare.count(_NO_ESCAPE) != text.count(_ESCAPED_BACKSLASH):
        return text, repaired  # it holds what is no escape, and so no JSON
    whole, halves = _HALF.subn(r"\\ufffd", bare)
    return (whole.replace(_NO_ESCAPE, _ESCAPED_BACKSLASH), True) if halves else (text, repaired)
