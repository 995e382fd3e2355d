"""The answer to an agent, of what was fetched for it.

The laws: when the agent goes away, so does the request to the server; and whatever happens, the agent gets one answer
that says what happened.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

import anyio
from anyio.abc import TaskGroup
from starlette.types import Receive

from mcp_core.outcome import UNAVAILABLE, Reject
from mcp_core.reasons import Reason
from mcp_core.sse import Event
from mcp_sidecar.lane.fetch import LateError
from mcp_sidecar.lane.fetched import Began, Failed, Fetched, Said, Whole
from mcp_sidecar.lane.reply import Reply
from mcp_sidecar.logs import Line

HOLD_SECONDS: Final = 1.0
"""How long the head of a POST's stream waits for the first event: until then an error can be a JSON answer."""
GRACE_SECONDS: Final = 2.0
"""How long requests may go on after the sidecar was told to stop."""

_STOPPED: Final = Reject(
    UNAVAILABLE, "The gateway restarts. Try again.", Reason.STOPPED, status=503, headers={"Retry-After": "1"}
)


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """After how many seconds of silence a stream gets a comment, and what hears of each."""

    seconds: float
    told: Callable[[], None]


class Fetching(Protocol):
    """What gives the parts of an answer: Fetch, or what puts one together of others."""

    heard: Callable[[], bool] | None

    def answer(self) -> AbstractAsyncContextManager[AsyncGenerator[Fetched]]:
        """Give the parts as they come. Raises LateError."""

    def fail(self, refusal: Reject, outcome: str) -> Failed:
        """Return that there is no answer, or no more of it."""


class Answering:
    """Answers one request. `stopping` is set when the process was told to stop."""

    def __init__(
        self, fetch: Fetching, http_method: str, reply: Reply, line: Line, stopping: anyio.Event, alive: KeepAlive
    ) -> None:
        self._silence, self._told = alive.seconds, alive.told
        self._fetch = fetch
        self._http_method = http_method
        self._reply = reply
        self._line = line
        self._stopping = stopping
        self._began: Began | None = None
        fetch.heard = lambda: reply.status is not None

    async def run(self, receive: Receive) -> None:
        """Answer the request; returns early when the agent goes away or the sidecar stops."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch_agent, receive, tasks)
            tasks.start_soon(self._watch_stop, tasks)
            tasks.start_soon(self._keep_alive)
            await self._answer(tasks)
            tasks.cancel_scope.cancel()
        if self._line.outcome == "stopped" and not self._reply.ended:
            await self._fail(self._fetch.fail(_STOPPED, "stopped"))

    async def _watch_agent(self, receive: Receive, tasks: TaskGroup) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self._reply.ended:
            self._line.outcome = "cancelled"
            tasks.cancel_scope.cancel()

    async def _keep_alive(self) -> None:
        """Say that the gateway lives, on a stream that has begun and is silent."""
        while True:
            silent_since = self._reply.written if self._streams else anyio.current_time()
            await anyio.sleep_until(silent_since + self._silence)
            if self._streams and anyio.current_time() - self._reply.written >= self._silence:
                await self._reply.keep_alive()
                self._told()

    @property
    def _streams(self) -> bool:
        return self._began is not None and self._reply.status is not None

    async def _watch_stop(self, tasks: TaskGroup) -> None:
        await self._stopping.wait()
        await anyio.sleep(GRACE_SECONDS)
        if not self._reply.ended:
            self._line.outcome = "stopped"
            tasks.cancel_scope.cancel()

    async def _answer(self, tasks: TaskGroup) -> None:
        failed = None
        try:
            async with self._fetch.answer() as fetched:
                async for part in fetched:
                    if isinstance(part, Failed):
                        failed = part
                        break
                    await self._write(part, tasks)
        except LateError as late:
            failed = late.failed
        if failed is not None:
            await self._fail(failed)
        elif self._began is not None:
            await self._start(self._began)
            await self._reply.end()

    async def _write(self, part: Fetched, tasks: TaskGroup) -> None:
        match part:
            case Whole(status, headers, text):
                self._began = None
                await self._reply.whole(status, headers, text)
            case Began():
                self._began = part
                if self._http_method == "GET":
                    await self._start(part)
                else:
                    tasks.start_soon(self._start_later, part)
            case Said(_, event) if self._began is not None:
                await self._start(self._began)
                await self._reply.write(event.encode())

    async def _start(self, began: Began) -> None:
        await self._reply.start(began.status, began.headers)

    async def _start_later(self, began: Began) -> None:
        await anyio.sleep(HOLD_SECONDS)
        # Another replica may have been asked since.
        if self._began is began:
            await self._start(began)

    async def _fail(self, failed: Failed) -> None:
        """End the answer with a refusal: as the answer, or as the last event of a stream that has begun."""
        if self._reply.ended:
            return
        if self._reply.status is None:
            await self._reply.refuse(failed.refusal, failed.body())
            return
        if self._began is None:
            return
        # A stream that broke can be resumed, and one of a GET answers no request: those just end.
        speaks = self._http_method == "POST" and failed.outcome != "broken"
        await self._reply.end(Event(data=failed.body().decode()).encode() if speaks else b"")
