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

from mcp_core import counts, ids, keys
from mcp_core.methods import META_RELATED_TASK
from mcp_core.outcome import INVALID_REQUEST, PARSE_ERROR, Reject, RequestId
from mcp_core.reasons import Reason

SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON reader holds exactly (RFC 8259, section 6)."""


MAX_METHOD: Final = 256
"""Characters of a method's name: it becomes a header."""


STRICT: Final = "Send one JSON text in UTF-8, as RFC 8259 has it, with each key once, and within the guard's limits."


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one body may hold.

    Bytes; depth; keys, and as many objects and arrays; values; messages; characters of an id; digits of a number;
    requests of one caller that may be refused in a minute; URIs, and as many tasks, that one message may subscribe to;
    seconds that one call may take in all, 0 for as long as its work does.
    """

    body: int = 4 * 1024 * 1024
    depth: int = 64
    keys: int = 100_000
    values: int = 1_000_000
    batch: int = 50
    id_length: int = 256
    digits: int = 300
    refusals: int = 6000
    subscriptions: int = 1000
    call_seconds: int = 0


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


Message: TypeAlias = Request | Notification | Response


@dataclass(frozen=True, slots=True)
class Batch:
    """Several messages in one body, in order (2025-03-26 and before)."""

    messages: tuple[Message, ...]


class NotStrictError(ValueError):
    """The text is not strict JSON; the message says which law it breaks. Shows none of the text."""


_LONE_SURROGATE: Final = re.compile(
    r"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|[c-fC-F](?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]))"
)
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
CONTAINERS: Final = (dict, list)
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_BLANKS: Final = re.compile(r"[ \t\n\r]*")


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
        text = body.decode()
    except UnicodeDecodeError:
        raise NotStrictError("the text is not UTF-8") from None
    if (excess := counts.excess(body, keys=limits.keys, values=limits.values, digits=limits.digits)) is not None:
        raise NotStrictError(excess)
    try:
        value, end = _scan(text, 0 if text.startswith("{") else _blanks(text, 0))
    except NotStrictError:
        raise
    except (ValueError, RecursionError, StopIteration):
        raise NotStrictError("the text is not one JSON document") from None
    if end != len(text) and _blanks(text, end) != len(text):
        raise NotStrictError("something stands behind the JSON document")
    if counts.may_be_deeper(body, limits.depth) and depth_of(value, limits.depth) > limits.depth:
        raise NotStrictError(f"nested deeper than {limits.depth}")
    if b"\\u" in body and (b"\\ud" in body or b"\\uD" in body) and _SURROGATE.search(text):
        _check_surrogates(text)
    return value


def _constant(name: str) -> NoReturn:
    raise NotStrictError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotStrictError("a key stands twice in one object")
    return value


_decoder: Any = json.JSONDecoder(parse_constant=_constant, object_pairs_hook=_object)
_scan: Final[Callable[[str, int], tuple[Any, int]]] = _decoder.scan_once


def _blanks(text: str, at: int) -> int:
    """Return where the blanks end that begin there."""
    match = _BLANKS.match(text, at)
    return at if match is None else match.end()


def depth_of(value: Any, most: int) -> int:
    """Return how deep a JSON value is nested, its own level counted; most + 1 where it is deeper than `most`."""
    level = [value]
    for depth in range(1, most + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if type(inner) not in _SCALARS
        ]
        if not level:
            return depth
    return most + 1


def _check_surrogates(text: str) -> None:
    # The placeholder keeps what stands around an escaped backslash apart.
    escapes = text.replace("\\\\", "  ") if "\\\\" in text else text
    if _LONE_SURROGATE.search(escapes):
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
            Reason.TOO_LARGE,
            status=413,
        )
    try:
        value = load(body, limits)
    except NotStrictError as error:
        return Reject(PARSE_ERROR, f"Not acceptable as JSON: {error}. {STRICT}", Reason.NOT_STRICT_JSON)
    ids.make_whole(value, body, SAFE_INTEGER)
    if isinstance(value, list):
        return _batch(value, limits)
    return message(value, limits)


def _batch(values: list[Any], limits: Limits) -> Batch | Reject:
    if not values:
        return Reject(INVALID_REQUEST, "Send a message: an empty batch asks nothing.", Reason.BATCH_EMPTY)
    if len(values) > limits.batch:
        return Reject(INVALID_REQUEST, f"Send {limits.batch} messages in a batch at most.", Reason.BATCH_TOO_LONG)
    messages = []
    for value in values:
        read = message(value, limits)
        if isinstance(read, Reject):
            return read
        messages.append(read)
    ids = [request.id for request in messages if isinstance(request, Request)]
    if len(set(ids)) != len(ids):
        return Reject(INVALID_REQUEST, "Send each request of a batch with an id of its own.", Reason.BATCH_IDS)
    return Batch(tuple(messages))


def message(value: Any, limits: Limits = DEFAULT_LIMITS) -> Message | Reject:
    """Read one JSON value as a JSON-RPC message, or say why not."""
    if not isinstance(value, dict):
        return _invalid("Send each JSON-RPC message as an object.", None)
    id_ = value.get("id")
    has_id = "id" in value
    readable = id_ if _is_id(id_, limits) else None
    if len(value) > counts.MOST_MEMBERS:
        return _crowded(readable)
    if variant := keys.ENVELOPE.misread(value):
        return _misspelled(variant, readable)
    if value.get("jsonrpc") != "2.0":
        return _invalid('Send "jsonrpc": "2.0" in each message.', readable)
    if has_id and readable is None and not ("error" in value and id_ is None):
        return _invalid(_ids(limits), None)
    if "method" in value:
        return _call(value, readable, has_id=has_id)
    return _response(value, readable)


def _call(value: dict[str, Any], id_: RequestId | None, *, has_id: bool) -> Request | Notification | Reject:
    if "result" in value or "error" in value:
        return _invalid("Send a call or an answer: a message with a method has no result and no error.", id_)
    method = value["method"]
    if not isinstance(method, str) or not 0 < len(method) <= MAX_METHOD:
        return _invalid(f"Send the method as a string of 1 to {MAX_METHOD} characters.", id_)
    # Several SDKs write null for no params. Whoever does not take it for none has nothing to read in it.
    params = value.get("params")
    if params is None:
        params = {}
    if not isinstance(params, dict):
        return _invalid("Send params as an object, or none.", id_)
    meta = params.get("_meta")
    if meta is not None and not isinstance(meta, dict):
        return _invalid("Send params._meta as an object, or none.", id_)
    ref = params.get("ref")
    related = meta.get(META_RELATED_TASK) if meta else None
    if related is not None and not isinstance(related, dict):
        return _invalid(f"Send params._meta[{META_RELATED_TASK!r}] as an object, or none.", id_)
    most = counts.MOST_MEMBERS
    if len(params) > most or (meta and len(meta) > most) or (related and len(related) > most):
        return _crowded(id_)
    if isinstance(ref, dict) and len(ref) > most:
        return _crowded(id_)
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
            return _invalid("Send a notification without an id.", id_)
        return Request(id_, method, params)
    if not method.startswith("notifications/"):
        return _invalid("Send a request with an id: only notifications/... have none.", None)
    return Notification(method, params)


def _response(value: dict[str, Any], id_: RequestId | None) -> Response | Reject:
    if "params" in value or ("result" in value) == ("error" in value):
        return _invalid("Send a method, or else exactly one of result and error, and params with a method alone.", id_)
    if "error" in value:
        error = value["error"]
        if (
            not isinstance(error, dict)
            or not _is_integer(error.get("code"))
            or not isinstance(error.get("message"), str)
        ):
            return _invalid("Send an error as an object with an integer code and a message.", id_)
        return Response(id_, None, error)
    result = value["result"]
    if id_ is None or not isinstance(result, dict):
        return _invalid("Send a result as an object, with the id of the request.", id_)
    return Response(id_, result, None)


def _ids(limits: Limits) -> str:
    return (
        f"Send an id that is a string of {limits.id_length} characters at most, or an integer from -{SAFE_INTEGER} to "
        f"{SAFE_INTEGER}."
    )


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_id(value: Any, limits: Limits) -> bool:
    if isinstance(value, str):
        return len(value) <= limits.id_length
    return _is_integer(value) and -SAFE_INTEGER <= value <= SAFE_INTEGER


def _misspelled(key: str, id_: RequestId | None) -> Reject:
    text = f"The key {key[:64]!r} could be taken for a protocol key: spell it exactly."
    return Reject(INVALID_REQUEST, text, Reason.MISSPELLED_KEY, id=id_)


def _crowded(id_: RequestId | None) -> Reject:
    return _invalid(
        f"Send {counts.MOST_MEMBERS} members at most in a message, and in what the protocol knows in it.", id_
    )


def _invalid(text: str, id_: RequestId | None) -> Reject:
    return Reject(INVALID_REQUEST, text, Reason.NOT_JSON_RPC, id=id_)
