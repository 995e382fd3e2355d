"""What waits for an agent: messages, of which no more are held than may be, and the requests that they answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_core.outcome import UNAVAILABLE, RequestId

MOST_QUEUED: Final = 1000
"""Messages that wait for one agent; what comes beyond is dropped, and an answer is always kept."""
MOST_BYTES: Final = 16 * 1024 * 1024
"""Of these messages, as the program wrote them."""

JsonObject = dict[str, Any]


def error_of(id_: RequestId | None, text: str, code: int = UNAVAILABLE) -> JsonObject:
    """Return a JSON-RPC error."""
    return {"jsonrpc": "2.0", "id": id_, "error": {"code": code, "message": text}}


class WaitingMessages:
    """A queue of at most `most` messages and MOST_BYTES; None in it ends it."""

    def __init__(self, most: int = MOST_QUEUED) -> None:
        self._most = most
        self._bytes = 0
        self._queue: asyncio.Queue[tuple[JsonObject | None, int]] = asyncio.Queue()

    def add(self, message: JsonObject, size: int) -> None:
        """Add a message of so many bytes, unless there are too many."""
        if self._queue.qsize() < self._most and self._bytes + size <= MOST_BYTES:
            self._bytes += size
            self._queue.put_nowait((message, size))

    def end(self, message: JsonObject | None = None) -> None:
        """Add what comes last."""
        self._queue.put_nowait((message, 0))

    async def get(self) -> JsonObject | None:
        """Wait for a message."""
        message, size = await self._queue.get()
        self._bytes -= size
        return message


@dataclass(slots=True)
class WaitingRequest:
    """A request that waits for its answer. `owner` is the session that asked; `then` gets the answer as it comes."""

    id: RequestId
    token: RequestId | None
    owner: object
    then: Callable[[JsonObject], None] | None = None
    timer: asyncio.TimerHandle | None = None
    ended: bool = False
    expired: bool = False
    _messages: WaitingMessages = field(default_factory=WaitingMessages)

    def end(self, message: JsonObject) -> None:
        """Give the answer, which is the last message."""
        if self.timer is not None:
            self.timer.cancel()
        if not self.ended:
            self.ended = True
            if self.then is not None:
                self.then(message)
            self._messages.end(message)

    async def next(self) -> JsonObject:
        """Wait for a message: those with a method come before the answer."""
        return await self._messages.get() or {}

    async def answer(self) -> JsonObject:
        """Wait for the answer; what comes before it is passed over."""
        while "method" in (message := await self.next()):
            pass
        return message

    def add(self, message: JsonObject, size: int) -> None:
        """Give a message of so many bytes that comes before the answer."""
        if not self.ended:
            self._messages.add(message, size)
