"""Strict reading of JSON-RPC 2.0 from the wire: bytes in, messages or one rejection out.

The laws: exactly one JSON document, exactly UTF-8, no key twice at any depth, no key that another reader could
take for a protocol key, no value that two readers read differently. What fails a law is refused whole; nothing is
skipped, repaired or guessed. Cost is linear in the body. Sources: RFC 8259, the JSON-RPC 2.0 specification, and
docs/specification/REVISION/basic of modelcontextprotocol/modelcontextprotocol.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

from mcp_core import ids, keys
from mcp_core.methods import META_RELATED_TASK
from mcp_core.outcome import INVALID_REQUEST, PARSE_ERROR, Reject, RequestId

SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON reader holds exactly (RFC 8259, section 6)."""


MAX_METHOD: Final = 256
"""Characters of a method's name: it becomes a header."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one body may hold: bytes, depth, keys (or objects and arrays), values, messages, characters, digits.

    `refusals` is how many requests of one caller may be refused in a minute.
    """

    body: int = 4 * 1024 * 1024
    depth: int = 64
    keys: int = 100_000
    values: int = 1_000_000
    batch: int = 50
    id_length: int = 256
    digits: int = 300
    refusals: int = 6000


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Request:
    """A message that wants an answer."""

    id: RequestId
    method: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Notification:
    """A message that wants none."""

    method: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: exactly one of `result` and `error` is not None."""

    id: RequestId | None
    result: Any
    error: dict[str, Any] | None


_Scanner: TypeAlias = Callable[[str, int], tuple[Any, int]]
Message: TypeAlias = Request | Notification | Response


@dataclass(frozen=True, slots=True)
class Batch:
    """Several messages in one body, in order (2025-03-26 and before)."""

    messages: tuple[Message, ...]


class NotStrictError(ValueError):
    """The text is not strict JSON; the message says which law it breaks. Shows none of the text."""


# Digits and exponents keep their meaning, signs are dropped, and every other byte becomes a space.
_NUMBER_BYTES: Final = bytes(
    ord("0") if byte in b"0123456789" else ord("e") if byte in b"eE" else ord(" ") for byte in range(256)
)
_ZEROS: Final = b"0" * 32
_LONG_EXPONENT: Final = b"0e000"
_NOT_MARKS: Final = bytes(byte for byte in range(256) if byte not in b":{[")
_SURROGATE_PAIR: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
CONTAINERS: Final = (dict, list)
# An unclosed string ends with the text, so that no text is looked at twice.
_STRING: Final = re.compile(rb'"[^"]*(?:"|\Z)')
_QUOTES: Final = 4
"""How many quotes a key or value may have on average, escaped ones in its text too."""
_BLANK: Final = " \t\n\r"


def load(body: bytes, limits: Limits = DEFAULT_LIMITS) -> Any:
    """Return the one JSON value of `body`.

    Raises:
        NotStrictError: the body breaks a law of this module (size, encoding, depth, duplicate key, number, syntax).
    """
    if len(body) > limits.body:
        raise NotStrictError(f"more than {limits.body} bytes")
    if body.startswith(b"\xef\xbb\xbf"):
        raise NotStrictError("a byte order mark before the JSON text")
    try:
        text = body.decode().strip(_BLANK)
    except UnicodeDecodeError:
        raise NotStrictError("the text is not UTF-8") from None
    # Colons and opening brackets, those in strings too: never less than there are keys, or objects and arrays.
    marks = body.translate(None, _NOT_MARKS) if len(body) > limits.keys else b""
    opened = len(marks) - marks.count(b":") if marks else body.count(b"{") + body.count(b"[")
    if opened > limits.keys and _outside(body, b"{[", limits) > limits.keys:
        raise NotStrictError(f"more than {limits.keys} objects and arrays")
    # A comma stands before every value but the first of its object or array.
    if body.count(b",") > limits.values and _outside(body, b",", limits) > limits.values:
        raise NotStrictError(f"more than {limits.values} values")
    try:
        value, end = _scanner(body, limits, many=len(marks) > limits.keys)(text, 0)
    except NotStrictError:
        raise
    except (ValueError, RecursionError, StopIteration):
        raise NotStrictError("the text is not one JSON document") from None
    if end != len(text):
        raise NotStrictError("something stands behind the JSON document")
    if opened > limits.depth and is_deeper(value, limits.depth):
        raise NotStrictError(f"nested deeper than {limits.depth}")
    if b"\\" in body and _SURROGATE.search(text):
        _check_surrogates(text)
    return value


def _constant(name: str) -> NoReturn:
    raise NotStrictError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotStrictError("a key stands twice in one object")
    return value


def _scan(**hooks: Any) -> _Scanner:
    decoder: Any = json.JSONDecoder(parse_constant=_constant, **hooks)
    scanner: _Scanner = decoder.scan_once
    return scanner


_plain_scan: Final = _scan(object_pairs_hook=_object)


def may_hold_odd_numbers(body: bytes, digits: int) -> bool:
    """Return whether a text could hold a number of more than so many digits, or one beyond what readers can hold."""
    # A number of n digits has a run of n / 3, whatever point, sign and exponent stand between them, and none is
    # infinite without a run of 32 digits or three digits of exponent.
    numbers = body.translate(_NUMBER_BYTES, b"+-")
    return _LONG_EXPONENT in numbers or _ZEROS[: max(1, (digits - 4) // 3)] in numbers


def _scanner(body: bytes, limits: Limits, *, many: bool) -> _Scanner:
    """Return the fastest reader that upholds the limits: most bodies hold too little to break any of them."""
    odd = may_hold_odd_numbers(body, limits.digits)
    if not many and not odd:
        return _plain_scan
    return _scan(
        object_pairs_hook=_counting_object(limits.keys) if many else _object,
        parse_int=_parse_int(limits.digits) if odd else None,
        parse_float=_parse_float(limits.digits) if odd else None,
    )


def _counting_object(most: int) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    left = most

    def pairs_hook(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal left
        left -= len(pairs) or 1
        if left < 0:
            raise NotStrictError(f"more than {most} keys")
        return _object(pairs)

    return pairs_hook


def _parse_int(most: int) -> Callable[[str], int]:
    def parse_int(digits: str) -> int:
        if len(digits) > most:
            raise NotStrictError(f"a number of more than {most} digits")
        return int(digits)

    return parse_int


def _parse_float(most: int) -> Callable[[str], float]:
    def parse_float(digits: str) -> float:
        value = float(digits)
        if len(digits) > most or value - value != 0:  # infinity minus itself is not zero
            raise NotStrictError("a number beyond what every reader can hold")
        return value

    return parse_float


def _outside(body: bytes, marks: bytes, limits: Limits) -> int:
    """Return how often a text holds some marks outside its strings. Raises NotStrictError where that takes too long."""
    if body.count(b'"') > _QUOTES * (limits.keys + limits.values):
        raise NotStrictError("more strings than so many keys and values could be")
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    outside = _STRING.sub(b"", plain)
    return sum(map(outside.count, marks))


def is_deeper(value: Any, depth: int) -> bool:
    """Return whether a JSON value is nested deeper than that."""
    level = [value]
    for _ in range(depth):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, CONTAINERS)
        ]
        if not level:
            return False
    return True


def _check_surrogates(text: str) -> None:
    # The placeholder keeps what stands around an escaped backslash apart.
    escapes = text.replace("\\\\", "  ") if "\\\\" in text else text
    if _SURROGATE.search(_SURROGATE_PAIR.sub("", escapes)):
        raise NotStrictError("a lone surrogate, which is no character")


def parse(body: bytes, limits: Limits = DEFAULT_LIMITS) -> Message | Batch | Reject:
    """Read one HTTP body as a JSON-RPC message or batch, or say why not.

    Rejections carry -32700 for what is not strict JSON and -32600 for what is not JSON-RPC 2.0, and the request's id
    where it could be read.
    """
    if len(body) > limits.body:
        return Reject(
            INVALID_REQUEST,
            f"The body is larger than {limits.body} bytes: send less, or raise the guard's limits.body.",
            "too-large",
            status=413,
        )
    try:
        value = load(body, limits)
    except NotStrictError as error:
        return Reject(PARSE_ERROR, f"Not acceptable as JSON: {error}.", "not-strict-json")
    ids.make_whole(value, body, SAFE_INTEGER)
    if isinstance(value, list):
        return _batch(value, limits)
    return message(value, limits)


def _batch(values: list[Any], limits: Limits) -> Batch | Reject:
    if not values:
        return Reject(INVALID_REQUEST, "An empty batch asks nothing.", "batch-empty")
    if len(values) > limits.batch:
        return Reject(INVALID_REQUEST, f"A batch may hold {limits.batch} messages at most.", "batch-too-long")
    messages = []
    for value in values:
        read = message(value, limits)
        if isinstance(read, Reject):
            return read
        messages.append(read)
    ids = [one.id for one in messages if isinstance(one, Request)]
    if len(set(ids)) != len(ids):
        return Reject(INVALID_REQUEST, "Two requests of one batch have the same id.", "batch-ids")
    return Batch(tuple(messages))


def message(value: Any, limits: Limits = DEFAULT_LIMITS) -> Message | Reject:
    """Read one JSON value as a JSON-RPC message, or say why not."""
    if not isinstance(value, dict):
        return _invalid("A JSON-RPC message is an object.", None)
    id_ = value.get("id")
    has_id = "id" in value
    readable = id_ if _is_id(id_, limits) else None
    if variant := keys.ENVELOPE.misread(value):
        return _misspelled(variant, readable)
    if value.get("jsonrpc") != "2.0":
        return _invalid('The member "jsonrpc" must be "2.0".', readable)
    if has_id and readable is None and not ("error" in value and id_ is None):
        return _invalid("An id is a string or an integer, within bounds.", None)
    if "method" in value:
        return _call(value, readable, has_id=has_id)
    return _response(value, readable)


def _call(value: dict[str, Any], id_: RequestId | None, *, has_id: bool) -> Request | Notification | Reject:
    if "result" in value or "error" in value:
        return _invalid("A message is a call or an answer, not both.", id_)
    method = value["method"]
    if not isinstance(method, str) or not 0 < len(method) <= MAX_METHOD:
        return _invalid(f"The method is a string of 1 to {MAX_METHOD} characters.", id_)
    # Several SDKs write null for no params. Whoever does not take it for none has nothing to read in it.
    params = value.get("params")
    if params is None:
        params = {}
    if not isinstance(params, dict):
        return _invalid("The params are an object.", id_)
    meta = params.get("_meta")
    if meta is not None and not isinstance(meta, dict):
        return _invalid("params._meta is an object.", id_)
    ref = params.get("ref")
    related = meta.get(META_RELATED_TASK) if meta else None
    if related is not None and not isinstance(related, dict):
        return _invalid(f"params._meta[{META_RELATED_TASK!r}] is an object.", id_)
    variant = (
        keys.PARAMS.misread(params)
        or (keys.META.misread(meta) if meta else None)
        or (keys.REFERENCE.misread(ref) if isinstance(ref, dict) else None)
        or (keys.RELATED_TASK.misread(related) if isinstance(related, dict) else None)
    )
    if variant:
        return _misspelled(variant, id_)
    if has_id and id_ is not None:
        if method.startswith("notifications/"):
            return _invalid("A notification has no id.", id_)
        return Request(id_, method, params)
    if not method.startswith("notifications/"):
        return _invalid("A request has an id.", None)
    return Notification(method, params)


def _response(value: dict[str, Any], id_: RequestId | None) -> Response | Reject:
    if "params" in value or ("result" in value) == ("error" in value):
        return _invalid("A message has a method, or else exactly one of result and error.", id_)
    if "error" in value:
        error = value["error"]
        if (
            not isinstance(error, dict)
            or not _is_integer(error.get("code"))
            or not isinstance(error.get("message"), str)
        ):
            return _invalid("An error is an object with an integer code and a message.", id_)
        return Response(id_, None, error)
    result = value["result"]
    if id_ is None or not isinstance(result, dict):
        return _invalid("A result is an object, and its message has an id.", id_)
    return Response(id_, result, None)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_id(value: Any, limits: Limits) -> bool:
    if isinstance(value, str):
        return len(value) <= limits.id_length
    return _is_integer(value) and -SAFE_INTEGER <= value <= SAFE_INTEGER


def _misspelled(key: str, id_: RequestId | None) -> Reject:
    text = f"The key {key[:64]!r} could be taken for a protocol key: spell it exactly."
    return Reject(INVALID_REQUEST, text, "misspelled-key", id=id_)


def _invalid(text: str, id_: RequestId | None) -> Reject:
    return Reject(INVALID_REQUEST, text, "not-json-rpc", id=id_)
