"""Reading what a program writes in turns with all else, so that one that floods keeps no other waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from mcp_sidecar.stdio.lines import LineCutter, TooLongLine

CHUNK: Final = 64 * 1024
"""Bytes that are read at once."""
LINES: Final = 50
"""Lines after which others have their turn."""
_LEAST: Final = 0.005
"""Seconds that are slept at once: what a program owes below it is kept for later."""


class ReadingTurns:
    """Gives one program at most half of the time. `now` counts seconds."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._now = now
        self._sleep = sleep
        self._owed = 0.0
        self._at = now()

    def begin(self) -> None:
        """Begin to work for the program. The time since the last work was others'."""
        now = self._now()
        self._owed = max(0.0, self._owed - (now - self._at))
        self._at = now

    async def end(self) -> None:
        """Let others work, for as long as was worked for the program."""
        self._owed += self._now() - self._at
        self._at = self._now()
        await self._sleep(self._owed if self._owed >= _LEAST else 0)


async def lines_of(
    stream: asyncio.StreamReader, cutter: LineCutter, turns: ReadingTurns
) -> AsyncIterator[bytes | TooLongLine]:
    """Yield the lines of a stream; the time until the next one is asked for is work for the program."""
    while data := await stream.read(CHUNK):
        turns.begin()
        for number, line in enumerate(cutter.feed(data), 1):
            yield line
            if number % LINES == 0:
                await turns.end()
                turns.begin()
        await turns.end()
