"""One of Kong's log records as what happened to one request of an agent: the guard's record, and what Kong measured.

Whoever holds the collector's credential is Kong, but what a record says is still read as a stranger's: a word of
another type is as if it were not there, a number out of bounds is none, a text loses what no store takes.
Source: kong.log.serialize (kong/pdk/log.lua, Kong 3.9).
"""

from __future__ import annotations

import re
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from mcp_core.reasons import Ending, Reason
from mcp_core.record import KEY, Hop, Record, RefusedBecause
from mcp_core.tracing import TraceParent, read_parent

SERVICE: Final = "mcp-"
"""How the services that agents call begin; the server's name follows (deck/template.yaml)."""
INTERNAL: Final = "mcp-internal"
EARLY_SECONDS: Final = 300
"""How far Kong's clock may be ahead of the collector's."""
LATE_SECONDS: Final = 86_400
"""How old a record may be: Kong holds what it could not deliver for much less."""
PROBE_AGENT: Final = "kong-mcp-dev"
"""The User-Agent of requests by which a local gateway finds out that it is ready. Elsewhere records hold no headers."""
MOST: Final = 2**40
"""Above any number of bytes or microseconds of one request."""

_REMEMBERED: Final = 4096
_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_TRACE: Final = re.compile(r"[0-9a-f]{32}")
_REFUSED_BY_KONG: Final = {401: Ending.REFUSED, 403: Ending.REFUSED, 429: Ending.LIMITED}
_NONE: Final[dict[str, Any]] = {}
_NUMBERS: Final = frozenset({int, float})
"""Types, of which bool is none. To ask so takes a third of what isinstance does, and each record has eight numbers."""
_NO_TEXT: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Odd(StrEnum):
    """Why a log record does not count, or not as it is. The words are labels of a metric."""

    NO_OBJECT = "no-object"
    NO_ID = "no-id"
    NOT_OURS = "not-ours"
    """Of a request that is no agent's to an MCP server: another service, the internal route."""
    NO_RECORD = "no-record"
    """Kong answered it before the guard, and refused nothing: a preflight of CORS, say."""
    OTHER_FORMAT = "other-format"
    """The guard's record is of a release whose format this one does not read."""
    CLOCK = "clock"
    """Its time is tomorrow's, or too old: it counts at the time at which it came."""
    DUPLICATE = "duplicate"


class Visit(NamedTuple):
    """What happened to one request. `at` is Unix milliseconds, when it came; `took` and `waited` are microseconds.

    `took` ends with the last byte of the answer, `waited` is what the server took for its first (None where none was
    asked). `sent` and `received` are bytes with heads, as the agent sent and received them. `trace` is the trace that
    it belongs to, `parent` the span.
    """

    id: str
    at: int
    record: Record
    status: int
    took: int
    waited: int | None
    sent: int
    received: int
    tries: int
    trace: str | None = None
    parent: TraceParent | None = None
    address: str | None = None

    @property
    def server(self) -> str:
        """The server's name."""
        return self.record.server or ""

    @property
    def error(self) -> str:
        """What went wrong, by the conventions' error.type; "" for nothing."""
        record = self.record
        if record.outcome in (Ending.REFUSED, Ending.LIMITED):
            return str(record.refused.code) if record.refused.code is not None else record.outcome
        if record.outcome not in _WELL:
            return record.outcome
        return str(self.status) if self.status >= 400 else ""


_WELL: Final = frozenset(
    {Ending.PASSED, Ending.WOULD_REFUSE, Ending.FILTERED, Ending.WOULD_FILTER, Ending.FLAGGED, Ending.REPLACED}
)


