"""What the head of an answer says, and what becomes of answers that are not streams."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

import aiohttp

from mcp_core import headers as http
from mcp_core import jsonrpc, methods
from mcp_core.heads import BodyKind, Fate, kind_of, row_of
from mcp_core.jsonrpc import NotStrictError, Response
from mcp_core.outcome import INTERNAL_ERROR, UNAVAILABLE, Reject, RequestId
from mcp_core.question import Asked
from mcp_core.reasons import Reason
from mcp_core.surface import ANSWER_LIMITS, unreadable
from mcp_sidecar.upstream.encodings import is_known

JSON_TYPE: Final = BodyKind.JSON.value
STREAM_TYPE: Final = BodyKind.STREAM.value

_PASSED: Final = ("retry-after", "allow", methods.VERSION_HEADER)
_VALUE: Final = re.compile(r"[\x20-\x7e]{1,256}")
_DO_NOT_ENCODE: Final = "have the server send what was asked for: no Content-Encoding"
NO_MCP: Final = "check this server's URL: what is there does not answer as an MCP endpoint does"
_CLOSED: Final = (
    "see that deck/shared.yaml of this release is in Kong, that Kong and sidecar have the same KONG_MCP_KEYS and the "
    "same time, and that MCP_SIDECAR_INTERNAL_HOST is the host of the route mcp-internal"
)
_NO_ROUTE: Final = "no Route matched with those values"


class BodyShape(Enum):
    """How the body of an answer is read."""

    STREAM = "event stream"
    JSON = "filtered JSON"
    ERROR = "an error, of which only JSON-RPC passes"
    EMPTY = "nothing, or it may not pass"
    UNREAD = "not at all, as the status alone passes"
    REPLACED = "not at all, as `refusal` takes its place"


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """The head of an answer: `headers` are those that pass, `sessions` Mcp-Session-Id's values.

    `refusal` is what an agent gets in place of the answer, or of the body of an error that is no JSON-RPC; `reason` a
    word for why, and `do` what the operator does.
    """

    status: int
    shape: BodyShape
    headers: dict[str, str]
    sessions: tuple[str, ...] = ()
    refusal: Reject | None = None
    reason: Reason = Reason.ANSWER
    do: str = ""


def read_head(response: aiohttp.ClientResponse) -> AnswerHead:
    """Read status and headers of a server's answer."""
    status = response.status
    fields: dict[str, str | list[str]] = {name.lower(): response.headers.getall(name) for name in response.headers}
    fields = {name: values[0] if len(values) == 1 else values for name, values in fields.items()}
    row = row_of(status, challenged="www-authenticate" in fields)
    sessions = tuple(response.headers.getall(methods.SESSION_HEADER, ()))
    head = AnswerHead(status, BodyShape.UNREAD, _passed(fields), sessions)
    if row.fate in (Fate.ERROR, Fate.REPLACED):
        shape = BodyShape.ERROR if row.fate is Fate.ERROR else BodyShape.REPLACED
        head = replace(head, shape=shape, refusal=row.refusal(status), reason=row.reason, do=row.do)
    if head.shape is not BodyShape.REPLACED and not is_known(http.single(fields, "content-encoding") or ""):
        return _replaced(head, "a Content-Encoding that was not asked for", Reason.ENCODING, _DO_NOT_ENCODE)
    if row.fate is not Fate.READ or http.single(fields, "content-length") == "0":
        return head
    return _with_shape(head, fields)


def _with_shape(head: AnswerHead, fields: http.Headers) -> AnswerHead:
    said = http.single(fields, "content-type")
    if said is None:
        return replace(head, shape=BodyShape.EMPTY)
    kind = kind_of(said)
    if kind is None:
        why = "a Content-Type that is neither JSON nor an event stream, in UTF-8"
        return _replaced(head, why, Reason.CONTENT_TYPE, NO_MCP)
    return replace(head, shape=BodyShape.STREAM if kind is BodyKind.STREAM else BodyShape.JSON)


def _replaced(head: AnswerHead, why: str, reason: Reason, do: str) -> AnswerHead:
    return replace(head, shape=BodyShape.REPLACED, refusal=unreadable(why), reason=reason, do=do)


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


def read_error(head: AnswerHead, body: bytes, id_: RequestId | None) -> bytes | AnswerHead:
    """Return the body of a 4xx or 5xx that is one JSON-RPC error, with the id of what was asked.

    Where it is none, return the head with what replaces it. The status says what it answers, whatever its id was.
    """
    try:
        value = jsonrpc.load(body, ANSWER_LIMITS)
    except NotStrictError:
        value = None
    message = jsonrpc.message(value, ANSWER_LIMITS)
    said = _kongs_word(value)
    if said != _NO_ROUTE and isinstance(message, Response) and message.error is not None:
        if id_ is None or message.id == id_:
            return body
        return json.dumps({"jsonrpc": "2.0", "id": id_, "error": message.error}, ensure_ascii=False).encode()
    if head.status in (502, 503, 504) and isinstance(said, str):
        # So Kong itself speaks: {"message": "...", "request_id": "..."}.
        text = "No replica of this server answered. Try again; if it lasts, its operator must look after the server."
        refusal = Reject(UNAVAILABLE, text, Reason.NO_REPLICA, status=head.status, detail=str(head.status))
        return replace(
            head, refusal=refusal, reason=Reason.NO_REPLICA, do="see that the server runs where its URL says"
        )
    if head.status == 404 and said == _NO_ROUTE:
        text = "The gateway's internal route is not open to its sidecar: its operator must look after that."
        refusal = Reject(INTERNAL_ERROR, text, Reason.NO_INTERNAL_ROUTE, status=502)
        return replace(head, refusal=refusal, reason=Reason.NO_INTERNAL_ROUTE, do=_CLOSED)
    return head


def _kongs_word(value: Any) -> Any:
    """Return what Kong said, if it did: {"message": ..., "request_id": ...}, or as mcp-answers (own.lua) puts that."""
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    data = error.get("data") if isinstance(error, dict) else None
    return data["kong"] if isinstance(data, dict) and "kong" in data else value.get("message")


def errors(refusal: Reject, waiting: Sequence[Asked]) -> bytes:
    """Return a batch that gives each request that waits the same error."""
    return b"[%s]" % b",".join(replace(refusal, id=one.id).body() for one in waiting)
