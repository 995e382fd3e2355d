"""Keeps the node's memory equal to the store, and its guards' snapshot equal to the memory.

The store is asked in a thread of its own; the snapshot is written by another one, so that closing waits for no store.
What is read of the store at one moment is taken over as a whole, and one reading at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

import anyio
import anyio.to_thread
import structlog

from mcp_sidecar.store.engine import StoreError, StoreGoneError
from mcp_sidecar.store.lineage import Anchor, written
from mcp_sidecar.store.store import Store
from mcp_sidecar.store.values import Changes
from mcp_sidecar.surface.alerts import Alerts, Notice
from mcp_sidecar.surface.memory import Memory
from mcp_sidecar.surface.pin_metrics import PinMetrics
from mcp_sidecar.surface.snapshots import SnapshotWriter

_T = TypeVar("_T")

ACCEPT: Final = "kong-mcp audit accept-store"
"""The command by which a person takes another store in the place of the one that this node knew."""


class OtherStoreError(StoreError):
    """The store is not the one that this node knew, and nobody accepted it."""


class Keeper:
    """`open_store` blocks; it is told whether it may make a store where there is none."""

    def __init__(
        self,
        open_store: Callable[[bool], Store],
        memory: Memory,
        *,
        writer: SnapshotWriter | None,
        alerts: Alerts,
        metrics: PinMetrics,
    ) -> None:
        self._open_store = open_store
        self._memory = memory
        self._writer = writer
        self._alerts = alerts
        self._metrics = metrics
        self._store: Store | None = None
        self._thread = anyio.CapacityLimiter(1)
        self._writing = anyio.CapacityLimiter(1)
        self._taking = anyio.Lock()
        self._publishing = anyio.Lock()
        self._other: str | None = None
        self.problem: str | None = None

    @property
    def other_store(self) -> str | None:
        """Return what is to be done where the store is not the one that this node knew."""
        return self._other

    async def recall(self) -> None:
        """Know what the node's last snapshot says, until the store is read."""
        if self._writer is not None:
            last = await anyio.to_thread.run_sync(self._writer.read, limiter=self._writing)
            if last is not None:
                self._memory.recall(last, time.monotonic())

    async def ask(self, question: Callable[[Store], _T]) -> _T:
        """Ask the store. Raises StoreError, also where it is another store, and what the question raises."""
        if self._other is not None:
            raise OtherStoreError(self._other)
        return await self._ask(question)

    async def _ask(self, question: Callable[[Store], _T]) -> _T:
        def work() -> _T:
            if self._store is None:
                self._store = self._open()
            try:
                return question(self._store)
            except StoreGoneError:
                self._store.close()
                self._store = None
                raise

        return await anyio.to_thread.run_sync(work, limiter=self._thread)

    def _open(self) -> Store:
        head = self._memory.head
        try:
            # An empty store in the place of a known one would be another one, and stand in the way of a backup.
            return self._open_store(head is None)
        except StoreError as error:
            if head is None:
                raise
            raise StoreError(f"{error}: {_advice(head)}") from error

    async def take(self) -> None:
        """Take over what the store knows. Raises StoreError."""
        memory = self._memory
        async with self._taking:
            since, head = memory.generation, memory.head
            changes = await self._ask(lambda store: store.changes(since, head))
            if not changes.follows and head is not None:
                changes = await self._take_another(changes, head)
            memory.take(changes)
            if self._other is not None:
                self._other = None
                self._metrics.other_store.set(0)
            self._metrics.generation.set(memory.generation)

    async def _take_another(self, changes: Changes, head: Anchor) -> Changes:
        """Take over a store whose chain does not go through what this node knew, once a person accepted it.

        What was closed here stays closed in it.
        """
        if not changes.accepted:
            self._refuse(head)
        contradicted = self._memory.contradicted(changes.standings)
        now = time.time_ns() // 1_000_000
        for one in await self._ask(lambda store: store.close_items(contradicted, now)):
            self._alerts.tell(one)
        text = "another store was taken over, as a person accepted it"
        structlog.get_logger().warning(text, before=written(head), closed=len(contradicted))
        return await self._ask(lambda store: store.changes(-1, head))

    def _refuse(self, head: Anchor) -> None:
        text = f"the store is not the one that this node knew: {_advice(head)}"
        if self._other is None:
            self._metrics.other_store.set(1)
            self._alerts.say(Notice("store.other", detail={"head": written(head), "do": _advice(head)}))
        self._other = text
        raise OtherStoreError(text)

    async def refresh(self) -> None:
        """Take over what the store knows, and have guards know it. Raises StoreError."""
        try:
            await self.take()
        finally:
            await self.publish()
        self.problem = None

    async def publish(self) -> None:
        """Have the node's guards know what is known here. Raises StoreError, of the disk too."""
        memory = self._memory
        # Whoever closed something and goes away leaves it closed.
        with anyio.CancelScope(shield=True):
            async with self._publishing:
                view, writer = memory.view, self._writer
                if writer is None or view <= memory.told or (memory.generation < 0 and not memory.servers):
                    return
                frozen, must_close = memory.freeze(), memory.must_close

                def work() -> None:
                    writer.write(frozen, must_close=must_close)

                await anyio.to_thread.run_sync(work, limiter=self._writing)
                memory.guards_know(view)

    def fail(self, error: StoreError) -> None:
        """Write a problem once, however often it is met."""
        self._metrics.store_failures.inc()
        if str(error) != self.problem:
            self.problem = str(error)
            structlog.get_logger().error("the store failed: what is new stays hidden", problem=self.problem)

    async def aclose(self) -> None:
        """Close the store."""
        if self._store is not None:
            await anyio.to_thread.run_sync(self._store.close, limiter=self._thread)


def _advice(head: Anchor) -> str:
    return f"nothing opens until it is back, or a person takes what is there: `{ACCEPT} {written(head)} --why TEXT`"
