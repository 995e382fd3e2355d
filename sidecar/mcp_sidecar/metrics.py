"""What is counted, for Prometheus. Every label is one of a bounded set: nothing an agent or a server writes is one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.exposition import choose_encoder

from mcp_core.methods import BATCH_METHOD, METHODS, RESPONSE_METHOD, Kind
from mcp_core.record import Record
from mcp_sidecar.auth.metrics import IssuerMetrics
from mcp_sidecar.health.metrics import HealthMetrics
from mcp_sidecar.lane.lane_metrics import LaneMetrics
from mcp_sidecar.surface.pin_metrics import PinMetrics
from mcp_sidecar.telemetry.metrics import TelemetryMetrics
from mcp_sidecar.telemetry.settings import TelemetrySettings

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_KNOWN: Final = frozenset({*METHODS, BATCH_METHOD, RESPONSE_METHOD})

STREAM: Final = "stream"
"""What a legacy GET counts as, which has no JSON-RPC method."""
NONE: Final = "none"
"""The label value of what is not known because the caller was not the guard."""


def method_label(method: str) -> str:
    """Return a label for what Mcp-Method says: itself where the specification knows it."""
    if not method:
        return STREAM
    return method if method in _KNOWN else "other"


def second_readings(registry: CollectorRegistry) -> Counter:
    """Return what is counted of the second reader."""
    text = "Questions to the second reader, by its word or why there is none."
    return Counter("mcp_sidecar_second_readings", text, ("outcome",), registry=registry)


class Metrics:
    """One process's metrics, in a registry of their own."""

    def __init__(self, telemetry: TelemetrySettings | None = None) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "mcp_sidecar_requests",
            "Requests, by how they ended.",
            ("server", "era", "method", "outcome"),
            registry=self._registry,
        )
        self.hidden = Counter(
            "mcp_sidecar_items_hidden",
            "Items of lists that the caller may not see. In monitor mode they were shown all the same.",
            ("server", "kind", "mode"),
            registry=self._registry,
        )
        self.refused = Counter(
            "mcp_sidecar_answers_refused",
            "Answers of servers that were withheld, by the class of the reason.",
            ("server", "reason"),
            registry=self._registry,
        )
        self.dropped = Counter(
            "mcp_sidecar_messages_dropped",
            "What servers sent that was left out of an answer, by why; the rest of it went on.",
            ("server", "reason"),
            registry=self._registry,
        )
        self.repeats = Counter(
            "mcp_sidecar_repeats",
            "Requests that were sent to Kong's internal route once more, by why.",
            ("server", "reason"),
            registry=self._registry,
        )
        self.upstream = Histogram(
            "mcp_sidecar_upstream_seconds",
            "Time until Kong's internal route answered with headers.",
            ("server",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self.streams = Gauge(
            "mcp_sidecar_streams_open", "Event streams that are open now.", ("server",), registry=self._registry
        )

        self.findings = Counter(
            "mcp_sidecar_findings",
            "What was found in results and arguments, by rule, and whether it went on all the same.",
            ("server", "rule", "action"),
            registry=self._registry,
        )
        self.second = second_readings(self._registry)
        self.pins = PinMetrics(self._registry)
        self.issuers = IssuerMetrics(self._registry)
        self.health = HealthMetrics(self._registry)
        told = telemetry or TelemetrySettings()
        hears = bool(told.collector_token)
        self.telemetry = TelemetryMetrics(self._registry, told.tool_labels, told.principal_labels, hears=hears)
        self.lane = LaneMetrics(self._registry)

    def count(self, record: Record) -> None:
        """Count how a request ended. What is not known was not the guard's."""
        method = NONE if record.server is None else method_label(record.method or "")
        self.requests.labels(record.server or NONE, record.era or NONE, method, record.outcome).inc()

    def hide(self, server: str, kind: Kind, count: int, *, enforce: bool) -> None:
        """Count hidden items of one kind."""
        self.hidden.labels(server, kind.value, "enforce" if enforce else "monitor").inc(count)

    def families(self) -> Iterable[Metric]:
        """Return all of it as prometheus_client has it."""
        return self._registry.collect()

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """Return all of it in the format that a reader accepts, and its media type.

        OpenMetrics has exemplars; the text format of Prometheus, the default, has none.
        """
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type
