"""The answer to one request, on ASGI: its head is sent once, and never half an event."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import anyio
from starlette.types import Message, Send

from mcp_core.outcome import Reject
from mcp_core.sse import Event

COMMENT: Final = Event(comment=True).encode()


def _head(status: int, headers: Mapping[str, str]) -> Message:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": raw}


class SlowReaderError(Exception):
    """The agent does not read what is written: nothing more is kept for it."""


class Reply:
    """Writes one answer. Tasks may write at the same time: what each writes stays whole."""

    def __init__(self, send: Send, patience: float = math.inf) -> None:
        """`patience` is how many seconds an agent may take until it has read enough for more to be written."""
        self._patience = patience
        self.written = 0.0
        """When something was written last, in monotonic seconds."""
        self._send = send
        self._lock = anyio.Lock(fast_acquire=True)
        self.status: int | None = None
        self.ended = False

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head, unless it was sent."""
        async with self._lock:
            if self.status is None:
                await self._out(_head(status, headers))
                # Not before: where a deadline ends this first, nothing was sent, and a refusal can be.
                self.status = status

    async def write(self, body: bytes) -> None:
        """Send some of the body at once; waits while the agent is slow to read."""
        async with self._lock:
            await self._out({"type": "http.response.body", "body": body, "more_body": True})

    async def keep_alive(self) -> None:
        """Send a comment on a stream that has not ended (HTML, 9.2.7: proxies drop connections that are silent)."""
        async with self._lock:
            if not self.ended:
                await self._out({"type": "http.response.body", "body": COMMENT, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        """Send the last of the body."""
        async with self._lock:
            self.ended = True
            await self._out({"type": "http.response.body", "body": body, "more_body": False})

    async def _out(self, message: Message) -> None:
        with self._in_time():
            await self._send(message)

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        try:
            with anyio.fail_after(self._patience):
                yield
        except TimeoutError:
            self.ended = True
            raise SlowReaderError from None
        self.written = anyio.current_time()

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send an answer that is complete."""
        length = {} if status in (204, 205) else {"content-length": str(len(body))}
        async with self._lock:
            with self._in_time():
                if self.status is None:
                    await self._send(_head(status, {**headers, **length}))
                    self.status = status
                self.ended = True
                await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def refuse(self, refusal: Reject, body: bytes | None = None) -> None:
        """Send a refusal as the answer. `body` says it in other words."""
        headers = {"content-type": "application/json", **refusal.headers}
        await self.whole(refusal.http_status(), headers, refusal.body() if body is None else body)
