"""The agent's trace: what a message says of it in params._meta, and what headers say.

An agent that is instrumented writes W3C trace context into `params._meta`, unprefixed (SEP-414). As headers Kong's own
opentelemetry plugin, servers and the collector can read it; the message's word counts more than its transport's.
Source: W3C Trace Context, sections 3.2 and 3.3; W3C Baggage, section 3.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
BAGGAGE: Final = "baggage"
MOST_STATE: Final = 512
MOST_BAGGAGE: Final = 2048
"""Characters that are handed on: what is recommended of tracestate, enough for baggage. Longer ones are left out."""

_PARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]+")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


class TraceParent(NamedTuple):
    """Which span a request belongs to."""

    trace: str
    span: str
    sampled: bool


def read_parent(value: Any) -> TraceParent | None:
    """Return what a traceparent says, or None for what is none of version 00."""
    match = _PARENT.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[1] == _NO_TRACE or match[2] == _NO_SPAN:
        return None
    return TraceParent(match[1], match[2], bool(int(match[3], 16) & 1))


def headers_of(params: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the headers by which a message's trace goes on: none where its `_meta` names no valid parent.

    State and baggage without a parent mean nothing, and what no header can hold is left out.
    """
    meta = params.get("_meta")
    if not isinstance(meta, dict) or TRACEPARENT not in meta or read_parent(meta[TRACEPARENT]) is None:
        return ()
    found = [(TRACEPARENT, meta[TRACEPARENT])]
    for name, most in ((TRACESTATE, MOST_STATE), (BAGGAGE, MOST_BAGGAGE)):
        value = meta.get(name)
        if isinstance(value, str) and len(value) <= most and _PRINTABLE.fullmatch(value):
            found.append((name, value.strip()))
    return tuple(found)
