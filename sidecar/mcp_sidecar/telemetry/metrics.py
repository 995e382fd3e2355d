"""What the collector counted, for Prometheus: names by OpenTelemetry's conventions, labels from a bounded set.

Source: semantic-conventions-genai, metrics of MCP; their names in Prometheus by the OTLP translation (dots become
underscores, the unit is a suffix).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Multiset
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector as Registered
from prometheus_client.samples import Exemplar

from mcp_core.methods import METHODS, Kind
from mcp_core.telemetry.tally import BOUNDS, BUCKETS, OTHER, Counted, Names, UsageKey
from mcp_core.telemetry.visit import Visit
from mcp_sidecar.telemetry.heard import MOST, Heard

_LES: Final = (*(f"{bound:g}" for bound in BOUNDS), "+Inf")
_MICRO: Final = 1_000_000


class _Operation(NamedTuple):
    server: str
    method: str
    tool: str
    prompt: str
    error: str


class _Ending(NamedTuple):
    server: str
    era: str
    lane: str
    outcome: str
    reason: str


class TelemetryMetrics(Registered):
    """All metrics that are made of Kong's records, which come where it `hears`.

    What is counted of names that found no place is `other`'s.
    """

    def __init__(self, registry: CollectorRegistry, tools: int, principals: int, *, hears: bool) -> None:
        self._names = Names(tools, principals)
        self._operations: dict[_Operation, Counted] = {}
        self._exemplars: dict[_Operation, list[Exemplar | None]] = {}
        self._endings: Multiset[_Ending] = Multiset()
        self._principals: Multiset[tuple[str, str]] = Multiset()
        self._servers: dict[str, Counted] = {}
        self.records: Multiset[str] = Multiset()
        self.deliveries: Multiset[str] = Multiset()
        self.spans: Multiset[str] = Multiset()
        self.last = 0.0
        self.heard = Heard(MOST if hears else 0)
        registry.register(self)

    def restore(self, totals: Mapping[UsageKey, Counted]) -> None:
        """Go on from what the store has of this collector; the most used names come first.

        Principals are counted from the start of the process on: the store forgets them after a while.
        """
        for key, counted in sorted(totals.items(), key=lambda one: -one[1].calls):
            self._count(key, counted)

    def add(self, counts: Mapping[UsageKey, Counted], traced: Iterable[tuple[UsageKey, Visit]]) -> None:
        """Count what came in one delivery. `traced` are requests of which there is a trace, and their keys."""
        for key, counted in counts.items():
            self._count(key, counted)
            if key.principal:
                self._principals[self._names.principal(key.principal), key.outcome] += counted.calls
        for key, visit in traced:
            self._exemplify(self._operation(key), visit)

    def _count(self, key: UsageKey, counted: Counted) -> None:
        self._operations.setdefault(self._operation(key), Counted()).merge(counted)
        self._endings[_Ending(key.server, key.era, key.lane, key.outcome, key.reason)] += counted.calls
        self._servers.setdefault(key.server, Counted()).merge(counted)

    def _operation(self, key: UsageKey) -> _Operation:
        # An item that the usage knows was called once; here it has a place, or is `other`.
        item = self._names.item(key.server, key.name, may_enter=key.name != OTHER) if key.name else ""
        known = METHODS.get(key.method)
        prompt = known is not None and known.kind is Kind.PROMPT
        return _Operation(key.server, key.method, "" if prompt else item, item if prompt else "", key.error)

    def _exemplify(self, operation: _Operation, visit: Visit) -> None:
        seconds = visit.took / _MICRO
        kept = self._exemplars.setdefault(operation, [None] * BUCKETS)
        kept[bisect_left(BOUNDS, seconds)] = Exemplar({"trace_id": visit.trace or ""}, seconds, visit.at / 1000)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics. prometheus_client calls this for each scrape."""
        yield self._durations()
        yield self._requests()
        yield self._callers()
        yield from self._traffic()
        yield from self._own()

    def _durations(self) -> Metric:
        labels = ("server", "mcp_method_name", "gen_ai_tool_name", "gen_ai_prompt_name", "error_type")
        told = "From the request's first byte to its answer's last, as the agent's gateway saw it."
        family = HistogramMetricFamily("mcp_server_operation_duration_seconds", told, labels=labels)
        for operation, counted in self._operations.items():
            below = 0
            buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
            exemplars = self._exemplars.get(operation, [None] * BUCKETS)
            for le, count, exemplar in zip(_LES, counted.buckets, exemplars, strict=True):
                below += count
                buckets.append((le, float(below)) if exemplar is None else (le, float(below), exemplar))
            family.add_metric(list(operation), buckets, counted.took / _MICRO)
        return family

    def _requests(self) -> Metric:
        labels = ("server", "era", "lane", "outcome", "reason")
        family = CounterMetricFamily("mcp_requests", "Requests of agents, by how they ended and why.", labels=labels)
        for ending, count in self._endings.items():
            family.add_metric(list(ending), count)
        return family

    def _callers(self) -> Metric:
        told = "Requests by who sent them, since this process began."
        family = CounterMetricFamily("mcp_principal_requests", told, labels=("principal", "outcome"))
        for (principal, outcome), count in self._principals.items():
            family.add_metric([principal, outcome], count)
        return family

    def _traffic(self) -> Iterator[Metric]:
        waited = SummaryMetricFamily("mcp_server_wait_seconds", "Time until a server's first byte.", labels=("server",))
        sent = CounterMetricFamily("mcp_sent_bytes", "Bytes that agents sent, heads included.", labels=("server",))
        received = CounterMetricFamily("mcp_received_bytes", "Bytes that agents received.", labels=("server",))
        retries = CounterMetricFamily("mcp_retries", "Tries of Kong's after the first.", labels=("server",))
        for server, counted in self._servers.items():
            waited.add_metric([server], counted.asked, counted.waited / _MICRO)
            sent.add_metric([server], counted.sent)
            received.add_metric([server], counted.received)
            retries.add_metric([server], counted.retries)
        yield from (waited, sent, received, retries)

    def _own(self) -> Iterator[Metric]:
        records = CounterMetricFamily(
            "mcp_collector_records", "Kong's log records, by what became of them.", labels=("result",)
        )
        for result, count in self.records.items():
            records.add_metric([result], count)
        deliveries = CounterMetricFamily(
            "mcp_collector_deliveries", "Deliveries of Kong's, by what became of them.", labels=("result",)
        )
        for result, count in self.deliveries.items():
            deliveries.add_metric([result], count)
        spans = CounterMetricFamily("mcp_collector_spans", "Spans, by what became of them.", labels=("result",))
        for result, count in self.spans.items():
            spans.add_metric([result], count)
        turned_away = CounterMetricFamily("mcp_collector_names_turned_away", "Names that are counted as `other`.")
        turned_away.add_metric([], self._names.turned_away)
        last = GaugeMetricFamily("mcp_collector_last_delivery_timestamp_seconds", "When Kong delivered last.")
        last.add_metric([], self.last)
        yield from (records, deliveries, spans, turned_away, last)
