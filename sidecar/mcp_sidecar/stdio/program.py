"""One running local program: requests in, answers and notifications out (2025-11-25, basic/transports, stdio).

Laws: every request gets exactly one end, whatever the program does; ids on the program's streams are ours, so answers
of several sessions cannot be mixed up; nothing that the program writes is held without bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any, Final

from mcp_core import jsonrpc, loosejson
from mcp_core.methods import CANCELLED, PROGRESS, PROGRESS_TOKEN
from mcp_core.stdio import SEARCH_PATH, StdioServer
from mcp_sidecar.stdio import keep
from mcp_sidecar.stdio.lines import LineCutter, TooLongLine
from mcp_sidecar.stdio.notes import ProgramNotes
from mcp_sidecar.stdio.turns import CHUNK, ReadingTurns, lines_of
from mcp_sidecar.stdio.waiting import MOST_QUEUED, JsonObject, WaitingRequest, error_of

WRITE_SECONDS: Final = 30.0
STOP_SECONDS: Final = 2.0
"""Until a program whose standard input was closed is told to end; keep.py gives it as long again, then kills."""
KILL_SECONDS: Final = 10.0
"""Until keep.py itself is killed, where it did not end."""
DRAIN_SECONDS: Final = 1.0
"""For what a program that ended had written. What it left behind may hold its streams open, and write on."""
MOST_NOISE: Final = 10_000
"""Lines one after another that are no messages; then the program is ended."""
LONG_LINE: Final = 256 * 1024
"""Bytes of a line above which it is parsed in a thread."""
_LIMITS: Final = jsonrpc.Limits(body=16 * 1024 * 1024, keys=500_000, values=2_000_000)
_IDS: Final = re.compile(rb'"id"\s*:\s*([0-9]{1,15})\b')


class ProgramGoneError(Exception):
    """The program has ended, or takes nothing; the message says so to whoever asked."""


class StdioProgram:
    """A program that was started. `unasked` gets what it says of its own accord, and how many bytes that has."""

    def __init__(self, server: StdioServer, unasked: Callable[[JsonObject, int], None]) -> None:
        self.server = server
        self.unasked = unasked
        self.waiting: dict[int, WaitingRequest] = {}
        self.gone: str | None = None
        self._next = 1
        self._noise = 0
        self._lock = asyncio.Lock()
        self._home = tempfile.mkdtemp(prefix=f"kong-mcp-{server.name}-")
        self._process: asyncio.subprocess.Process
        self._notes: ProgramNotes
        self._tasks: list[asyncio.Task[None]] = []
        self._later: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start the program. Raises OSError where this machine cannot."""
        environment = {"PATH": SEARCH_PATH, "HOME": self._home, "LANG": "C.UTF-8", **self.server.environment}
        command = [sys.executable, "-I", "-S", keep.__file__, str(os.getpid()), json.dumps(asdict(self.server.limits))]
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                *self.server.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment,
                cwd=self._home,
                start_new_session=True,
            )
        except OSError:
            shutil.rmtree(self._home, ignore_errors=True)
            raise
        self._notes = ProgramNotes(self.server.name, self._process.pid)
        self._tasks = [asyncio.create_task(one) for one in (self._read(), self._listen(), self._wait())]

    @property
    def running(self) -> bool:
        """Whether it can be asked."""
        return self.gone is None

    @property
    def there(self) -> bool:
        """Whether it still takes this machine's memory: one that is being ended does."""
        return self._process.returncode is None

    async def ask(
        self,
        request: jsonrpc.Request,
        owner: object,
        seconds: float,
        then: Callable[[JsonObject], None] | None = None,
    ) -> WaitingRequest:
        """Send a request; return what waits for its answer, which is an error after some seconds without one.

        `then` gets the answer before anything that the program says after it, and an error where nothing is sent.

        Raises:
            ProgramGoneError: the program cannot be asked.
        """
        number, self._next = self._next, self._next + 1
        params = dict(request.params)
        meta = params.get("_meta")
        token = meta.get(PROGRESS_TOKEN) if isinstance(meta, dict) else None
        if isinstance(meta, dict) and token is not None:
            params["_meta"] = {**meta, PROGRESS_TOKEN: number}
        asked = self.waiting[number] = WaitingRequest(request.id, token, owner, then)
        asked.timer = asyncio.get_running_loop().call_later(seconds, self._expire, number, seconds)
        try:
            await self.tell({"jsonrpc": "2.0", "id": number, "method": request.method, "params": params})
        except BaseException:
            asked.end(error_of(asked.id, "It was not sent."))
            self.waiting.pop(number, None)
            raise
        return asked

    def _expire(self, number: int, seconds: float) -> None:
        if (asked := self.waiting.get(number)) is not None:
            text = f"{self.server.name}: the local program did not answer within {seconds:g} seconds."
            self._notes.say("the local program did not answer in time", seconds=seconds)
            asked.expired = True
            asked.end(error_of(asked.id, text))
            self.later(self.cancel(number, "it took too long"))

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that nobody waits for."""
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def reply(self, message: JsonObject) -> None:
        """Answer what the program asked, unless it reads none of its answers."""
        if len(self._later) < MOST_QUEUED:
            self.later(self._reply(message))

    async def _reply(self, message: JsonObject) -> None:
        with contextlib.suppress(ProgramGoneError):
            await self.tell(message)

    async def tell(self, message: JsonObject) -> None:
        """Send a message that gets no answer. Raises ProgramGoneError."""
        if self.gone is not None:
            raise ProgramGoneError(self.gone)
        stream = self._process.stdin
        if stream is None:
            raise ProgramGoneError("it has no standard input")
        try:
            async with asyncio.timeout(WRITE_SECONDS), self._lock:
                stream.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
                await stream.drain()
        except TimeoutError:
            await self.stop("the local program does not read what is sent to it")
            raise ProgramGoneError(self.gone or "") from None
        except (BrokenPipeError, ConnectionResetError):
            raise ProgramGoneError(self.gone or "the local program closed its standard input") from None

    async def cancel(self, number: int, why: str) -> None:
        """Tell the program that nobody waits for a request any more."""
        self.waiting.pop(number, None)
        with contextlib.suppress(ProgramGoneError):
            params = {"requestId": number, "reason": why}
            await self.tell({"jsonrpc": "2.0", "method": CANCELLED, "params": params})

    async def cancel_of(self, owner: object, id_: object, why: str) -> None:
        """Cancel a request by the id that its session gave it."""
        for number, asked in list(self.waiting.items()):
            if asked.owner is owner and asked.id == id_ and type(asked.id) is type(id_):
                asked.end(error_of(asked.id, "The request was cancelled."))
                await self.cancel(number, why)

    async def stop(self, why: str = "the local program was stopped") -> None:
        """End the program, as stdio has it: its input is closed, then it is told to end, then it is killed."""
        self._end(why)
        if self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
        _, left = await asyncio.wait(self._tasks, timeout=KILL_SECONDS)
        if left:  # the program keeps keep.py from its work, or what it left behind holds its streams open
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await asyncio.wait(left, timeout=KILL_SECONDS)

    def _end(self, why: str) -> None:
        """Let nothing wait any more."""
        if self.gone is None:
            self.gone = why
        for asked in self.waiting.values():
            asked.end(error_of(asked.id, f"{self.server.name}: {self.gone}."))
        self.waiting.clear()

    async def _wait(self) -> None:
        status = await self._process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what is left where keep.py itself was killed
        asked = self.gone is not None
        reasons = {
            keep.OVER: "the local program was ended, as it took more than its limits allow",
            keep.NOT_FOUND: "the local program cannot be run: its command was not found",
        }
        self._end(reasons.get(status, f"the local program ended with status {status}"))
        if not asked:
            self._notes.say("the local program ended", status=status)
        reading = self._tasks[:2]
        _, left = await asyncio.wait(reading, timeout=DRAIN_SECONDS)
        for task in left:
            task.cancel()
        if left:  # asyncio has no other way to close what it reads
            self._process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001
        self._notes.close()
        await asyncio.to_thread(shutil.rmtree, self._home, ignore_errors=True)

    async def _listen(self) -> None:
        """Log what the program writes to standard error. It is read always, so that no program waits for a reader."""
        if (stream := self._process.stderr) is None:
            return
        async for line in lines_of(stream, LineCutter(CHUNK, CHUNK // 4), ReadingTurns()):
            text = line.ends if isinstance(line, TooLongLine) else line
            if text.strip():
                self._notes.say("standard error", text)

    async def _read(self) -> None:
        """Take what the program says. Where that fails, the program is ended, and nobody waits for it."""
        try:
            await self._take_all()
        except Exception as error:  # noqa: BLE001 - whatever it is, no answer would be read any more
            self._notes.say("standard output is read no more", problem=type(error).__name__)
            self.later(self.stop("the local program wrote what cannot be read"))

    async def _take_all(self) -> None:
        if (stream := self._process.stdout) is None:
            return
        async for line in lines_of(stream, LineCutter(), ReadingTurns()):
            self._noise += 1  # until a message is found in it
            if isinstance(line, TooLongLine):
                self._pass_over(line)
            elif line.strip():
                await self._take(line)
            if self._noise > MOST_NOISE:
                self._notes.say("standard output is read no more", problem="too many lines that are no messages")
                self.later(self.stop(f"the local program wrote {MOST_NOISE} lines that are no messages"))
                return

    def _pass_over(self, line: TooLongLine) -> None:
        """Answer what a line that is too long would have answered, as far as its ends or what waits tell."""
        self._notes.say("a line was too long and is passed over", bytes=line.size)
        named = {int(one) for one in _IDS.findall(line.ends)} & self.waiting.keys()
        for number in named or (self.waiting.keys() if len(self.waiting) == 1 else set()):
            asked = self.waiting.pop(number)
            text = f"{self.server.name}: the local program's answer has {line.size} bytes, more than are read."
            asked.end(error_of(asked.id, text))
            return

    async def _take(self, line: bytes) -> None:
        """Take one line of standard output."""
        try:
            if len(line) > LONG_LINE:
                read = await asyncio.to_thread(loosejson.load, line, _LIMITS)
            else:
                read = loosejson.load(line, _LIMITS)
        except jsonrpc.NotStrictError as error:
            self._note_no_message(line, str(error))
            if isinstance(error, loosejson.TooMuchError):
                self._pass_over(TooLongLine(line[:CHUNK] + line[-CHUNK:], len(line)))
            return
        for message in read.value if isinstance(read.value, list) else [read.value]:
            if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
                self._note_no_message(line, "not JSON-RPC 2.0")
            elif "method" in message and not isinstance(message["method"], str):
                self._note_no_message(line, "its method is no text")
            elif read.odd and not _can_be_written(message):
                self._note_no_message(line, "a number that JSON has not")
                if "method" not in message:
                    text = f"{self.server.name}: the local program's answer has a number that JSON has not."
                    self._answer(error_of(message.get("id"), text), line)
            else:
                self._noise = 0
                self._hear(message, len(line)) if "method" in message else self._answer(message, line)

    def _note_no_message(self, line: bytes, problem: str) -> None:
        """Log a line; of one that may hold a result only the size, as results can be secret."""
        may_be_result = line.lstrip()[:1] == b"{" or b'"result"' in line
        shown = b"" if may_be_result else line
        self._notes.say("a line of standard output is no message", shown, problem=problem, bytes=len(line))

    def _answer(self, message: JsonObject, line: bytes) -> None:
        number = message.get("id")
        asked = self.waiting.pop(number, None) if type(number) is int else None
        if asked is None:
            self._notes.say("an answer that nobody waits for", bytes=len(line))
        elif "result" in message or isinstance(message.get("error"), dict):
            asked.end({**message, "id": asked.id})
        else:
            asked.end(
                error_of(asked.id, f"{self.server.name}: the local program answered with neither result nor error.")
            )

    def _hear(self, message: JsonObject, size: int) -> None:
        params = message.get("params")
        if message["method"] == PROGRESS and "id" not in message and isinstance(params, dict):
            asked = self.waiting.get(token) if type(token := params.get(PROGRESS_TOKEN)) is int else None
            if asked is not None and asked.token is not None:
                asked.add({**message, "params": {**params, PROGRESS_TOKEN: asked.token}}, size)
            return
        self.unasked(message, size)


def _can_be_written(message: JsonObject) -> bool:
    """Return whether a message can be handed on as JSON (RFC 8259, 6): NaN and what is infinite cannot."""
    try:
        json.dumps(message, allow_nan=False)
    except ValueError:
        return False
    return True
