"""Sessions of one local server: a program for each, or one program that all share (decisions/270)."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from mcp_core import jsonrpc, methods
from mcp_core.outcome import INVALID_PARAMS, METHOD_NOT_FOUND
from mcp_core.stdio import StdioServer
from mcp_sidecar.stdio.program import ProgramGoneError, StdioProgram
from mcp_sidecar.stdio.waiting import MOST_BYTES, JsonObject, WaitingMessages, WaitingRequest, error_of

START_SECONDS: Final = 60.0
"""Until a program has answered `initialize`."""
LONGEST_WAIT: Final = 60.0
MAKES_ROOM: Final = 60.0
"""Seconds without a request after which a session may be ended for another that begins."""
_MOST_HELD: Final = 100
_MOST_SUBSCRIBED: Final = 1000
_LONGEST_URI: Final = 2048
_NOT_SHARED: Final = frozenset({methods.SET_LOG_LEVEL})
"""What one session would change for all."""


class RestartWait:
    """How long a program that does not start is left alone: 1 s, then twice as long each time, 60 s at most."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failures = 0
        self._until = 0.0

    @property
    def seconds(self) -> float:
        """Seconds that are left."""
        return max(0.0, self._until - self._now())

    def failed(self) -> None:
        """Note that it did not start."""
        self._until = self._now() + min(LONGEST_WAIT, 2.0**self._failures)
        self._failures = min(self._failures + 1, 6)

    def started(self) -> None:
        """Note that it did."""
        self._failures, self._until = 0, 0.0


class StdioSession:
    """One agent's session. `stream` is the queue of its GET stream while it has one; None in it ends the stream."""

    def __init__(self, program: StdioProgram | None) -> None:
        self.id = secrets.token_urlsafe(24)
        self.program = program
        self.used = time.monotonic()
        self.subscribed: set[str] = set()
        self.subscribing: set[str] = set()
        self.requested: set[Any] = set()
        self.held: deque[tuple[JsonObject, int]] = deque()
        self._held_bytes = 0
        self.stream: WaitingMessages | None = None

    def may_subscribe(self, uri: str) -> bool:
        """Return whether a shared program may be asked to tell of this resource."""
        uris = self.subscribed | self.subscribing
        return len(uri) <= _LONGEST_URI and (uri in uris or len(uris) < _MOST_SUBSCRIBED)

    def note_use(self, _answer: JsonObject) -> None:
        """Note that a request ended now: however long it took, the session was in use until then."""
        self.used = time.monotonic()

    def note_answer(self, uri: str, answer: JsonObject) -> None:
        """Note what a shared program answered to a subscription."""
        if uri in self.subscribing and "result" in answer:
            self.subscribed.add(uri)
        self.subscribing.discard(uri)
        self.note_use(answer)

    def push(self, message: JsonObject, size: int) -> None:
        """Have the agent hear something of so many bytes that answers nothing it asked; what is oldest is let go."""
        if self.stream is not None:
            self.stream.add(message, size)
            return
        self.held.append((message, size))
        self._held_bytes += size
        while len(self.held) > _MOST_HELD or self._held_bytes > MOST_BYTES:
            self._held_bytes -= self.held.popleft()[1]

    def listen(self) -> WaitingMessages:
        """Return what the agent's GET stream is to carry; an earlier stream of it ends."""
        self.hang_up()
        self.stream = WaitingMessages(_MOST_HELD)
        for message, size in self.held:
            self.stream.add(message, size)
        self.held.clear()
        self._held_bytes = 0
        return self.stream

    def hang_up(self) -> None:
        """End the GET stream."""
        if self.stream is not None:
            self.stream.end()
            self.stream = None

    def hear(self, message: JsonObject, size: int) -> None:
        """Take what a program that has this session alone says of its own accord."""
        program = self.program
        if program is None:
            return
        waiting: WaitingRequest | None = next(reversed(program.waiting.values()), None)
        if "id" in message:
            if waiting is None and self.stream is None:
                program.reply(error_of(message["id"], "No agent listens.", METHOD_NOT_FOUND))
                return
            if len(self.requested) < _MOST_HELD and isinstance(message["id"], str | int):
                self.requested.add(message["id"])
        if self.stream is not None and "id" not in message:
            self.push(message, size)
        elif waiting is not None:
            waiting.add(message, size)
        else:
            self.push(message, size)


