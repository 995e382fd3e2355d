"""What this node knows of every server's surface: which versions are open, held in memory and kept equal to the store.

Answers of servers are judged from memory. The store is asked only when something is new, or was not dated for a while;
other nodes' decisions arrive by its generation. Whenever what guards must know changes, the node's snapshot is written
before anybody is told of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

import anyio
import anyio.to_thread
import structlog

from mcp_core.pins.states import Rules
from mcp_core.scan import ItemKind, ScanConfigError
from mcp_sidecar.alerts import Alerts
from mcp_sidecar.pin_metrics import PinMetrics
from mcp_sidecar.snapshots import SnapshotWriter
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.observe import TOUCH_MS, News
from mcp_sidecar.store.sightings import AS_SHIPPED, Sighting
from mcp_sidecar.store.store import Store

DATE_SECONDS: Final = TOUCH_MS / 1000
"""How long a sighting of what was seen last need not be told to the store."""
ADOPT_SECONDS: Final = 60.0
"""How long settings of the scanner wait that took part in a change: guards that differ are to cost little."""

_Known: TypeAlias = dict[tuple[ItemKind, str, str], bool]
_T = TypeVar("_T")


@dataclass(slots=True)
class _Server:
    known: _Known = field(default_factory=dict)
    # The version of each item that was seen last, and when the store was told.
    last: dict[tuple[ItemKind, str], tuple[str, float]] = field(default_factory=dict)
    # The scanner's settings that hold, and when any were taken over or replaced here.
    scan: str = AS_SHIPPED
    changed: dict[str, float] = field(default_factory=dict)


class Catalog:
    """The node's knowledge. `open_store` blocks, and is called again after it raised StoreError."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        rules: Rules,
        *,
        writer: SnapshotWriter | None,
        alerts: Alerts,
        metrics: PinMetrics,
    ) -> None:
        self._open_store = open_store
        self._rules = rules
        self._writer = writer
        self._alerts = alerts
        self._metrics = metrics
        self._store: Store | None = None
        self._servers: dict[str, _Server] = {}
        self._generation = -1
        self._thread = anyio.CapacityLimiter(1)
        self._problem: str | None = None

    @property
    def generation(self) -> int:
        """The generation of the store that is known here; -1 before the first."""
        return self._generation

    @property
    def is_failing(self) -> bool:
        """Whether the store could not be used when it was asked last."""
        return self._problem is not None

    @property
    def servers(self) -> list[str]:
        """Return the names of all servers that were heard of."""
        return sorted(self._servers)

    def shown(self, server: str, kind: ItemKind, name: str, digest: str) -> bool | None:
        """Return whether agents may see this version of an item; None where it was never seen."""
        known = self._servers.get(server)
        return None if known is None else known.known.get((kind, name, digest))

    def is_dated(self, server: str, kind: ItemKind, name: str, digest: str) -> bool:
        """Return whether the store need not hear that this version was seen now."""
        known = self._servers.get(server)
        last = None if known is None else known.last.get((kind, name))
        return last is not None and last[0] == digest and time.monotonic() - last[1] < DATE_SECONDS

    async def learn(self, server: str, sightings: Sequence[Sighting], scan: str | None = None) -> bool:
        """Have the store know of what a server sent, and of the scanner's settings that its guard signed.

        `scan` is canonical JSON, or None where no guard speaks. Returns whether anything is to be judged anew.
        """
        before = self._generation
        adopts = scan is not None and self._adopts(server, scan)
        if not sightings and server in self._servers and not adopts:
            return False
        try:
            news: list[News] = []
            if scan is not None and adopts:
                news += await self.ask(lambda store: store.adopt(server, scan, _now()))
                known = self._servers.setdefault(server, _Server())
                known.changed[scan] = known.changed[known.scan] = time.monotonic()
                structlog.get_logger().info("scan settings", server=server, scan=scan, closed=len(news))
            news += await self.ask(lambda store: store.observe(server, sightings, rules=self._rules, now=_now()))
            for one in news:
                self._alerts.tell(one)
            await self.refresh()
            if news:
                structlog.get_logger().info("chain", anchor=await self.ask(lambda store: store.head()))
        except StoreError as error:
            self._tell(error)
            return False
        except ScanConfigError as error:
            text = "the scanner's settings are of another release: what is new stays hidden"
            structlog.get_logger().error(text, server=server, problem=str(error))
            return False
        last = self._servers.setdefault(server, _Server()).last
        for seen in sightings:
            last[seen.kind, seen.name] = seen.digest, time.monotonic()
        return self._generation != before

    def _adopts(self, server: str, scan: str) -> bool:
        """Return whether settings are others than those that hold, and were not taken over a moment ago."""
        known = self._servers.get(server)
        if known is None:
            return scan != AS_SHIPPED
        return scan != known.scan and time.monotonic() - known.changed.get(scan, -math.inf) > ADOPT_SECONDS

    async def refresh(self) -> None:
        """Take over what the store knows, and have the snapshot say it. Raises StoreError."""
        if await self.ask(lambda store: store.generation()) == self._generation:
            return
        generation, servers = await self.ask(lambda store: store.open_digests())
        if self._writer is not None:
            await self.ask(self._writer.write)
        settings = await self.ask(lambda store: store.settings())
        for name, known in servers.items():
            one = self._servers.setdefault(name, _Server())
            one.known, one.scan = known, settings.get(name, AS_SHIPPED)
        self._generation = generation
        self._metrics.generation.set(generation)

    async def follow(self, seconds: float) -> None:
        """Take over what other nodes wrote, every so many seconds, for ever."""
        while True:
            try:
                await self.refresh()
                self._problem = None
            except StoreError as error:
                self._tell(error)
            await anyio.sleep(seconds)

    async def ask(self, question: Callable[[Store], _T]) -> _T:
        """Ask the store in a thread of its own. Raises StoreError, and what the question raises."""

        def work() -> _T:
            if self._store is None:
                self._store = self._open_store()
            return question(self._store)

        return await anyio.to_thread.run_sync(work, limiter=self._thread)

    async def aclose(self) -> None:
        """Close the store."""
        if self._store is not None:
            await anyio.to_thread.run_sync(self._store.close, limiter=self._thread)

    def _tell(self, error: StoreError) -> None:
        """Write a problem once, however often it is met."""
        self._metrics.store_failures.inc()
        if str(error) != self._problem:
            self._problem = str(error)
            structlog.get_logger().error("the store failed: what is new stays hidden", problem=self._problem)


def _now() -> int:
    return time.time_ns() // 1_000_000
