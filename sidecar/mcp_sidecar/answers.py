"""What the head of an answer says, and what becomes of answers that are not streams."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

import aiohttp

from mcp_core import headers as http
from mcp_core import jsonrpc, methods
from mcp_core.jsonrpc import NotStrictError, Response
from mcp_core.outcome import INTERNAL_ERROR, INVALID_REQUEST, UNAVAILABLE, Reject, RequestId
from mcp_core.surface import ANSWER_LIMITS, unreadable

JSON_TYPE: Final = "application/json"
STREAM_TYPE: Final = "text/event-stream"

_STREAM_TYPE: Final = re.compile(r'text/event-stream[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?', re.IGNORECASE)
_PASSED: Final = ("retry-after", "allow", methods.VERSION_HEADER)
_VALUE: Final = re.compile(r"[\x20-\x7e]{1,256}")
_WITHHELD: Final = frozenset({407, 421, 426})
"""Beside 401: they ask the gateway for a proxy's credentials, another host or protocol, which no agent can give."""
_NO_ROUTE: Final = "no Route matched with those values"


class Shape(Enum):
    """How the body of an answer is read."""

    STREAM = "event stream"
    JSON = "filtered JSON"
    ERROR = "an error, of which only JSON-RPC passes"
    EMPTY = "nothing, or it may not pass"
    UNREAD = "not at all, as the status alone passes"


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer that may be read on: `headers` are those that pass, `sessions` Mcp-Session-Id's values."""

    status: int
    shape: Shape
    headers: dict[str, str]
    sessions: tuple[str, ...]


def read_head(response: aiohttp.ClientResponse) -> Head | Reject:
    """Read status and headers of a server's answer, or say why nothing of it may pass."""
    status = response.status
    fields: dict[str, str | list[str]] = {name.lower(): response.headers.getall(name) for name in response.headers}
    fields = {name: values[0] if len(values) == 1 else values for name, values in fields.items()}
    if status == 401 or (status == 403 and "www-authenticate" in fields):
        # What it asks for is a credential of the gateway, which an agent does not have and must not look for.
        return unreadable(f"status {status} asks for the gateway's credentials")
    if status < 200 or 300 <= status < 400 or status in _WITHHELD:
        return unreadable(f"status {status}")
    if (http.single(fields, "content-encoding") or "identity").strip().lower() != "identity":
        return unreadable("it has a Content-Encoding")
    head = Head(status, Shape.UNREAD, _passed(fields), tuple(response.headers.getall(methods.SESSION_HEADER, ())))
    if status in (202, 204, 205) or http.single(fields, "content-length") == "0":
        return head
    return _with_shape(head, fields)


def _with_shape(head: Head, fields: http.Headers) -> Head | Reject:
    if head.status >= 400:
        shape = Shape.ERROR
    elif _STREAM_TYPE.fullmatch(http.single(fields, "content-type") or ""):
        shape = Shape.STREAM
    elif http.check_body_headers(fields) is None:
        shape = Shape.JSON
    elif "content-type" not in fields:
        shape = Shape.EMPTY
    else:
        return unreadable("its Content-Type is neither JSON nor an event stream")
    return Head(head.status, shape, head.headers, head.sessions)


def _passed(fields: http.Headers) -> dict[str, str]:
    passed = {}
    for name in _PASSED:
        value = http.single(fields, name)
        if value is not None and _VALUE.fullmatch(value):
            passed[name] = value
    # Answers differ by caller: what a server says of caching may pass only where it keeps shared caches out.
    cache = http.single(fields, "cache-control")
    if cache is not None and _VALUE.fullmatch(cache):
        passed["cache-control"] = cache if _private(cache) else "private, no-cache"
    return passed


def _private(cache: str) -> bool:
    directives = {part.strip().lower().partition("=")[0] for part in cache.split(",")}
    return not directives & {"public", "s-maxage"} and bool(directives & {"private", "no-store", "no-cache"})


def read_error(status: int, body: bytes, id_: RequestId | None) -> bytes | Reject:
    """Return the body of a 4xx or 5xx that is one JSON-RPC error, with the id of what was asked, or what replaces it.

    The status says what it answers, whatever its id was.
    """
    try:
        value = jsonrpc.load(body, ANSWER_LIMITS)
    except NotStrictError:
        value = None
    message = jsonrpc.message(value, ANSWER_LIMITS)
    if isinstance(message, Response) and message.error is not None:
        if id_ is None or message.id == id_:
            return body
        return json.dumps({"jsonrpc": "2.0", "id": id_, "error": message.error}, ensure_ascii=False).encode()
    said = value.get("message") if isinstance(value, dict) else None
    if status in (502, 503, 504) and isinstance(said, str):
        # So Kong itself speaks: {"message": "...", "request_id": "..."}.
        text = "No replica of this server answered. Try again; if it lasts, its operator must look after the server."
        return Reject(UNAVAILABLE, text, f"kong-{status}", status=status)
    if status == 404 and said == _NO_ROUTE:
        text = "The gateway has no internal route for this server: its operator must add it to the configuration."
        return Reject(INTERNAL_ERROR, text, "no-internal-route", status=502)
    if status < 500:
        return Reject(INVALID_REQUEST, f"The server refused the request with HTTP {status}.", "refused", status=status)
    return Reject(INTERNAL_ERROR, f"The server failed with HTTP {status}.", "failed", status=status)
