"""The socket at which this node's guards ask what only the sidecar can: who a token is, for one.

Whoever may enter the folder may connect, and only what a key of the ring sealed is read (mcp_core.auth.asks).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import anyio
import structlog
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_core.auth.asks import LARGEST, Ask, AskEnd, Asks
from mcp_core.seal import NONCE_BYTES
from mcp_sidecar.auth.metrics import IssuerMetrics

WAIT_SECONDS: Final = 4.0
"""How long one question may take: less than the guard waits."""
READ_SECONDS: Final = 2.0
MOST: Final = 512
"""Questions that are answered at once."""
_HEAD: Final = 4
_MODE: Final = 0o666

Answerer = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Takes a question's members, and returns those of its answer."""


class AskSocket:
    """Answers questions at one path."""

    def __init__(
        self, path: str, ring: Sequence[bytes], answerers: Mapping[Ask, Answerer], metrics: IssuerMetrics
    ) -> None:
        self._path = path
        self._asks = Asks(ring, AESGCM, InvalidTag)
        self._answerers = answerers
        self._metrics = metrics
        self._places = anyio.CapacityLimiter(MOST)

    async def run(self) -> None:
        """Answer, for ever. Where nobody can listen at the path, guards get no answer, and refuse."""
        try:
            listener = await anyio.create_unix_listener(self._path, mode=_MODE, backlog=1024)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            structlog.get_logger().error("guards cannot ask the sidecar", socket=self._path, problem=why)
            return
        async with listener:
            await listener.serve(self._serve)

    async def _serve(self, stream: SocketStream) -> None:
        async with stream:
            try:
                async with self._places:
                    await self._exchange(stream)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, TimeoutError):
                pass  # a guard that waits no longer
            except Exception as error:  # noqa: BLE001 - the outermost edge of a connection
                # Its type alone: a message could hold what was asked.
                structlog.get_logger().error("a guard's question failed", error=type(error).__name__)

    async def _exchange(self, stream: SocketStream) -> None:
        reader = BufferedByteReceiveStream(stream)
        with anyio.fail_after(READ_SECONDS):
            try:
                size = int.from_bytes(await reader.receive_exactly(_HEAD), "big")
                if size > LARGEST:
                    return
                text = await reader.receive_exactly(size)
            except anyio.IncompleteRead:
                return
        read = self._asks.read_question(text, now=time.time())
        if read is None:
            structlog.get_logger().warning("a question that no guard asked", socket=self._path)
            return
        values, asked = read
        answer = self._asks.answer(await self._answer(values), asked, secrets.token_bytes(NONCE_BYTES))
        await stream.send(len(answer).to_bytes(_HEAD, "big") + answer)

    async def _answer(self, values: Mapping[str, Any]) -> dict[str, Any]:
        asked = values.get("ask")
        answer: dict[str, Any] = {"state": AskEnd.UNAVAILABLE}
        if asked in list(Ask) and (answerer := self._answerers.get(Ask(str(asked)))) is not None:
            with anyio.move_on_after(WAIT_SECONDS):
                answer = await answerer(values)
            self._metrics.asks.labels(asked, answer["state"]).inc()
        return answer
