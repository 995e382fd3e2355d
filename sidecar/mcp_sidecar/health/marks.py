"""Has Kong's balancers think of replicas as the probes do, by one Admin API.

Kong's own check brings a target back after some answers of any kind; each word of ours sets its count to nothing
(lua-resty-healthcheck, set_target_status). So a verdict is repeated every RENEW_SECONDS while it holds, and one that
nobody repeats ends by itself: a sidecar that goes away leaves nobody out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import anyio
import structlog

from mcp_sidecar.health.kong_admin import AdminError, KongAdmin, ToProbe
from mcp_sidecar.health.metrics import HealthMetrics
from mcp_sidecar.health.replicas import Replica, ReplicaStanding

RENEW_SECONDS: Final = 2.0
FIND_SECONDS: Final = 5.0
"""How often Kong is asked which replicas there are."""


class Marks:
    """What one Kong was told."""

    def __init__(self, admin: KongAdmin, metrics: HealthMetrics) -> None:
        self._admin = admin
        self._metrics = metrics
        self._out: dict[Replica, float] = {}
        self._wanted: frozenset[Replica] = frozenset()
        self._changed = anyio.Event()
        self._failing = False
        self._found_at = float("-inf")
        self.found = ToProbe(frozenset(), {})

    def want(self, verdicts: Mapping[Replica, ReplicaStanding]) -> None:
        """Have Kong know these verdicts from now on."""
        wanted = frozenset(replica for replica, verdict in verdicts.items() if not verdict.inside)
        if wanted != self._wanted:
            self._wanted = wanted
            self._changed.set()

    async def run(self) -> None:
        """Ask which replicas there are, and tell what is thought of them, for ever."""
        try:
            while True:
                try:
                    await self._round()
                except Exception:  # noqa: BLE001 - the outermost edge of a round: the next one may go better
                    structlog.get_logger().exception("telling Kong of probes failed")
                with anyio.move_on_after(RENEW_SECONDS / 2):
                    await self._changed.wait()
                self._changed = anyio.Event()
        finally:
            with anyio.CancelScope(shield=True):
                await self._admin.aclose()

    async def _round(self) -> None:
        now, problems = anyio.current_time(), []
        if now - self._found_at >= FIND_SECONDS:
            try:
                self.found, self._found_at = await self._admin.find(), now
            except AdminError as error:
                problems.append(str(error))
        for replica in self._out.keys() - self._wanted:
            del self._out[replica]
            problems += await self._mark(replica, well=True)
        for replica in self._wanted:
            if now - self._out.get(replica, float("-inf")) >= RENEW_SECONDS:
                self._out[replica] = now
                problems += await self._mark(replica, well=False)
        if problems:
            self._metrics.admin_failures.inc()
        if problems and not self._failing:
            text = "Kong's Admin API cannot be used: its balancers do not hear of probes"
            structlog.get_logger().error(text, problem=problems[0])
        self._failing = bool(problems)

    async def _mark(self, replica: Replica, *, well: bool) -> list[str]:
        """Tell all upstreams of a replica's server. Returns what went wrong: one failure keeps nobody else back."""
        problems = []
        for upstream in self.found.upstreams.get(replica.server, ()):
            try:
                await self._admin.mark(upstream, replica.target, well=well)
            except AdminError as error:
                problems.append(str(error))
        return problems
