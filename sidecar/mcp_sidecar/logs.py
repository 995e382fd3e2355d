"""Logs as JSON lines on stderr, those of the libraries too.

No line holds a body, a header's value, a session or a key: what may be logged of a request is the fields of Line.
"""

from __future__ import annotations

import logging
import logging.config
import re
from dataclasses import dataclass
from typing import Any, Final

import structlog

from mcp_core.headers import Headers, single

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_REQUEST_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_REQUEST_ID_HEADERS: Final = ("x-kong-request-id", "kong-request-id")


@dataclass(slots=True)
class Line:
    """What is logged of one request. Times are monotonic seconds."""

    started: float
    trace: str | None = None
    server: str | None = None
    principal: str | None = None
    era: str = "none"
    method: str = "none"
    status: int | None = None
    outcome: str = "failed"
    reason: str | None = None
    hidden: int = 0
    dropped: int = 0

    def write(self, now: float) -> None:
        """Write the line."""
        fields: dict[str, Any] = {
            "trace": self.trace,
            "server": self.server,
            "principal": self.principal,
            "era": self.era,
            "method": self.method,
            "status": self.status,
            "outcome": self.outcome,
            "hidden": self.hidden,
            "dropped": self.dropped,
            "ms": round((now - self.started) * 1000, 1),
        }
        if self.reason is not None:
            fields["reason"] = self.reason
        structlog.get_logger().info("request", **fields)


def trace_id(headers: Headers) -> str | None:
    """Return the trace id of a W3C traceparent, else Kong's request id, else None. Anything odd counts as absent."""
    match = _TRACEPARENT.fullmatch(single(headers, "traceparent") or "")
    if match is not None:
        return match[1]
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
            "loggers": {name: {"level": "WARNING"} for name in ("httpx", "httpcore", "aiohttp", "uvicorn", "asyncio")},
        }
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
