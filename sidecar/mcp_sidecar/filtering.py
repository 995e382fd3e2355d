"""Filtering of one JSON text by a context's view, off the event loop when it is long."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import anyio.to_thread

from mcp_core.answer import Judge
from mcp_core.methods import Kind
from mcp_core.outcome import Reject
from mcp_core.policy import View
from mcp_core.results import Found
from mcp_core.surface import ANY_QUESTION, Revise, filter_text, keep
from mcp_sidecar.inspection import Results
from mcp_sidecar.pinning import Pins

THREAD_BYTES: Final = 64 * 1024
"""From here on a thread filters: some 5 ms of work, for which other streams need not wait."""
SCANNED_BYTES: Final = 4 * 1024
"""The same where results are scanned, which takes a millisecond for so much."""
THREADS: Final = 2
"""How many long texts are filtered at a time: a text of 16 MiB takes some 200 MB while it is filtered."""


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


@dataclass(frozen=True, slots=True)
class Sight:
    """How one caller sees an answer: what fits its question, what is hidden, or only counted where not `enforce`."""

    view: Tally
    server: str = ""
    enforce: bool = True
    revise: Revise = keep
    pins: Pins | None = None
    results: Results | None = None
    judge: Judge = field(default_factory=lambda: Judge(ANY_QUESTION))


@dataclass(frozen=True, slots=True)
class Filtered:
    """A text that may go on, how many items of each kind the policy hides in it, and what was found in its results."""

    text: bytes
    hidden: Counter[Kind]
    found: tuple[Found, ...] = ()


class Filter:
    """Filters texts by views; one for the process: few long texts are worked on at a time, and one of each server."""

    def __init__(self) -> None:
        self._threads = anyio.CapacityLimiter(THREADS)
        self._turns: dict[str, anyio.Lock] = {}

    async def __call__(self, text: bytes, sight: Sight) -> Filtered | Reject:
        """Return the text as the caller may see it, or why nobody may see it."""
        filtered = await self._once(text, sight)
        if sight.pins is None or isinstance(filtered, Reject) or not await sight.pins.learn():
            return filtered
        filtered = await self._once(text, sight)
        sight.pins.count()
        return filtered

    async def _once(self, text: bytes, sight: Sight) -> Filtered | Reject:
        if len(text) < (THREAD_BYTES if sight.results is None else SCANNED_BYTES):
            return _filter(text, sight)
        # A thread that was given up would still work, uncounted: so a cancelled request waits for its own.
        async with self._turns.setdefault(sight.server, anyio.Lock()):
            return await anyio.to_thread.run_sync(_filter, text, sight, limiter=self._threads)


def _filter(text: bytes, sight: Sight) -> Filtered | Reject:
    view, results = sight.view, sight.results
    view.hidden = Counter()
    if results is not None:
        results.found = []
    passed = filter_text(text, view, enforce=sight.enforce, revise=_revise(sight), judge=sight.judge)
    if isinstance(passed, Reject):
        return passed
    return Filtered(passed, view.hidden, () if results is None else tuple(results.found))


def _revise(sight: Sight) -> Revise:
    """Return what changes a message. What is scanned is what the server sent, but for items that are not open."""

    def revise(message: dict[str, Any]) -> bool:
        pinned = sight.pins is not None and sight.pins.revise(message)
        withheld = sight.results is not None and sight.results.revise(message)
        return sight.revise(message) or pinned or withheld

    return revise
