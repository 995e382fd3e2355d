"""What happened to a request as a span, by OpenTelemetry's conventions for MCP.

Source: semantic-conventions-genai v0.1.0, MCP. No argument and no result is an attribute.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

from mcp_core.methods import CALL, METHODS, URI_KINDS, Kind
from mcp_core.telemetry.visit import Visit
from mcp_core.tracing import TraceParent

_ID: Final = re.compile(r"[0-9a-f]{32}")


class SpanFacts(NamedTuple):
    """A span of kind SERVER. Times are nanoseconds since 1970; `error` is "" for what went well."""

    name: str
    parent: TraceParent
    id: str
    begin: int
    end: int
    attributes: dict[str, str | int]
    error: str


def span_of(visit: Visit) -> SpanFacts | None:
    """Return the span of a request whose trace is sampled, else None."""
    parent, record = visit.parent, visit.record
    if parent is None or not parent.sampled:
        return None
    method = record.method or "http"
    known = METHODS.get(method)
    kind = known.kind if known is not None else None
    named = record.name if kind in (Kind.TOOL, Kind.PROMPT) else None
    begin = visit.at * 1_000_000
    return SpanFacts(
        f"{method} {named}" if named else method,
        parent,
        span_id(visit.id),
        begin,
        begin + visit.took * 1000,
        _attributes(visit, method, kind),
        visit.error,
    )


def span_id(request: str) -> str:
    """Return a span's id, which Kong's id of the request gives: a record that is told twice is no second span."""
    if _ID.fullmatch(request):
        return request[:16] if request[:16] != "0" * 16 else f"{request[:15]}1"
    return hashlib.blake2b(request.encode(), digest_size=8).hexdigest()


def _attributes(visit: Visit, method: str, kind: Kind | None) -> dict[str, str | int]:
    record, name = visit.record, visit.record.name
    told: dict[str, str | int | None] = {
        "mcp.method.name": method,
        "gen_ai.operation.name": "execute_tool" if method == CALL else None,
        "gen_ai.tool.name": name if kind is Kind.TOOL else None,
        "gen_ai.prompt.name": name if kind is Kind.PROMPT else None,
        "mcp.resource.uri": name if kind in URI_KINDS else None,
        "error.type": visit.error or None,
        "rpc.response.status_code": None if record.refused.code is None else str(record.refused.code),
        "network.transport": "tcp",
        "http.response.status_code": visit.status or None,
        "kong_mcp.server": visit.server,
        "kong_mcp.outcome": str(record.outcome),
        "kong_mcp.reason": str(record.reason) if record.reason else None,
        "kong_mcp.lane": str(record.lane) if record.lane else None,
        "kong_mcp.request.id": visit.id,
    }
    return {key: value for key, value in told.items() if value is not None}
