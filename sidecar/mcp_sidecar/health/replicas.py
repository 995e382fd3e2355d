"""Which replicas there are, and how each is named: to Kong, to a prober, and in what sidecars tell each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, order=True)
class Replica:
    """One replica of one server: `target` is Kong's host:port of it, `url` where its MCP endpoint is."""

    server: str
    target: str
    url: str

    @property
    def key(self) -> str:
        """Return what tells it from all others, in what sidecars tell each other."""
        return f"{self.server} {self.target}"


@dataclass(frozen=True, slots=True)
class ReplicaStanding:
    """What is thought of a replica: whether it is in rotation, and the word of its last probe."""

    inside: bool
    word: str


def of_settings(replicas: Mapping[str, Iterable[str]]) -> frozenset[Replica]:
    """Return the replicas that settings name by their URLs."""
    found = set()
    for server, urls in replicas.items():
        for url in urls:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
            found.add(Replica(server, f"{host}:{port}", url))
    return frozenset(found)
