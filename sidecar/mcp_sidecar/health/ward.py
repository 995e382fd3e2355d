"""All that health needs in a running sidecar, put together: probes, whose verdicts hold, and who hears of them.

Of several sidecars with one store one probes, by a lease, and the others take over what it tells; a sidecar without a
store, or whose store is away, probes for itself.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from mcp_sidecar.health.asking import ProbeAsker
from mcp_sidecar.health.breakers import Breakers, ToldFile
from mcp_sidecar.health.kong_admin import KongAdmin
from mcp_sidecar.health.marks import Marks
from mcp_sidecar.health.metrics import HealthMetrics
from mcp_sidecar.health.prober import Prober
from mcp_sidecar.health.replicas import Replica, ReplicaStanding, of_settings
from mcp_sidecar.settings import Settings
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.leases import Tenure
from mcp_sidecar.surface.surfaces import Surfaces

ROUND_SECONDS: Final = 1.0
"""How soon a sidecar hears what the one that probes has found, at the latest."""
LEASE_SECONDS: Final = 4.0
"""How long nobody probes after the sidecar that did is gone."""
_LEASE: Final = "probes"


class Ward:
    """Keeps what is thought of replicas and servers. `surfaces` has the store, where there is one."""

    def __init__(self, settings: Settings, surfaces: Surfaces | None, metrics: HealthMetrics) -> None:
        health, release = settings.health, version("kong-mcp")
        self._probes = health.probes
        self._surfaces = surfaces
        self._metrics = metrics
        self._named = of_settings(health.replicas)
        file = None if health.file is None else ToldFile(health.file, settings.keys, release)
        self.breakers = Breakers(health.limits, metrics, file)
        self._asker = ProbeAsker(release)
        self._prober = Prober(self._asker, metrics, self._found)
        self._marks = [Marks(KongAdmin(url, health.admin_token), metrics) for url in health.admin]
        self._holder = secrets.token_hex(16)
        self._verdicts: dict[Replica, ReplicaStanding] = {}
        self._changed = anyio.Event()
        self._told: tuple[str, float] = "", float("-inf")
        self._leads = False
        self._grouped: tuple[float, Mapping[str, Sequence[bool]]] = float("-inf"), {}

    async def run(self) -> None:
        """Work, for ever."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.breakers.run)
                if self._probes:
                    for mark in self._marks:
                        tasks.start_soon(mark.run)
                    tasks.start_soon(self._rounds, tasks)
        finally:
            with anyio.CancelScope(shield=True):
                await self._give_up()
                await self._asker.aclose()

    async def _rounds(self, tasks: TaskGroup) -> None:
        while True:
            try:
                await self._round(tasks)
            except Exception:  # noqa: BLE001 - the outermost edge of a round: the next one may go better
                structlog.get_logger().exception("a round of probes failed")
            with anyio.move_on_after(ROUND_SECONDS):
                await self._changed.wait()
            self._changed = anyio.Event()

    def replicas(self) -> frozenset[Replica]:
        """Return the replicas that there are: as Kong says, else, of servers unknown to it, as the settings do."""
        by_kong = frozenset[Replica]().union(*(mark.found.replicas for mark in self._marks))
        servers = {replica.server for replica in by_kong}
        return by_kong | {replica for replica in self._named if replica.server not in servers}

    def of_server(self, server: str) -> tuple[int, int, str]:
        """Return how many replicas of a server are probed, how many are well, and why it is not asked now, or ""."""
        if time.monotonic() - self._grouped[0] > ROUND_SECONDS:
            groups: dict[str, list[bool]] = {}
            for replica, verdict in self._verdicts.items():
                groups.setdefault(replica.server, []).append(verdict.inside)
            self._grouped = time.monotonic(), groups
        inside = self._grouped[1].get(server, ())
        return len(inside), sum(inside), self.breakers.why(server)

    async def _round(self, tasks: TaskGroup) -> None:
        replicas = self.replicas()
        held = await self._lease()
        others = {} if held is None else _read(held.told, replicas)
        leads = held is None or held.holder == self._holder
        if leads != self._leads:
            structlog.get_logger().info("this sidecar probes" if leads else "another sidecar probes")
            self._metrics.leads.set(leads)
        self._leads = leads
        if leads:
            self._prober.watch(replicas, {**others, **self._verdicts}, tasks)
            self._verdicts = self._prober.verdicts()
        else:
            self._prober.watch(frozenset(), {}, tasks)
            self._take(others)
        for mark in self._marks:
            mark.want(self._verdicts)
        for replica, verdict in self._verdicts.items():
            self._metrics.inside.labels(replica.server, replica.target).set(verdict.inside)

    async def _lease(self) -> Tenure | None:
        """Return who probes; None where everybody does for themselves."""
        surfaces = self._surfaces
        if surfaces is None:
            return None
        now = time.monotonic()
        told = json.dumps({replica.key: [verdict.inside, verdict.word] for replica, verdict in self._verdicts.items()})
        if self._leads and told == self._told[0] and now - self._told[1] < LEASE_SECONDS / 2:
            return Tenure(self._holder, 0, told)
        wall, lasts = time.time_ns() // 1_000_000, int(LEASE_SECONDS * 1000)
        # Who does not probe yet knows less than who did: what that one told is taken over first.
        mine = told if self._leads else None
        try:
            held = await surfaces.ask(lambda store: store.take_lease(_LEASE, self._holder, wall, lasts, mine))
        except StoreError:
            return None
        self._told = told, now
        return held

    async def _give_up(self) -> None:
        surfaces = self._surfaces
        if surfaces is not None and self._leads and self._probes:
            try:
                await surfaces.ask(lambda store: store.leave_lease(_LEASE, self._holder))
            except StoreError:
                return

    def _found(self, replica: Replica, verdict: ReplicaStanding, moved: bool) -> None:  # noqa: FBT001 - the prober's callback
        """Take a finding of our own prober."""
        self._verdicts[replica] = verdict
        mine = [held for one, held in self._verdicts.items() if one.server == replica.server]
        well = sum(standing.inside for standing in mine)
        self.breakers.probed(replica.server, replicas=len(mine), well=well, back=moved and verdict.inside)
        if moved:
            self._changed.set()

    def _take(self, verdicts: dict[Replica, ReplicaStanding]) -> None:
        """Take what another sidecar found."""
        before, self._verdicts = self._verdicts, verdicts
        many, well = (
            Counter(verdict.server for verdict in verdicts),
            Counter(replica.server for replica, held in verdicts.items() if held.inside),
        )
        had = Counter(replica.server for replica, held in before.items() if held.inside)
        for server, count in many.items():
            self.breakers.probed(server, replicas=count, well=well[server], back=well[server] > had[server])


def _read(told: str, replicas: frozenset[Replica]) -> dict[Replica, ReplicaStanding]:
    """Return what another sidecar told of replicas that are known here. What it says otherwise means nothing."""
    try:
        said = json.loads(told) if told else {}
    except ValueError:
        return {}
    by_key: Mapping[str, Replica] = {replica.key: replica for replica in replicas}
    return {
        by_key[key]: ReplicaStanding(inside=bool(value[0]), word=str(value[1]))
        for key, value in said.items()
        if key in by_key and isinstance(value, list) and len(value) == 2
    }
