"""What the sidecar is told about telemetry: who may deliver, how many names there may be, what is kept for how long."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from socket import gethostname
from typing import Final

MIN_TOKEN: Final = 24
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class TelemetrySettings:
    """Settings of the collector. Without `collector_token` there is none.

    `collector_name` tells collectors of one store apart. `tool_labels` (of each server) and `principal_labels` bound
    the labels of metrics. Hours of usage become days after `usage_hours`, and lose their principals after `usage_days`.
    """

    collector_token: bytes = field(default=b"", repr=False)
    collector_name: str = field(default_factory=lambda: gethostname()[:64])
    tool_labels: int = 200
    principal_labels: int = 1000
    usage_hours: int = 168
    usage_days: int = 400


def _token(text: str) -> bytes:
    if len(text) < MIN_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"write at least {MIN_TOKEN} visible ASCII characters: `openssl rand -hex 32` makes some")
    return text.encode()


def _name(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise ValueError("write a short name, such as the host's")
    return text


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
}
"""Variable -> the field it sets and its parser, which raises ValueError saying what to write."""