class StdioSessions:
    """All sessions of one local server."""

    def __init__(self, server: StdioServer) -> None:
        self.server = server
        self.wait = RestartWait()
        self._sessions: dict[str, StdioSession] = {}
        self._opening = 0
        self._ending: list[StdioProgram] = []
        self._shared: StdioProgram | None = None
        self._said: JsonObject = {}
        self._lock = asyncio.Lock()

    def find(self, id_: str) -> StdioSession | None:
        """Return a session that can be used; one whose program has ended is none."""
        session = self._sessions.get(id_)
        if session is not None and session.program is not None and not session.program.running:
            self._forget(session)
            return None
        if session is not None:
            session.used = time.monotonic()
        return session

    async def open(self, request: jsonrpc.Request) -> tuple[StdioSession | None, JsonObject]:
        """Begin a session with an agent's `initialize`; return it, None where there is none, and the answer."""
        self._sweep()
        self._ending = [stdio_program for stdio_program in self._ending if stdio_program.there]
        full = len(self._sessions) + self._opening + len(self._ending) >= self.server.limits.sessions
        unused = self._unused(MAKES_ROOM) if full else []
        if full and not unused:
            text = f"{self.server.name}: {self.server.limits.sessions} sessions are open, and no more may be."
            return None, error_of(request.id, text)
        self._opening += 1
        try:
            if unused:
                await self.close(unused[0])
            if self.server.shared:
                await self._ready()
                session, answer = StdioSession(None), {"jsonrpc": "2.0", "id": request.id, "result": self._said}
            else:
                session = StdioSession(None)
                session.program, answer = await self._start(request, session.hear)
        except ProgramGoneError as error:
            return None, error_of(request.id, f"{self.server.name}: {error}.")
        finally:
            self._opening -= 1
        if "result" not in answer:
            return None, answer
        self._sessions[session.id] = session
        return session, answer

    async def _start(
        self, request: jsonrpc.Request, unasked: Callable[[JsonObject, int], None]
    ) -> tuple[StdioProgram, JsonObject]:
        """Run a program and initialize it. One that does not take that is ended. Raises ProgramGoneError."""
        if (left := self.wait.seconds) > 0:
            raise ProgramGoneError(
                f"the local program did not start, and is started anew in {left:.0f} s at the earliest"
            )
        program = StdioProgram(self.server, unasked)
        try:
            await program.start()
        except OSError as error:
            self.wait.failed()
            raise ProgramGoneError(f"the local program cannot be run: {error.strerror}") from None
        try:
            asked = await program.ask(request, None, START_SECONDS)
            answer = await asked.answer()
        except BaseException:
            self.wait.failed()
            await asyncio.shield(program.stop())
            raise
        if "result" in answer:
            self.wait.started()
        else:
            if asked.expired or not program.running:  # what it refuses is the agent's matter, and nobody else's
                self.wait.failed()
            await program.stop()
        return program, answer

    async def _ready(self) -> StdioProgram:
        """Return the shared program, started anew where it ended. Raises ProgramGoneError."""
        async with self._lock:
            if self._shared is not None and self._shared.running:
                return self._shared
            client = {"name": "kong-mcp", "version": "1"}
            params = {"protocolVersion": methods.LEGACY_VERSIONS[-1], "capabilities": {}, "clientInfo": client}
            program, answer = await self._start(jsonrpc.Request(0, methods.INITIALIZE, params), self._hear_shared)
            if "result" not in answer:
                error = answer.get("error")
                raise ProgramGoneError(str(error.get("message") if isinstance(error, dict) else error).rstrip("."))
            await program.tell({"jsonrpc": "2.0", "method": methods.INITIALIZED})
            self._said, self._shared = answer["result"], program
            program.later(self._subscribe_again(program))
            return program

    async def _subscribe_again(self, program: StdioProgram) -> None:
        with contextlib.suppress(ProgramGoneError):
            for uri in sorted({uri for session in self._sessions.values() for uri in session.subscribed}):
                await program.ask(jsonrpc.Request(0, methods.SUBSCRIBE, {"uri": uri}), None, START_SECONDS)

    async def ask(self, session: StdioSession, request: jsonrpc.Request) -> WaitingRequest:
        """Send an agent's request. Raises ProgramGoneError."""
        seconds = self.server.limits.answer
        if session.program is not None:
            return await session.program.ask(request, session, seconds, session.note_use)
        if (own := self._of_many(session, request)) is not None:
            return own
        program = await self._ready()
        uri = request.params.get("uri")
        if request.method != methods.SUBSCRIBE or not isinstance(uri, str):
            return await program.ask(request, session, seconds, session.note_use)
        if not session.may_subscribe(uri):
            text = f"At most {_MOST_SUBSCRIBED} resources, whose URIs have {_LONGEST_URI} characters at most."
            return _answered(error_of(request.id, text, INVALID_PARAMS), session)
        session.subscribing.add(uri)
        return await program.ask(request, session, seconds, functools.partial(session.note_answer, uri))

    def _of_many(self, session: StdioSession, request: jsonrpc.Request) -> WaitingRequest | None:
        """Return what answers a request that does not reach a shared program, and note what is subscribed no more."""
        uri = request.params.get("uri")
        if request.method in _NOT_SHARED:
            text = "The local program is shared by all sessions."
            return _answered(error_of(request.id, text, METHOD_NOT_FOUND), session)
        if request.method == methods.UNSUBSCRIBE and isinstance(uri, str):
            session.subscribed.discard(uri)
            session.subscribing.discard(uri)
            if any(uri in stdio_session.subscribed for stdio_session in self._sessions.values()):
                return _answered({"jsonrpc": "2.0", "id": request.id, "result": {}}, session)
        return None

    async def tell(self, session: StdioSession, message: jsonrpc.Notification | jsonrpc.Response) -> None:
        """Send an agent's notification, or its answer to what a program asked. Raises ProgramGoneError."""
        program = session.program or self._shared
        if program is None:
            return
        if isinstance(message, jsonrpc.Notification):
            if message.method == methods.CANCELLED:
                await program.cancel_of(session, message.params.get("requestId"), "the agent cancelled it")
            elif session.program is not None:
                await program.tell({"jsonrpc": "2.0", "method": message.method, "params": message.params})
        elif message.id in session.requested:
            session.requested.discard(message.id)
            outcome = {"result": message.result} if message.error is None else {"error": message.error}
            await program.tell({"jsonrpc": "2.0", "id": message.id, **outcome})

    def _hear_shared(self, message: JsonObject, size: int) -> None:
        """Take what a shared program says of its own accord: only what is for everybody, or was subscribed to."""
        method, params = message["method"], message.get("params")
        if "id" in message:
            if self._shared is not None:
                answer = {"jsonrpc": "2.0", "id": message["id"], "result": {}}
                refusal = error_of(message["id"], "The local program is shared by all sessions.", METHOD_NOT_FOUND)
                self._shared.reply(answer if method == methods.PING else refusal)
            return
        for session in self._sessions.values():
            uri = params.get("uri") if isinstance(params, dict) else None
            subscribed = isinstance(uri, str) and uri in session.subscribed
            if method in methods.LIST_CHANGED or (method == methods.RESOURCE_UPDATED and subscribed):
                session.push(message, size)

    async def close(self, session: StdioSession) -> None:
        """End a session, and its program where it has one of its own."""
        self._forget(session)
        if session.program is not None:
            await session.program.stop("the session was ended")

    async def close_all(self) -> None:
        """End everything."""
        programs = [
            stdio_session.program for stdio_session in self._sessions.values() if stdio_session.program is not None
        ]
        for session in list(self._sessions.values()):
            self._forget(session)
        programs += [self._shared] if self._shared is not None else []
        await asyncio.gather(
            *(stdio_program.stop("the gateway's local servers are stopped") for stdio_program in programs)
        )

    async def close_idle(self) -> None:
        """End sessions that nobody uses."""
        self._sweep()
        while unused := self._unused(self.server.limits.idle):
            await self.close(unused[0])

    def _unused(self, seconds: float) -> list[StdioSession]:
        """Return the sessions that nobody used for so long, the least recently used first."""
        oldest = time.monotonic() - seconds
        programs = [session.program or self._shared for session in self._sessions.values()]
        busy = {asked.owner for program in programs if program is not None for asked in program.waiting.values()}
        found = [
            session
            for session in self._sessions.values()
            if session.used < oldest and session.stream is None and session not in busy
        ]
        return sorted(found, key=lambda session: session.used)

    def _sweep(self) -> None:
        for session in list(self._sessions.values()):
            if session.program is not None and not session.program.running:
                self._forget(session)

    def _forget(self, session: StdioSession) -> None:
        session.hang_up()
        if self._sessions.pop(session.id, None) is not None and session.program is not None:
            self._ending.append(session.program)


def _answered(answer: JsonObject, session: StdioSession) -> WaitingRequest:
    asked = WaitingRequest(answer["id"], None, session)
    asked.end(answer)
    return asked
