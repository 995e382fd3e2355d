"""The breakers of all servers, and the file by which the node's guards know which are open."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import msgspec
import structlog

from mcp_core.health import told
from mcp_core.health.breaker import Breaker, BreakerLimits, BreakerState, Why
from mcp_core.health.told import GOOD_SECONDS, ClosedServer
from mcp_core.outcome import Reject
from mcp_sidecar.health.metrics import HealthMetrics
from mcp_sidecar.surface.snapshots import replace_file

RENEW_SECONDS: Final = GOOD_SECONDS / 4
"""How often the file is written while a breaker is open: what nobody renews ends."""


class ToldFile:
    """The file of one node. `release` is ours, for whoever looks at it."""

    def __init__(self, path: str, keys: Sequence[bytes], release: str) -> None:
        self._path = Path(path)
        self._keys = keys
        self._release = release

    def write(self, closed: dict[str, ClosedServer]) -> None:
        """Put the file in the place of the last one. Raises OSError."""
        packed = msgspec.msgpack.encode(told.to_values(self._release, closed))
        replace_file(self._path, told.FILE.seal(packed, self._keys))


class Breakers:
    """One breaker for each server that was asked for, or is probed."""

    def __init__(self, limits: BreakerLimits, metrics: HealthMetrics, file: ToldFile | None) -> None:
        self._limits = limits
        self._metrics = metrics
        self._file = file
        self._breakers: dict[str, Breaker] = {}
        self._open: dict[str, Why] = {}
        self._changed = anyio.Event()
        self._problem: str | None = None

    def refusal(self, server: str) -> Reject | None:
        """Return why a server is not asked now, or None where it may be."""
        breaker, now = self._breakers.get(server), time.monotonic()
        if breaker is None or breaker.admits(now) or breaker.why is None:
            return None
        self._metrics.refused.labels(server, breaker.why.value).inc()
        return told.refusal(breaker.why, breaker.wait(now))

    def ended(self, server: str, caller: Hashable, *, failed: bool, seconds: float | None) -> None:
        """Take how one request ended, as Breaker.noted has it."""
        self._of(server).noted(time.monotonic(), caller, failed=failed, seconds=seconds)
        self._look(server)

    def probed(self, server: str, *, replicas: int, well: int, back: bool = False) -> None:
        """Take what probes know of a server's replicas; `back` says that one of them has just come back."""
        breaker = self._of(server)
        breaker.probed(time.monotonic(), replicas=replicas, well=well)
        if back:
            breaker.back()
        self._look(server)

    def closed(self) -> dict[str, ClosedServer]:
        """Return the servers that guards are to refuse. One whose next request decides is not among them."""
        now, until = time.monotonic(), time.time() + GOOD_SECONDS
        return {
            server: ClosedServer(why, until, self._limits.rest)
            for server, why in self._open.items()
            if self._breakers[server].probes_decide or self._breakers[server].state(now) is BreakerState.OPEN
        }

    def why(self, server: str) -> str:
        """Return why a server's breaker is open, or "" where it is not."""
        why = self._open.get(server)
        return "" if why is None else why.value

    async def run(self) -> None:
        """Keep the file true, for ever."""
        written: set[str] | None = None
        while True:
            closed = self.closed()
            if self._file is not None and (closed or written != set()):
                written = set(closed) if await self._write(self._file, closed) else None
            with anyio.move_on_after(RENEW_SECONDS):
                await self._changed.wait()
            self._changed = anyio.Event()

    def _of(self, server: str) -> Breaker:
        return self._breakers.setdefault(server, Breaker(self._limits))

    def _look(self, server: str) -> None:
        """Tell where a breaker has just opened or closed."""
        before, why = self._open.get(server), self._breakers[server].why
        if before is why:
            return
        if before is not None:
            self._metrics.open.labels(server, before.value).set(0)
            del self._open[server]
        if why is None:
            structlog.get_logger().warning("a server is asked again", server=server)
        else:
            self._open[server] = why
            self._metrics.open.labels(server, why.value).set(1)
            self._metrics.opened.labels(server, why.value).inc()
            structlog.get_logger().warning("a server is not asked any more", server=server, why=why.value)
        self._changed.set()

    async def _write(self, file: ToldFile, closed: dict[str, ClosedServer]) -> bool:
        problem = None
        try:
            await anyio.to_thread.run_sync(file.write, closed)
        except OSError as error:
            problem = str(error.strerror)
        if problem is not None and problem != self._problem:
            structlog.get_logger().error("guards are not told which servers are closed", problem=problem)
        self._problem = problem
        return problem is None
