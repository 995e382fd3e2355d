"""Probes all replicas, each at its own time, and keeps what is thought of each."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from mcp_core.health.probe import Acquaintance, Sign
from mcp_core.health.rotation import INTERVAL, Rotation, pause
from mcp_sidecar.health.asking import ProbeAsker
from mcp_sidecar.health.metrics import HealthMetrics
from mcp_sidecar.health.replicas import Replica, ReplicaStanding

_RANDOM: Final = secrets.SystemRandom()

Changed = Callable[[Replica, ReplicaStanding, bool], None]
"""Hears of each finding: the replica, the verdict now, and whether it went in or out by it."""


class Prober:
    """Probes those replicas that it was given last. `changed` hears of every finding."""

    def __init__(self, asker: ProbeAsker, metrics: HealthMetrics, changed: Changed) -> None:
        self._asker = asker
        self._metrics = metrics
        self._changed = changed
        self._running: dict[Replica, anyio.CancelScope] = {}
        self._rotations: dict[Replica, Rotation] = {}
        self._many: dict[str, int] = {}

    def verdicts(self) -> dict[Replica, ReplicaStanding]:
        """Return what is thought of the replicas that are probed now."""
        return {replica: ReplicaStanding(held.inside, held.word) for replica, held in self._rotations.items()}

    def watch(self, replicas: frozenset[Replica], known: Mapping[Replica, ReplicaStanding], tasks: TaskGroup) -> None:
        """Probe exactly these from now on. `known` is what another sidecar thought of them."""
        for gone in self._running.keys() - replicas:
            self._running.pop(gone).cancel()
            del self._rotations[gone]
        self._many = {
            server: sum(replica.server == server for replica in replicas)
            for server in {replica.server for replica in replicas}
        }
        for new in replicas - self._running.keys():
            thought = known.get(new, ReplicaStanding(inside=True, word=""))
            scope = self._running[new] = anyio.CancelScope()
            self._rotations[new] = Rotation(inside=thought.inside, word=thought.word)
            tasks.start_soon(self._watch, new, self._rotations[new], scope)

    async def _probe(self, replica: Replica, known: Acquaintance) -> Sign:
        try:
            return await self._asker.probe(replica.url, known)
        except Exception:  # noqa: BLE001 - the outermost edge of a probe: what a replica sends must stop nobody else's
            structlog.get_logger().exception("a probe failed", server=replica.server, replica=replica.target)
            return Sign(well=False, word="failed")

    async def _watch(self, replica: Replica, rotation: Rotation, scope: anyio.CancelScope) -> None:
        known = self._asker.meet()
        with scope:
            # All are met at the same moment, and asked one after the other all the same.
            await anyio.sleep(INTERVAL * _RANDOM.random() * 0.5)
            while True:
                finding = await self._probe(replica, known)
                self._metrics.probes.labels(replica.server, finding.word).inc()
                moved = rotation.found(finding, time.monotonic())
                if moved:
                    structlog.get_logger().warning(
                        "replica is back" if rotation.inside else "replica is out of rotation",
                        server=replica.server,
                        replica=replica.target,
                        why=finding.word,
                    )
                self._changed(replica, ReplicaStanding(rotation.inside, rotation.word), moved)
                await anyio.sleep(pause(rotation, finding, self._many.get(replica.server, 1), _RANDOM.random()))
        with anyio.CancelScope(shield=True):
            await self._asker.leave(replica.url, known)
