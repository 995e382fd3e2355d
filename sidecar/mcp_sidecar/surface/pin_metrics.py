"""What is counted of pins. Labels are servers whose guards signed, kinds of items, and words of ours."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class PinMetrics:
    """The metrics of one process's pins."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.unapproved = Counter(
            "mcp_sidecar_items_unapproved",
            "Items of answers that are not open. In monitor mode they were shown all the same.",
            ("server", "kind", "mode"),
            registry=registry,
        )
        self.versions = Counter(
            "mcp_sidecar_versions",
            "Versions of items seen for the first time, and servers that went back and forth, by their grade.",
            ("server", "kind", "state", "reason"),
            registry=registry,
        )
        self.left_out = Counter(
            "mcp_sidecar_versions_left_out",
            "New versions that were not written down and stay hidden: their server sends too many, or has too many.",
            ("server", "why"),
            registry=registry,
        )
        self.other_store = Gauge(
            "mcp_sidecar_other_store",
            "1 while the store is not the one that this node knew, and nobody accepted it: nothing new opens.",
            registry=registry,
        )
        self.generation = Gauge(
            "mcp_sidecar_generation", "Generation of the store that this node knows.", registry=registry
        )
        self.store_failures = Counter(
            "mcp_sidecar_store_failures", "Questions that the store did not answer.", registry=registry
        )
        self.looks = Counter(
            "mcp_sidecar_looks",
            "Own looks at servers, by how they ended.",
            ("server", "outcome"),
            registry=registry,
        )
        self.webhooks = Counter(
            "mcp_sidecar_webhooks",
            "Alerts for the webhook, by what became of them.",
            ("outcome",),
            registry=registry,
        )
        self.mails = Counter(
            "mcp_sidecar_mails",
            "Alerts by mail, by what became of them.",
            ("outcome",),
            registry=registry,
        )
