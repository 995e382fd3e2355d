"""The metrics of `/metrics`, handed on by OTLP with OpenTelemetry's own SDK, for who has no Prometheus.

What the conventions of MCP and GenAI have names for has those; all else is named as at `/metrics`. Values are
cumulative, from the store's beginning where there is one: as Prometheus reads them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Final

import anyio
import anyio.to_thread
import structlog
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import export as otlp
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import Metric

_EVERY_SECONDS: Final = 60.0
_TIMEOUT_SECONDS: Final = 10
_NAMES: Final = {
    "mcp_server_operation_duration_seconds": ("mcp.server.operation.duration", "s"),
}
"""Name at /metrics -> name and unit by the conventions."""
_LABELS: Final = {
    "mcp_method_name": "mcp.method.name",
    "gen_ai_tool_name": "gen_ai.tool.name",
    "gen_ai_prompt_name": "gen_ai.prompt.name",
    "error_type": "error.type",
}
_CUMULATIVE: Final = otlp.AggregationTemporality.CUMULATIVE
_Labels = tuple[tuple[str, str], ...]


class MetricSender:
    """Sends all families to one OTLP endpoint, the URL of its metrics (.../v1/metrics)."""

    def __init__(self, endpoint: str, families: Callable[[], Iterable[Metric]]) -> None:
        self._families = families
        self._begun = time.time_ns()
        release = version("kong-mcp")
        self._resource = Resource.create({"service.name": "kong-mcp", "service.version": release})
        self._scope = InstrumentationScope("kong-mcp", release)
        self._exporter = OTLPMetricExporter(endpoint=endpoint, timeout=_TIMEOUT_SECONDS)

    async def run(self) -> None:
        """Send them now, and every minute."""
        while True:
            families = list(self._families())
            await anyio.to_thread.run_sync(self.send, families)
            await anyio.sleep(_EVERY_SECONDS)

    def send(self, families: Iterable[Metric]) -> bool:
        """Send families once; what is not taken is in the next minute's too."""
        now = time.time_ns()
        told = [_metric(family, self._begun, now) for family in families]
        several = [otlp.ScopeMetrics(self._scope, [metric for metric in told if metric is not None], "")]
        result = self._exporter.export(otlp.MetricsData([otlp.ResourceMetrics(self._resource, several, "")]))
        if result is otlp.MetricExportResult.SUCCESS:
            return True
        structlog.get_logger().warning("metrics not taken")
        return False


def _metric(family: Metric, begun: int, now: int) -> otlp.Metric | None:
    name, unit = _NAMES.get(family.name, (family.name, family.unit or ""))
    data: otlp.Sum | otlp.Gauge | otlp.Histogram
    if family.type in ("histogram", "summary"):
        data = otlp.Histogram(_histograms(family, begun, now), _CUMULATIVE)
    else:
        points = [
            otlp.NumberDataPoint(_attributes(sample.labels), begun, now, sample.value)
            for sample in family.samples
            if not sample.name.endswith("_created")
        ]
        counts = family.type == "counter"
        data = otlp.Sum(points, _CUMULATIVE, is_monotonic=True) if counts else otlp.Gauge(points)
    return otlp.Metric(name, family.documentation, unit, data) if data.data_points else None


def _histograms(family: Metric, begun: int, now: int) -> list[otlp.HistogramDataPoint]:
    """Return the points of a histogram, whose buckets are cumulative at /metrics; a summary has the one for all."""
    parts: dict[_Labels, dict[str, float]] = {}
    for sample in family.samples:
        labels = tuple((name, value) for name, value in sample.labels.items() if name != "le")
        part = parts.setdefault(labels, {})
        part[sample.labels.get("le") or sample.name.rpartition("_")[2]] = sample.value
    points = []
    for labels, part in parts.items():
        total, count = part.pop("sum", 0.0), int(part.pop("count", 0))
        part.pop("created", None)
        upto = sorted((float(bound), int(value)) for bound, value in part.items())
        bounds = [bound for bound, _ in upto if bound != float("inf")]
        below = [0, *(value for bound, value in upto if bound != float("inf"))]
        buckets = [high - low for low, high in zip(below, [*below[1:], count], strict=True)]
        attributes = _attributes(dict(labels))
        points.append(otlp.HistogramDataPoint(attributes, begun, now, count, total, buckets, bounds, None, None))  # type: ignore[arg-type]
    return points


def _attributes(labels: Mapping[str, str]) -> dict[str, str]:
    return {_LABELS.get(name, name): value for name, value in labels.items() if value}
