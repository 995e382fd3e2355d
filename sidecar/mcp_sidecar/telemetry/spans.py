"""Spans of requests, handed on by OTLP with OpenTelemetry's own SDK: bounded, and never in anybody's way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from importlib.metadata import version
from typing import Final

import anyio
import anyio.to_thread
import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from mcp_core.telemetry.span import SpanFacts, span_of
from mcp_core.telemetry.visit import Visit
from mcp_sidecar.telemetry.metrics import TelemetryMetrics

MOST: Final = 20_000
"""Spans that wait. What has no room is counted and dropped: a trace may have a hole, a request may not wait."""
_BATCH: Final = 512
_EVERY_SECONDS: Final = 1.0
_TIMEOUT_SECONDS: Final = 10


class SpanSender:
    """Sends the spans of what is sampled to one OTLP endpoint, the URL of its traces (.../v1/traces)."""

    def __init__(self, endpoint: str, metrics: TelemetryMetrics) -> None:
        self._waiting: deque[SpanFacts] = deque()
        self._metrics = metrics
        release = version("kong-mcp")
        self._resource = Resource.create({"service.name": "kong-mcp", "service.version": release})
        self._scope = InstrumentationScope("kong-mcp", release)
        self._exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_TIMEOUT_SECONDS)

    def add(self, visits: Iterable[Visit]) -> None:
        """Take the spans of requests that are counted."""
        for visit in visits:
            facts = span_of(visit)
            if facts is None:
                continue
            if len(self._waiting) >= MOST:
                self._metrics.spans["dropped"] += 1
            else:
                self._waiting.append(facts)

    async def run(self) -> None:
        """Send what waits, again and again."""
        while True:
            await anyio.sleep(_EVERY_SECONDS)
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
                result = await anyio.to_thread.run_sync(self._export, batch)
                self._metrics.spans[result] += len(batch)

    def _export(self, batch: list[SpanFacts]) -> str:
        if self._exporter.export([self._span(facts) for facts in batch]) is SpanExportResult.SUCCESS:
            return "sent"
        structlog.get_logger().warning("spans not taken", spans=len(batch))
        return "failed"

    def _span(self, facts: SpanFacts) -> ReadableSpan:
        trace = int(facts.parent.trace, 16)
        flags = TraceFlags(TraceFlags.SAMPLED)
        return ReadableSpan(
            name=facts.name,
            context=SpanContext(trace, int(facts.id, 16), is_remote=False, trace_flags=flags),
            parent=SpanContext(trace, int(facts.parent.span, 16), is_remote=True, trace_flags=flags),
            resource=self._resource,
            attributes=facts.attributes,
            kind=SpanKind.SERVER,
            status=Status(StatusCode.ERROR, facts.error) if facts.error else Status(StatusCode.UNSET),
            start_time=facts.begin,
            end_time=facts.end,
            instrumentation_scope=self._scope,
        )
