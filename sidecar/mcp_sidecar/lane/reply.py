"""The answer to one request, on ASGI: its head is sent once, and never half an event."""

from __future__ import annotations

from collections.abc import Mapping

import anyio
from starlette.types import Send

from mcp_core.outcome import Reject


class Reply:
    """Writes one answer. Tasks may write at the same time: what each writes stays whole."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._lock = anyio.Lock(fast_acquire=True)
        self.status: int | None = None
        self.ended = False

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head, unless it was sent."""
        if self.status is not None:
            return
        self.status = status
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        async with self._lock:
            await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, body: bytes) -> None:
        """Send some of the body at once; waits while the agent is slow to read."""
        async with self._lock:
            await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        """Send the last of the body."""
        async with self._lock:
            self.ended = True
            await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send an answer that is complete."""
        length = {} if status in (204, 205) else {"content-length": str(len(body))}
        await self.start(status, {**headers, **length})
        await self.end(body)

    async def refuse(self, refusal: Reject, body: bytes | None = None) -> None:
        """Send a refusal as the answer. `body` says it in other words."""
        headers = {"content-type": "application/json", **refusal.headers}
        await self.whole(refusal.http_status(), headers, refusal.body() if body is None else body)
