"""Turns for work that takes long: one at a time, each server after the other, whatever one of them sends.

A turn is held for one slice of the work. Whoever has more to do passes it on between slices, and comes last again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio


class FairQueue:
    """Gives one turn at a time: the servers that wait in turn, and of each the one that has waited longest."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[anyio.Event]] = {}
        self._busy = False

    @property
    def is_waited_for(self) -> bool:
        """Return whether anybody waits for a turn. It may be asked from any thread."""
        return bool(self._waiting)

    @asynccontextmanager
    async def turn(self, server: str) -> AsyncIterator[Turn]:
        """Hold a turn for as long as the context lasts, but for the times that it is passed on."""
        turn = Turn(self, server)
        await turn.take()
        try:
            yield turn
        finally:
            turn.give()

    async def enter(self, server: str) -> None:
        """Wait for a turn of a server."""
        if not self._busy:
            self._busy = True
            return
        await self._called(server, self._line_up(server))

    async def pass_on(self, server: str) -> None:
        """Give a server's turn to who is next, and wait for its next one: behind all who wait now, its own too."""
        called = self._line_up(server)
        self.leave()
        await self._called(server, called)

    def _line_up(self, server: str) -> anyio.Event:
        called = anyio.Event()
        self._waiting.setdefault(server, deque()).append(called)
        return called

    async def _called(self, server: str, called: anyio.Event) -> None:
        try:
            await called.wait()
        except BaseException:
            if called.is_set():
                self.leave()
            else:
                self._forget(server, called)
            raise

    def leave(self) -> None:
        """Give the turn to who is next."""
        if not self._waiting:
            self._busy = False
            return
        server = next(iter(self._waiting))
        line = self._waiting.pop(server)
        called = line.popleft()
        if line:
            self._waiting[server] = line  # behind the others
        called.set()

    def _forget(self, server: str, called: anyio.Event) -> None:
        line = self._waiting[server]
        line.remove(called)
        if not line:
            del self._waiting[server]


class Turn:
    """One who takes turns."""

    __slots__ = ("_held", "_queue", "_server")

    def __init__(self, queue: FairQueue, server: str) -> None:
        self._queue = queue
        self._server = server
        self._held = False

    async def take(self) -> None:
        """Wait for a turn."""
        await self._queue.enter(self._server)
        self._held = True

    def give(self) -> None:
        """Let others have their turn, where it is ours."""
        if self._held:
            self._held = False
            self._queue.leave()

    async def pass_on(self) -> None:
        """Let all others who wait have a turn first. Where this is cancelled, the turn is gone."""
        if self._held:
            self._held = False
            await self._queue.pass_on(self._server)
        else:
            await self._queue.enter(self._server)
        self._held = True
