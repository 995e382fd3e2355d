"""What is counted of health. Labels are servers and replicas that the operator named, and words of ours."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class HealthMetrics:
    """The metrics of one process's health."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.probes = Counter(
            "mcp_sidecar_probes",
            "Probes of replicas by this sidecar, by what they found.",
            ("server", "found"),
            registry=registry,
        )
        self.inside = Gauge(
            "mcp_sidecar_replica_in_rotation",
            "1 for a replica that gets requests, 0 for one that probes took out.",
            ("server", "replica"),
            registry=registry,
        )
        self.open = Gauge(
            "mcp_sidecar_breaker_open",
            "1 for a server whose requests are refused at once, by why.",
            ("server", "why"),
            registry=registry,
        )
        self.opened = Counter(
            "mcp_sidecar_breaker_opened", "How often a breaker opened, by why.", ("server", "why"), registry=registry
        )
        self.refused = Counter(
            "mcp_sidecar_breaker_refused",
            "Requests that this sidecar refused because a breaker is open.",
            ("server", "why"),
            registry=registry,
        )
        self.leads = Gauge(
            "mcp_sidecar_probes_leader", "1 where this sidecar is the one that probes.", registry=registry
        )
        self.admin_failures = Counter(
            "mcp_sidecar_admin_failures", "Times that Kong's Admin API could not be asked.", registry=registry
        )
