"""What an agent tells several members of a virtual server at once: none of them answers it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio

from mcp_core.outcome import ACCEPTED, Reject
from mcp_sidecar.adaptive.relay import Relay
from mcp_sidecar.lane.fetch import LateError
from mcp_sidecar.lane.fetched import Failed, Fetched, Whole

TELL_SECONDS: Final = 5.0
"""How long members have to hear it: one that does not hears of it no more."""


class ToldAll:
    """Tells all of them, and says that it was taken, whoever of them heard it."""

    def __init__(self, relays: Sequence[Relay]) -> None:
        self._relays = relays
        self.heard: Callable[[], bool] | None = None

    def fail(self, refusal: Reject, outcome: str) -> Failed:
        """Return that there is no answer."""
        return self._relays[0].fail(refusal, outcome)

    @asynccontextmanager
    async def answer(self) -> AsyncIterator[AsyncGenerator[Fetched]]:
        """Give the only part of the answer."""
        with anyio.move_on_after(TELL_SECONDS):
            async with anyio.create_task_group() as tasks:
                for relay in self._relays:
                    tasks.start_soon(_tell, relay)
        parts = _taken()
        yield parts
        await parts.aclose()


async def _taken() -> AsyncGenerator[Fetched]:
    yield Whole(ACCEPTED, {}, b"")


async def _tell(relay: Relay) -> None:
    try:
        async with relay.answer() as parts:
            async for _ in parts:
                pass
    except LateError:
        pass
