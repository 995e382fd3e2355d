"""What is counted of long answers, of sessions that go on, and of places. Labels are servers and words of ours."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class LaneMetrics:
    """The metrics of one process's lane that are not of single requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.resumed = Counter(
            "mcp_sidecar_sessions_resumed",
            "Sessions that their replica had lost, by whether another one opened them again, and if not why.",
            ("server", "outcome"),
            registry=registry,
        )
        self.taken = Gauge(
            "mcp_sidecar_places_taken",
            "Requests that are open now, by server and sort: lasting ones (streams, calls), and those that end soon.",
            ("server", "sort"),
            registry=registry,
        )
        self.cancelled = Counter(
            "mcp_sidecar_cancelled",
            "Calls of sessions whose server was told that nobody waits for them: their agent left, or time was up.",
            ("server", "why"),
            registry=registry,
        )
        self.kept_alive = Counter(
            "mcp_sidecar_keep_alives", "Comments that were sent on silent event streams.", registry=registry
        )
        self.slow_readers = Counter(
            "mcp_sidecar_slow_readers",
            "Answers that were cut because their agent did not read them.",
            registry=registry,
        )
