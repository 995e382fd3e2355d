"""Logs as JSON lines on stderr, those of the libraries too.

No line holds a body, a session or a key: what may be logged of a request is its Record, and the fields of Line.
"""

from __future__ import annotations

import logging
import logging.config
import re
from dataclasses import replace
from typing import Any, Final

import structlog

from mcp_core.claims import Claims, Target
from mcp_core.headers import Headers, decode_value, single
from mcp_core.methods import NAME_HEADER, Lane
from mcp_core.outcome import Reject
from mcp_core.reasons import Ending
from mcp_core.record import Hop, Record, RefusedBecause, hash_session

DEBUG_LOGGER: Final = "mcp_sidecar.debug"
"""The logger of lines that somebody asked for by name: written whatever MCP_SIDECAR_LOG_LEVEL is."""
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_ROOT: Final = logging.getLogger()
_REQUEST_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_REQUEST_ID_HEADERS: Final = ("x-kong-request-id", "kong-request-id")


class Line:
    """What is found out of one request while it is served: its record in the end, and what the log says besides.

    `started` is in monotonic seconds. `hidden` counts items, `dropped` messages, that the answer lost on its way.
    """

    __slots__ = ("asked", "dropped", "ended", "hidden", "refusal", "started", "status", "trace")

    def __init__(self, started: float, trace: str | None = None) -> None:
        self.started = started
        self.trace = trace
        self.asked = Record(Hop.SIDECAR, Ending.FAILED, lane=Lane.INSPECT)
        self.ended = Ending.FAILED
        self.refusal: Reject | None = None
        self.status: int | None = None
        self.hidden = 0
        self.dropped = 0

    @property
    def principal(self) -> str | None:
        """What logs call who asked."""
        return self.asked.principal

    @property
    def outcome(self) -> Ending:
        """How it ended, as far as is known. Set to a word that is none of Ending's, it raises ValueError."""
        return self.ended

    @outcome.setter
    def outcome(self, word: str) -> None:
        self.ended = Ending(word)

    def end(self, outcome: str, refusal: Reject) -> None:
        """Take down that it ended with a refusal."""
        self.outcome, self.refusal = outcome, refusal

    def record(self) -> Record:
        """Return what happened."""
        refused = self.asked.refused if self.refusal is None else RefusedBecause.of(self.refusal)
        return replace(self.asked, outcome=self.ended, refused=refused)

    def write(self, record: Record, now: float) -> None:
        """Write the line, where lines of requests are written."""
        if not _ROOT.isEnabledFor(logging.INFO):
            return
        structlog.get_logger().info(
            "request",
            **{"server": None, "principal": None, **record.to_json()},
            trace=self.trace,
            status=self.status,
            hidden=self.hidden,
            dropped=self.dropped,
            ms=round((now - self.started) * 1000, 1),
        )


def asked(claims: Claims, target: Target, headers: Headers) -> Record:
    """Return what the guard says of a request, as far as it is a record: how it ends is not known yet."""
    name = single(headers, NAME_HEADER)
    return Record(
        Hop.SIDECAR,
        Ending.FAILED,
        target.server,
        claims.method or None,
        None if name is None else decode_value(name),
        claims.principal.name,
        target.era,
        Lane.INSPECT,
        None if target.session is None else hash_session(target.server, target.session),
    )


def trace_id(headers: Headers) -> str | None:
    """Return the trace id of a W3C traceparent, else Kong's request id, else None. Anything odd counts as absent."""
    match = _TRACEPARENT.fullmatch(single(headers, "traceparent") or "")
    return match[1] if match is not None else request_id(headers)


def request_id(headers: Headers) -> str | None:
    """Return Kong's id of a request, else None. Anything odd counts as absent."""
    for name in _REQUEST_ID_HEADERS:
        value = single(headers, name)
        if value is not None and _REQUEST_ID.fullmatch(value):
            return value
    return None


def configure(level: str) -> None:
    """Send every log line of the process to stderr, as JSON, from `level` on."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.format_exc_info,
                        structlog.processors.JSONRenderer(),
                    ],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"handlers": ["stderr"], "level": level.upper()},
            # These write URLs at INFO and header values at DEBUG, or lines that say what ours say.
            "loggers": {
                DEBUG_LOGGER: {"level": "INFO"},
                **{name: {"level": "WARNING"} for name in ("httpx", "httpcore", "aiohttp", "uvicorn", "asyncio")},
            },
        }
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
