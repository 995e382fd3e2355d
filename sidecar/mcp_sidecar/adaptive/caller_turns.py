"""Long work in threads, of which each caller has one piece at a time: whoever asks much waits for himself alone."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar, TypeVarTuple, Unpack

import anyio
import anyio.to_thread

_Args = TypeVarTuple("_Args")
_Result = TypeVar("_Result")


class CallerTurns:
    """`at_once` pieces of work are done at once; callers take turns, for none of them stands in line twice."""

    def __init__(self, at_once: int) -> None:
        self._threads = anyio.CapacityLimiter(at_once)
        self._locks: dict[Hashable, anyio.Lock] = {}

    def __len__(self) -> int:
        return len(self._locks)

    async def run(self, caller: Hashable, work: Callable[[Unpack[_Args]], _Result], *of: *_Args) -> _Result:
        """Do work in a thread when it is the caller's turn, and return what it comes to."""
        lock = self._locks.setdefault(caller, anyio.Lock())
        try:
            async with lock:
                return await anyio.to_thread.run_sync(work, *of, limiter=self._threads)
        finally:
            if not lock.locked() and self._locks.get(caller) is lock:
                del self._locks[caller]
