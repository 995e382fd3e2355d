"""What this node knows of every server's surface: which versions are open, held in memory and kept equal to the store.

Answers of servers are judged from memory. What is new in them is graded and written down in slices, each server in its
turn. What turns out to be bad closes in memory and for the guards first, and is written to the store after; what turns
out to be good opens once it is written, and guards know of it before any agent does. What cannot be graded now stays
hidden, and an item of which it is a version closes.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import anyio
import anyio.to_thread
import structlog

from mcp_core.errand import Address
from mcp_core.pins.states import Rules
from mcp_core.scan import ItemKind, ScanConfigError
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.lineage import written
from mcp_sidecar.store.observe import TOUCH_MS, Around, Observation, Written, is_storable
from mcp_sidecar.store.sightings import Sighting, scanner_of
from mcp_sidecar.store.store import SETTLE, Store
from mcp_sidecar.surface.alerts import Alerts, Notice
from mcp_sidecar.surface.keeper import Keeper
from mcp_sidecar.surface.memory import Memory
from mcp_sidecar.surface.pin_metrics import PinMetrics
from mcp_sidecar.surface.snapshots import SnapshotWriter
from mcp_sidecar.surface.turns import Slice, Turns, key_of

DATE_SECONDS: Final = TOUCH_MS / 1000
"""How long a sighting of what was seen last need not be told to the store."""
ADOPT_SECONDS: Final = 60.0
"""How long settings of the scanner wait that took part in a change: guards that differ are to cost little."""
LEARN_SECONDS: Final = 10.0
"""How long an answer waits at most until what is new in it was written down."""
GRADE_SECONDS: Final = 1.0
"""How long an item stays open of which another version was seen that is not graded yet."""
MOVED_SECONDS: Final = 60.0
"""How long where a server is need not be written down again: guards that differ are to cost little."""
NOT_TOLD: Final = (
    "Your decision is written down, but this node's guards do not know it yet: they will once the store and the "
    "snapshot can be used again. You need not decide again. The sidecar's log says what its operator must do."
)
"""What a reviewer reads where `decided` failed."""
_CHECK_SECONDS: Final = 0.2
_GRADINGS: Final = 10
"""How often a slice is graded again because other nodes changed the store meanwhile."""

_T = TypeVar("_T")


class Surfaces:
    """The node's knowledge. `open_store` blocks, and is called again after it raised StoreError."""

    def __init__(
        self,
        open_store: Callable[[bool], Store],
        rules: Rules,
        *,
        settle: float = SETTLE,
        writer: SnapshotWriter | None,
        alerts: Alerts,
        metrics: PinMetrics,
    ) -> None:
        self._rules = rules
        self._alerts = alerts
        self._metrics = metrics
        self._memory = Memory(settle, tells_guards=writer is not None)
        self._keeper = Keeper(open_store, self._memory, writer=writer, alerts=alerts, metrics=metrics)
        self._turns = Turns()
        self._stirred = anyio.Event()
        self._asked: dict[str, float] = {}
        # When settings of the scanner were taken over or replaced, by server.
        self._adopted: dict[tuple[str, str], float] = {}
        # Where guards say that servers are, and when that was written down.
        self._targets: dict[str, tuple[Address, float]] = {}
        self._queries: dict[str, str] = {}

    @property
    def generation(self) -> int:
        """The generation of the store that is known here; -1 before the first."""
        return self._memory.generation

    def view(self, server: str) -> tuple[int, bool]:
        """Return what changes whenever an item of a server may be shown that was not, or the other way round."""
        return self._memory.view_of(server)

    @property
    def known(self) -> tuple[int, float]:
        """What changes whenever an item of any server may be shown that was not, or the other way round."""
        return self._memory.view, self._memory.told

    @property
    def is_failing(self) -> bool:
        """Whether the store or the snapshot could not be used when they were needed last."""
        return self._keeper.problem is not None

    @property
    def other_store(self) -> str | None:
        """Return what is to be done where the store is not the one that this node knew."""
        return self._keeper.other_store

    @property
    def servers(self) -> list[str]:
        """Return the names of all servers that were heard of."""
        return self._memory.servers

    def asked(self, server: str) -> float:
        """Return when a guard asked about a server last (monotonic seconds); minus infinity for never."""
        return self._asked.get(server, -math.inf)

    def shown(self, server: str, kind: ItemKind, name: str, digest: str) -> bool | None:
        """Return whether agents may see this version of an item; None where it was never seen."""
        return self._memory.shown(server, kind, name, digest)

    def is_foreign(self, server: str) -> bool:
        """Return whether all that is open of a server was opened by a person."""
        return self._memory.is_foreign(server)

    def has(self, server: str, kind: ItemKind, name: str) -> bool:
        """Return whether any version of an item was seen."""
        return self._memory.has(server, kind, name)

    def open_names(self, server: str, kind: ItemKind) -> list[str]:
        """Return the names of a server's items of a kind that are open."""
        return self._memory.open_names(server, kind)

    def names(self, server: str, kind: ItemKind) -> list[str]:
        """Return the names of a server's items of a kind that were seen, open or not."""
        return self._memory.names(server, kind)

    async def reach(self, server: str, target: Address | None) -> None:
        """Keep where a guard says that a server is, for looks that no guard asks for. What fails is tried again.

        The query may be a secret: it is kept in memory alone.
        """
        if target is not None:
            self._queries[server] = target.query
            target = replace(target, query="")
        kept, at = self._targets.get(server, (None, -math.inf))
        now = time.monotonic()
        if target is None or kept == target or now < at + MOVED_SECONDS or self.is_failing:
            return
        self._targets[server] = target, now
        try:
            if not await self.ask(lambda store: store.reached(server, target)):
                self._targets.pop(server)
        except StoreError as error:
            self._targets.pop(server)
            self._keeper.fail(error)

    async def target(self, server: str) -> Address | None:
        """Return where a server is, as the guard of any node said last, or None where none did."""
        try:
            found = await self.ask(lambda store: store.target(server))
        except StoreError:
            found = self._targets.get(server, (None, 0.0))[0]
        return None if found is None else replace(found, query=self._queries.get(server, ""))

    async def learn(self, server: str, sightings: Sequence[Sighting], scan: str | None = None) -> None:
        """Have the store know of what a server sent, and of the scanner's settings that its guard signed.

        `scan` is canonical JSON, or None where no guard speaks. Waits for what is new, for LEARN_SECONDS at most.
        """
        now, memory = time.monotonic(), self._memory
        changes, news, dates, due = self._sort(server, sightings, now)
        adopts = None
        if scan is not None:
            self._asked[server] = now
            adopts = scan if self._adopts(server, scan, now) else None
        if adopts is not None and not await _is_usable(server, adopts):
            # What these settings would weigh is weighed by no others.
            await self._publish(due=self._close(server, changes, "settings", now) or due)
            return
        if not (changes or news or dates or adopts is not None) and memory.knows(server):
            await self._publish(due=due)
            return
        if dates:
            memory.date(server, dates, now)
        ticket, left_out = self._turns.add(server, now, changes=changes, news=news, dates=dates, scan=adopts)
        self._stirred.set()
        due = self._leave_out(server, left_out, "rate", now) or due
        if self.is_failing:
            due = self._close(server, changes, "store", now) or due
        await self._publish(due=due)
        if not self.is_failing and (changes or news or adopts is not None):
            with anyio.move_on_after(LEARN_SECONDS):
                await ticket.over.wait()

    def _sort(
        self, server: str, sightings: Iterable[Sighting], now: float
    ) -> tuple[list[Sighting], list[Sighting], list[Sighting], bool]:
        """Return new versions of known items, new items, and what is to be dated; and whether guards are to hear.

        They are where an item closed, or opens as soon as they know: another answer may have brought it a moment ago.
        """
        memory = self._memory
        changes: list[Sighting] = []
        news: list[Sighting] = []
        dates: list[Sighting] = []
        due = False
        for sighting in sightings:
            if not is_storable(sighting.name):
                continue
            due = memory.sight(server, sighting, now) or memory.opens(server, sighting) or due
            if memory.shown(server, sighting.kind, sighting.name, sighting.digest) is None:
                (changes if memory.has(server, sighting.kind, sighting.name) else news).append(sighting)
            elif not memory.is_dated(server, sighting, now, DATE_SECONDS):
                dates.append(sighting)
        return changes, news, dates, due

    def _adopts(self, server: str, scan: str, now: float) -> bool:
        """Return whether settings are others than those that hold, and were not taken over a moment ago."""
        recently = now - self._adopted.get((server, scan), -math.inf) <= ADOPT_SECONDS
        return scan != self._memory.scan(server) and not recently

    def _close(self, server: str, sightings: Iterable[Sighting], why: str, now: float) -> bool:
        """Close items of which a version was seen that is bad or cannot be graded. Returns whether any was open."""
        closed = [sighting for sighting in sightings if self._memory.close(server, sighting, now)]
        if closed:
            names = [ascii(sighting.name[:100]) for sighting in closed[:10]]
            structlog.get_logger().warning("closed", server=server, why=why, items=len(closed), names=names)
        return bool(closed)

    def _leave_out(self, server: str, sightings: Collection[Sighting], why: str, now: float) -> bool:
        """Tell of versions that are not written down. Returns whether an item closed by that."""
        if not sightings:
            return False
        self._metrics.left_out.labels(server, why).inc(len(sightings))
        self._alerts.say(Notice(f"server.{_LEFT_OUT[why]}", server, {"left_out": len(sightings)}))
        return self._close(server, sightings, why, now)

    async def _publish(self, *, due: bool) -> None:
        """Have guards know what closed, or is to open."""
        if due:
            try:
                await self._keeper.publish()
            except StoreError as error:
                self._keeper.fail(error)

    async def decided(self) -> bool:
        """Have guards know a decision that was written down. Returns whether they do; `follow` tries again if not."""
        try:
            await self._keeper.refresh()
        except StoreError as error:
            self._keeper.fail(error)
            return False
        return True

    async def ask(self, question: Callable[[Store], _T]) -> _T:
        """Ask the store in a thread of its own. Raises StoreError, and what the question raises."""
        return await self._keeper.ask(question)

    async def recall(self) -> None:
        """Know what the last snapshot says. To be called before anything else."""
        await self._keeper.recall()

    async def follow(self, seconds: float) -> None:
        """Take over what other nodes wrote, every so many seconds, for ever."""
        while True:
            try:
                await self._keeper.refresh()
            except StoreError as error:
                self._keeper.fail(error)
                self._turns.give_up()
            else:
                self._stirred.set()
            await anyio.sleep(seconds)

    async def watch(self) -> None:
        """Close items of which a version waits too long to be graded, for ever: closing waits for no store."""
        while True:
            await anyio.sleep(_CHECK_SECONDS)
            now = time.monotonic()
            late = defaultdict(list)
            for server, sighting in self._turns.overdue(now - GRADE_SECONDS):
                late[server].append(sighting)
            closed = [self._close(server, sightings, "not graded yet", now) for server, sightings in late.items()]
            await self._publish(due=any(closed))

    async def run(self) -> None:
        """Write down what waits, a slice of one server after the other, for ever."""
        while True:
            part = None if self.is_failing else self._turns.take()
            if part is None:
                self._stirred = anyio.Event()
                await self._stirred.wait()
                continue
            try:
                await self._write(part)
                self._turns.done(part)
            except StoreError as error:
                self._keeper.fail(error)
                self._turns.put_back(part)
                self._turns.give_up()
                await self._shut(part, "store")
            except ScanConfigError as error:
                _tell_of_settings(part.server, error)
                await self._shut(part, "settings")
                self._turns.done(part)
            except Exception:  # noqa: BLE001 - the outermost edge of a slice: the next one may go better
                structlog.get_logger().exception("what was seen was not written down", server=part.server)
                await self._shut(part, "failure")
                self._turns.done(part)

    async def _shut(self, part: Slice, why: str) -> None:
        """Close what a slice would have changed."""
        await self._publish(due=self._close(part.server, part.sightings, why, time.monotonic()))

    async def _write(self, part: Slice) -> None:
        server, seen = part.server, part.sightings
        if part.scan is not None:
            await self._adopt(server, part.scan)
        done = await self._grade(part)
        for one in done.news:
            self._alerts.tell(one)
        await self._keeper.take()
        now, left_out = time.monotonic(), {key_of(sighting) for sighting in done.left_out}
        self._memory.written(server, [sighting for sighting in seen if key_of(sighting) not in left_out], now)
        closed = self._leave_out(server, done.left_out, "full", now)
        if closed or self._turns.completes(part):
            await self._keeper.publish()
        if done.news and self._memory.head is not None:
            structlog.get_logger().info("chain", anchor=written(self._memory.head))

    async def _grade(self, part: Slice) -> Written:
        """Grade a slice, close for guards what is bad in it, and write it down."""
        server, rules = part.server, self._rules
        around = Around(part.siblings, self._memory.closed_before(server))
        for _ in range(_GRADINGS):
            graded = await self.ask(
                lambda store: store.grade(server, part.sightings, rules=rules, now=_now(), around=around)
            )
            self._turns.graded(part)
            if self._close(server, graded.closing, "graded", time.monotonic()):
                await self._keeper.publish()
            done = await self._write_graded(graded)
            if done is not None:
                return done
        raise StoreError("other nodes changed the store too often: what was seen is graded again later")

    async def _write_graded(self, graded: Observation) -> Written | None:
        return await self.ask(lambda store: store.write_down(graded))

    async def _adopt(self, server: str, scan: str) -> None:
        before = self._memory.scan(server)
        news = await self.ask(lambda store: store.adopt(server, scan, _now()))
        self._adopted[server, scan] = self._adopted[server, before] = time.monotonic()
        structlog.get_logger().info("scan settings", server=server, scan=scan, closed=len(news))
        for one in news:
            self._alerts.tell(one)

    async def aclose(self) -> None:
        """Close the store."""
        await self._keeper.aclose()


_LEFT_OUT: Final = {"rate": "floods", "full": "full"}
"""Why versions are left out -> the second word of the notice."""


async def _is_usable(server: str, scan: str) -> bool:
    try:
        # Making a scanner takes some 60 ms.
        await anyio.to_thread.run_sync(scanner_of, scan)
    except ScanConfigError as error:
        _tell_of_settings(server, error)
        return False
    return True


def _tell_of_settings(server: str, error: ScanConfigError) -> None:
    text = "the scanner's settings are of another release: what is new stays hidden"
    structlog.get_logger().error(text, server=server, problem=str(error))


def _now() -> int:
    return time.time_ns() // 1_000_000