def read(value: Any, now: int) -> tuple[Visit | None, Odd | None]:
    """Return what one log record says, and what is odd about it. `now` is Unix milliseconds.

    Without a visit it does not count at all; with both it counts, otherwise than it says.
    """
    if not isinstance(value, dict):
        return None, Odd.NO_OBJECT
    request, response, latencies = _part(value, "request"), _part(value, "response"), _part(value, "latencies")
    id_ = request.get("id")
    if not isinstance(id_, str) or _ID.fullmatch(id_) is None:
        return None, Odd.NO_ID
    service = _part(value, "service").get("name")
    if _part(request, "headers").get("user-agent") == PROBE_AGENT:
        return None, Odd.NOT_OURS
    if not isinstance(service, str) or not service.startswith(SERVICE) or service.startswith(INTERNAL):
        return None, Odd.NOT_OURS
    status = _whole(response.get("status"), 999)
    record, odd = _record(value, service.removeprefix(SERVICE), status)
    if record is None:
        return None, odd
    waited = latencies.get("proxy") if _is_number(latencies.get("proxy")) else None
    at = _whole(value.get("started_at"), MOST * 1000)
    if not now - LATE_SECONDS * 1000 <= at <= now + EARLY_SECONDS * 1000:
        at, odd = now, Odd.CLOCK
    trace, parent = _part(value, "trace_id").get("w3c"), read_parent(_part(value, KEY).get("trace"))
    return Visit(
        id_,
        at,
        record,
        status,
        _micro(latencies.get("request")),
        None if waited is None or waited < 0 else _micro(waited),
        _whole(request.get("size"), MOST),
        _whole(response.get("size"), MOST),
        _whole(value.get("tries") if not isinstance(value.get("tries"), list) else len(value["tries"]), 99),
        trace if isinstance(trace, str) and _TRACE.fullmatch(trace) else parent and parent.trace,
        parent,
        clean(value.get("client_ip")),
    ), odd


def _record(value: dict[str, Any], server: str, status: int) -> tuple[Record | None, Odd | None]:
    """Return the guard's record, made truthful by what Kong's own plugins did before or behind it."""
    said, source = value.get(KEY), value.get("source") == "kong"
    consumer = _part(value, "consumer").get("username")
    by_kong = source and (status if status in _REFUSED_BY_KONG or status >= 500 else 0)
    named = consumer if isinstance(consumer, str) and said is None else None
    try:
        # Most requests say what others said: the same tool, principal and ending.
        told = said
        if isinstance(said, dict):
            told = tuple(one for one in said.items() if one[0] != "trace") if "trace" in said else tuple(said.items())
        return _known_record(told, server, by_kong, named)
    except TypeError:  # it holds a list: what monitor mode forgave
        return _read_record(said, server, by_kong, named)


@lru_cache(maxsize=_REMEMBERED)
def _known_record(told: Any, server: str, by_kong: int, consumer: str | None) -> tuple[Record | None, Odd | None]:
    return _read_record(dict(told) if isinstance(told, tuple) else told, server, by_kong, consumer)


def _read_record(said: Any, server: str, by_kong: int, consumer: str | None) -> tuple[Record | None, Odd | None]:
    """Return the record of a service's request. `by_kong` is the status with which Kong itself refused it, else 0."""
    record = Record.from_json(said)
    if said is not None and (record is None or record.hop is not Hop.GUARD):
        return None, Odd.OTHER_FORMAT
    if record is None:
        if not by_kong:
            return None, Odd.NO_RECORD
        record = Record(Hop.GUARD, Ending.PASSED, principal=consumer)
    if by_kong and record.outcome in (Ending.PASSED, Ending.WOULD_REFUSE):
        # A plugin of Kong's own, a rate limit say, or nobody behind the guard.
        ending = _REFUSED_BY_KONG.get(by_kong, Ending.UNAVAILABLE)
        record = replace(record, outcome=ending, refused=RefusedBecause(Reason.KONG, str(by_kong)))
    # The route says whose it is; the record is the guard's own word for the same.
    return replace(
        record,
        server=clean(record.server) or clean(server),
        method=clean(record.method),
        name=clean(record.name),
        principal=clean(record.principal),
        session=clean(record.session),
    ), None


def clean(value: Any) -> str | None:
    """Return a text without what a store or a log cannot hold, or None for what is no text."""
    return _NO_TEXT.sub("\ufffd", value[:256]) if isinstance(value, str) else None


def _part(value: dict[str, Any], key: str) -> dict[str, Any]:
    part = value.get(key)
    return part if isinstance(part, dict) else _NONE


def _is_number(value: Any) -> bool:
    return value.__class__ in _NUMBERS


def _whole(value: Any, most: int) -> int:
    return int(value) if _is_number(value) and 0 <= value <= most else 0


def _micro(milliseconds: Any) -> int:
    return round(milliseconds * 1000) if _is_number(milliseconds) and 0 <= milliseconds <= MOST / 1000 else 0
