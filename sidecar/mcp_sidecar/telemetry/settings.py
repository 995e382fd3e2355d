"""What the sidecar is told about telemetry: who may deliver, how many names there may be, what is kept for how long."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from socket import gethostname
from typing import Final
from urllib.parse import urlsplit

from mcp_core.telemetry.ocsf import Persons

MIN_TOKEN: Final = 24
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class TelemetrySettings:
    """Settings of the collector. Without `collector_token` there is none.

    `collector_name` tells collectors of one store apart. `tool_labels` (of each server) and `principal_labels` bound
    the labels of metrics. Hours of usage become days after `usage_hours`, and lose their principals after `usage_days`.
    `audit` is the folder of the audit log: of every call with `audit_calls`, else of what was decided. Its lines stay
    `audit_days`, with what `audit_persons` says of who called. `otlp` is where spans are sent, and
    `otlp_metrics` where all metrics are, which needs no collector.
    """

    collector_token: bytes = field(default=b"", repr=False)
    collector_name: str = field(default_factory=lambda: gethostname()[:64])
    tool_labels: int = 200
    principal_labels: int = 1000
    usage_hours: int = 168
    usage_days: int = 400
    audit: str | None = None
    audit_calls: bool = False
    audit_persons: Persons = Persons.KEPT
    audit_days: int = 365
    otlp: str | None = None
    otlp_metrics: str | None = None

    def problem(self, store: str | None) -> str | None:
        """Return what is missing where one setting needs another."""
        if self.audit is not None and (store is None or not self.collector_token):
            return (
                "MCP_SIDECAR_AUDIT needs MCP_SIDECAR_COLLECTOR_TOKEN and MCP_SIDECAR_STORE: what Kong tells is audited"
            )
        return None


def _token(text: str) -> bytes:
    if len(text) < MIN_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"write at least {MIN_TOKEN} visible ASCII characters: `openssl rand -hex 32` makes some")
    return text.encode()


def _name(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise ValueError("write a short name, such as the host's")
    return text


def _otlp(what: str) -> Callable[[str], str]:
    """Return what reads the URL at which traces, or metrics, are taken."""
    return lambda text: _otlp_url(text, what)


def _otlp_url(text: str, what: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or not text.isascii() or "@" in url.netloc:
        raise ValueError(f"write the URL at which {what} are taken by OTLP over HTTP: http://127.0.0.1:4318/v1/{what}")
    try:
        there = find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        there = False
    if not there:
        raise ValueError("it needs OpenTelemetry's packages: pip install 'kong-mcp[otlp]'")
    return text


def _folder(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("write the full path of a folder that the sidecar may write, and nobody else reads")
    return text


def _events(text: str) -> bool:
    if text.lower() not in ("decisions", "calls"):
        raise ValueError("write decisions (refusals and the like), or calls (every request)")
    return text.lower() == "calls"


def _persons(text: str) -> Persons:
    try:
        return Persons(text.lower())
    except ValueError:
        raise ValueError(f"write one of {', '.join(Persons)}") from None


def _between(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1
        if not least <= value <= most:
            raise ValueError(f"write a number from {least} to {most}")
        return value

    return parse


TELEMETRY_VARIABLES: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    "MCP_SIDECAR_COLLECTOR_TOKEN": ("collector_token", _token),
    "MCP_SIDECAR_COLLECTOR_NAME": ("collector_name", _name),
    "MCP_SIDECAR_TOOL_LABELS": ("tool_labels", _between(1, 10_000)),
    "MCP_SIDECAR_PRINCIPAL_LABELS": ("principal_labels", _between(0, 100_000)),
    "MCP_SIDECAR_USAGE_HOURS": ("usage_hours", _between(24, 100_000)),
    "MCP_SIDECAR_USAGE_DAYS": ("usage_days", _between(1, 10_000)),
    "MCP_SIDECAR_AUDIT": ("audit", _folder),
    "MCP_SIDECAR_AUDIT_EVENTS": ("audit_calls", _events),
    "MCP_SIDECAR_AUDIT_PERSONS": ("audit_persons", _persons),
    "MCP_SIDECAR_AUDIT_DAYS": ("audit_days", _between(1, 10_000)),
    "MCP_SIDECAR_OTLP_TRACES": ("otlp", _otlp("traces")),
    "MCP_SIDECAR_OTLP_METRICS": ("otlp_metrics", _otlp("metrics")),
}
"""Variable -> the field it sets and its parser, which raises ValueError saying what to write."""
