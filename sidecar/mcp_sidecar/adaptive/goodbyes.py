"""Tells members that sessions with them ended, beside everything and as far as they hear it."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Final

import anyio

from mcp_sidecar.upstream.talk import Talk, TalkError

SECONDS: Final = 2.0
"""How long a member has to hear that a session ended."""
AT_ONCE: Final = 8
MOST_WAITING: Final = 1_000
"""Sessions that wait to be ended; beyond, the oldest is left to the member, which ends what is not used."""


class Goodbyes:
    """Ends sessions, some at a time."""

    def __init__(self) -> None:
        self._talks: deque[Talk] = deque(maxlen=MOST_WAITING)
        self._more = anyio.Event()

    def add(self, talk: Talk) -> None:
        """Have a session ended."""
        self._talks.append(talk)
        self._more.set()

    async def run(self) -> None:
        """End sessions, for ever."""
        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(self._work)

    async def _work(self) -> None:
        while True:
            while self._talks:
                talk = self._talks.popleft()
                with anyio.move_on_after(SECONDS), suppress(TalkError):
                    await talk.close()
            if self._more.is_set():
                self._more = anyio.Event()
            await self._more.wait()
