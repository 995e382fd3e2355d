"""Filtering of one JSON text by a context's view, off the event loop when it is long."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import anyio.from_thread
import anyio.to_thread

from mcp_core.answer import Judge
from mcp_core.methods import Kind
from mcp_core.outcome import Reject
from mcp_core.policy import View
from mcp_core.results import ResultFindings
from mcp_core.sse import Event
from mcp_core.surface import ANY_QUESTION, Revise, filter_text, keep
from mcp_sidecar.lane.fairness import FairQueue, Turn
from mcp_sidecar.lane.files import Directory, Files, NoReads
from mcp_sidecar.lane.inspection import Beside, Results
from mcp_sidecar.lane.pinning import Pins
from mcp_sidecar.lane.screening import ListScreen
from mcp_sidecar.upstream.bodies import THREAD_BYTES

SCANNED_BYTES: Final = 4 * 1024
"""The same where texts are scanned, which takes a millisecond for so much."""
LONG: Final = 64 * 1024
"""Bytes from which a text is long: short ones have a thread of their own, in which nothing takes long."""
HUGE: Final = 1024 * 1024
"""Bytes from which a text is huge: one of 16 MiB takes some 200 MB while it is filtered."""
MOST_LONG: Final = 16
"""How many texts that are long, but not huge, are worked on by turns."""
MOST_HUGE: Final = 2
MOST_SHORT: Final = 256
"""How many short texts wait by turns, one of each server; the others wait for those."""


class Tally:
    """A view that counts what it hides, by kind. It serves one request, whose texts come one after the other."""

    __slots__ = ("_view", "hidden")

    def __init__(self, view: View) -> None:
        self._view = view
        self.hidden: Counter[Kind] = Counter()

    def allows(self, kind: Kind, name: str) -> bool:
        """Return whether the item exists for the principal, and count it where it does not."""
        allowed = self._view.allows(kind, name)
        if not allowed:
            self.hidden[kind] += 1
        return allowed

    def names(self, kind: Kind) -> bool:
        """Return whether the policy names any item of a kind."""
        return self._view.names(kind)


@dataclass(frozen=True, slots=True)
class AnswerView:
    """How one caller sees an answer: what fits its question, what is hidden, or only counted where not `enforce`."""

    view: Tally
    server: str = ""
    enforce: bool = True
    revise: Revise = keep
    pins: Pins | None = None
    files: Files | Directory | NoReads | None = None
    results: Results | None = None
    beside: Beside | None = None
    lists: ListScreen | None = None
    judge: Judge = field(default_factory=lambda: Judge(ANY_QUESTION))


@dataclass(frozen=True, slots=True)
class Filtered:
    """A text that may go on, how many items of each kind the policy hides in it, and what was found in its results.

    `event` is the one that brings it on a stream, None where there is none to bring.
    """

    text: bytes
    hidden: Counter[Kind]
    found: tuple[ResultFindings, ...] = ()
    event: Event | None = None

    @property
    def encoded(self) -> bytes:
        """The event as bytes, b"" where there is none."""
        return b"" if self.event is None else self.event.encode()


class _Lane:
    """Texts of one size: as many as there may be, one of each server, are worked on by the turns of a queue."""

    def __init__(self, queue: FairQueue, most: int) -> None:
        self._queue = queue
        self._admitted = anyio.CapacityLimiter(most)
        self._one: dict[str, anyio.Lock] = {}

    async def filter(self, text: bytes, sight: AnswerView) -> Filtered | Reject:
        # A server's next text waits here, so that it takes no thread from another server's.
        lock = self._one.setdefault(sight.server, anyio.Lock())
        async with lock, self._admitted, self._queue.turn(sight.server) as turn:
            # Whoever came so far was let in: the thread's own limiter limits nothing.
            limiter = anyio.CapacityLimiter(1)
            return await anyio.to_thread.run_sync(self._work, text, sight, turn, limiter=limiter)

    def _work(self, text: bytes, sight: AnswerView, turn: Turn) -> Filtered | Reject:
        def pause() -> None:
            anyio.from_thread.check_cancelled()
            if self._queue.is_waited_for:
                anyio.from_thread.run(turn.pass_on)

        with ExitStack() as pausing:
            for one in (sight.results, sight.lists):
                if one is not None:
                    pausing.enter_context(one.pausing(pause))
            return _filter(text, sight)


class Filter:
    """Filters texts by views; one for the process. Short texts wait for no long one, nor a server for another's."""

    def __init__(self) -> None:
        long = self._turns = FairQueue()
        self._short = _Lane(FairQueue(), MOST_SHORT)
        self._long, self._huge = _Lane(long, MOST_LONG), _Lane(long, MOST_HUGE)

    @property
    def is_waited_for(self) -> bool:
        """Return whether a long text waits for its turn."""
        return self._turns.is_waited_for

    async def __call__(self, text: bytes, sight: AnswerView) -> Filtered | Reject:
        """Return the text as the caller may see it, or why nobody may see it."""
        filtered = await self._once(text, sight)
        if sight.pins is None or isinstance(filtered, Reject) or not await sight.pins.learn():
            return filtered
        filtered = await self._once(text, sight)
        sight.pins.count()
        return filtered

    async def _once(self, text: bytes, sight: AnswerView) -> Filtered | Reject:
        scans = any(one is not None for one in (sight.results, sight.beside, sight.lists))
        if len(text) < (SCANNED_BYTES if scans else THREAD_BYTES):
            return _filter(text, sight)
        lane = self._short if len(text) < LONG else self._long if len(text) < HUGE else self._huge
        return await lane.filter(text, sight)


def _filter(text: bytes, sight: AnswerView) -> Filtered | Reject:
    view, scans = sight.view, [one for one in (sight.results, sight.beside, sight.lists) if one is not None]
    view.hidden = Counter()
    for one in scans:
        one.found = []
    passed = filter_text(text, view, enforce=sight.enforce, revise=_revise(sight), judge=sight.judge)
    if isinstance(passed, Reject):
        return passed
    return Filtered(passed, view.hidden, tuple(found for scan in scans for found in scan.found))


def _revise(sight: AnswerView) -> Revise:
    """Return what changes a message. What is scanned is what the server sent, but for items that are not open."""

    def revise(message: dict[str, Any]) -> bool:
        held = sight.files is not None and sight.files.revise(message)
        beside = sight.beside is not None and sight.beside.revise(message)
        pinned = sight.pins is not None and sight.pins.revise(message)
        screened = sight.lists is not None and sight.lists.revise(message)
        withheld = sight.results is not None and sight.results.revise(message)
        return sight.revise(message) or held or beside or pinned or screened or withheld

    return revise
