"""What is counted of issuers. They are the operator's own, so there are few."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class IssuerMetrics:
    """Counters of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.fetches = Counter(
            "mcp_sidecar_issuer_fetches",
            "Attempts to fetch an issuer's keys, by how they ended.",
            ("issuer", "outcome"),
            registry=registry,
        )
        self.until = Gauge(
            "mcp_sidecar_issuer_keys_until_seconds",
            "The Unix time until which the keys of an issuer count unless they are fetched again.",
            ("issuer",),
            registry=registry,
        )
        self.asks = Counter(
            "mcp_sidecar_guard_questions",
            "Questions of this node's guards, by what they asked and how that ended.",
            ("ask", "state"),
            registry=registry,
        )
