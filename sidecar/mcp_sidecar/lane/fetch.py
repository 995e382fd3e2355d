"""One verified request: sent on, and its answer brought back, part by part, as far as the caller may see it.

The laws: nothing of an answer passes unread; what is read is passed on at once; and whatever happens, whoever asks gets
one answer that says what happened. Whoever stops reading ends the request to the server.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Final

import aiohttp
import anyio

from mcp_core.answer import Judge
from mcp_core.claims import Target
from mcp_core.outcome import INTERNAL_ERROR, Reject
from mcp_core.reasons import Ending, Reason
from mcp_core.repeat import Tries, may_repeat
from mcp_sidecar.lane.account import Account
from mcp_sidecar.lane.bringing import Bringing
from mcp_sidecar.lane.callers import Call
from mcp_sidecar.lane.cancelling import late
from mcp_sidecar.lane.cutting import CUT_OFF
from mcp_sidecar.lane.fetched import Began, Failed, Fetched, Said, Whole
from mcp_sidecar.lane.files import files_of
from mcp_sidecar.lane.filtering import AnswerView
from mcp_sidecar.lane.lasting import may_last, works
from mcp_sidecar.lane.old_transport import refused_on_stream
from mcp_sidecar.lane.parts import Parts
from mcp_sidecar.lane.pinning import pins_of
from mcp_sidecar.lane.repeating import again
from mcp_sidecar.lane.resuming import TIMES, is_lost, recorded, says_lost
from mcp_sidecar.lane.tasks import Sending
from mcp_sidecar.logs import Line
from mcp_sidecar.upstream.internal_route import UpstreamError

_TOO_SLOW: Final = Reject(
    INTERNAL_ERROR,
    "The server did not answer in time. Try again, or have the operator raise MCP_SIDECAR_ANSWER_TIMEOUT.",
    Reason.ANSWER_TIMEOUT,
    status=504,
)


class LateError(TimeoutError):
    """There was no answer in time, or who asked was cut off; `failed` is what takes its place."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.refusal.why)
        self.failed = failed


class Fetch:
    """One request to a server, of a guard's or made here. What happened is left in `line`."""

    def __init__(self, parts: Parts, call: Call, line: Line) -> None:
        self._parts = parts
        self._call = call
        self._claims = call.claims
        self._target = call.target
        terms, server = call.claims.terms, call.target.server
        self._judge = Judge(call.claims.question, terms.server_messages)
        self._sight = AnswerView(
            call.view,
            server,
            terms.enforce,
            pins=pins_of(call.claims, call.target, parts.surfaces, parts.metrics.pins),
            results=parts.inspector.results(call.claims),
            lists=parts.inspector.lists(terms),
            beside=parts.inspector.beside(terms),
            judge=self._judge,
        )
        self._account = Account(parts, call.claims, server, self._judge, line)
        self._patience = anyio.CancelScope()
        self._begun = False
        self._opens: Callable[[str], None] = lambda _session: None
        self._tries: Tries
        self._resumed = 0
        self._latest = math.inf
        self._sent = False
        self._resumable = False
        self._reopened = False
        self._anew = False
        self._lost: Target | None = None
        self._whole: Whole | None = None
        self.told: Mapping[str, str] = {}
        """The headers of the answer that counts, once there is one."""
        self.heard: Callable[[], bool] | None = None
        """Says whether whoever asks has passed some of the answer on; until then it may begin anew, at another replica.

        Without it, what was given counts as passed on.
        """

    @asynccontextmanager
    async def answer(self) -> AsyncIterator[AsyncGenerator[Fetched]]:
        """Give the parts of the answer as they come. It reads on only while it is read: a slow reader slows the server.

        Raises:
            LateError: the server took too long, what came was not read in time, or who asked was cut off.
        """
        try:
            with self._parts.cuts.watch(self._claims.cuts) as watched, watched.scope, self._patience:
                self._opens = watched.opens
                self._wait()
                async with aclosing(self._fetch()) as fetched:
                    yield fetched
        except BaseException:
            # Whoever asked has left, or the process stops: nobody waits for what the server may still be doing.
            await self._cancel("left")
            raise
        finally:
            self._account.left_out()
        if watched.scope.cancelled_caught:
            raise LateError(self.fail(CUT_OFF, Ending.CUT_OFF))
        if self._patience.cancelled_caught:
            await self._cancel("late")
            raise LateError(self.fail(self._too_slow(), Ending.TIMEOUT))

    @property
    def is_open(self) -> bool:
        """Whether something that was asked has no answer yet."""
        return bool(self._judge.waiting)

    def keep(self) -> None:
        """Keep the answer for whoever asks the same in a moment, where that may be."""
        if self._whole is not None:
            self._parts.kept.keep(self._call, self._whole, self._sight.pins, self._account.line)

    def fail(self, refusal: Reject, outcome: str) -> Failed:
        """Return that there is no answer, or no more of it."""
        self._stay()
        return self._account.fail(refusal, outcome)

    async def _fetch(self) -> AsyncGenerator[Fetched]:
        claims, server = self._claims, self._target.server
        caller = claims.principal.name and claims.principal.seal_key
        with self._parts.shares.take(server, caller, lasting=may_last(claims)) as refusal:
            sending = await self._sending() if refusal is None else self.fail(refusal, "limited")
            if isinstance(sending, Failed):
                yield sending
                return
            self._target = self._parts.resumer.where(self._call, sending.target)
            self._tries = self._parts.upstream.begin(server)
            while True:
                try:
                    async with self._send(sending) as response:
                        wait = await self._again(sending, response)
                        if wait is None:
                            async with aclosing(self._bring(sending, response)) as fetched:
                                async for part in fetched:
                                    yield part
                            if not self._anew:
                                return
                            wait, self._anew = 0.0, False
                except UpstreamError as error:
                    wait = await self._again(sending, error)
                    if wait is None:
                        yield self.fail(error.refusal, error.outcome)
                        return
                await anyio.sleep(wait)

    async def _bring(self, sending: Sending, response: aiohttp.ClientResponse) -> AsyncGenerator[Fetched]:
        """Give the parts of the answer that counts."""
        revise = self._parts.tasks.revise(self._claims, self._target, sending.tokens)
        sight = replace(self._sight, revise=revise)
        opens, hello = self._opens, recorded(self._call)
        bringing = Bringing(self._parts, self._target, sight, self._account, self._stay, opens, hello)
        self.told = response.headers
        first = await bringing.begin(response)
        if says_lost(self._target, self._claims, first) and await self._asks_anew():
            self._anew = True
            self._wait()
            return
        self._begun = True
        if not self._reopened:
            yield first
        if isinstance(first, Whole) and first.status < 400:
            self._whole = first
            self._parts.resumer.note(self._call)
        if isinstance(first, Began):
            self._lost, self._resumed = None, 0
            missed = self._parts.resumer.missed(self._call) if self._claims.http_method == "GET" else ()
            async with aclosing(bringing.rest(response, missed)) as said:
                async for part in said:
                    self._noted(part)
                    self._resumable = self._resumable or bringing.resumable
                    yield part

    async def _sending(self) -> Sending | Failed:
        """Return the request as the server must get it, or why it goes no further."""
        claims, target = self._claims, self._target
        refusal = await self._parts.inspector.check(claims, target.server, self._call.body, self._account.line.trace)
        if refusal is not None:
            ping = refused_on_stream(claims, target, refusal)
            if ping is None:
                return self.fail(refusal, "refused")
            self._account.refused(refusal)
            claims = self._claims = self._account.claims = ping
        sending = self._parts.tasks.open(claims, target, self._call.headers, self._call.body)
        if isinstance(sending, Reject):
            return self.fail(sending, "refused")
        held = await files_of(claims, target.server, self._call.body, self._parts.surfaces, self._sight.pins)
        self._sight = replace(self._sight, files=held)
        return sending if target.endpoint is None else self._parts.old.message(claims, sending)

    @asynccontextmanager
    async def _send(self, sending: Sending) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send the request to a replica, and give what answers. Raises UpstreamError."""
        started, said, self._sent = time.monotonic(), self._claims, True
        asked = (said.question, said.http_method, sending.headers, sending.body, said.terms.hide)
        async with self._parts.upstream.send(self._target, *asked, self._tries) as response:
            self._parts.metrics.upstream.labels(self._target.server).observe(time.monotonic() - started)
            yield response

    async def _again(self, sending: Sending, failure: aiohttp.ClientResponse | UpstreamError) -> float | None:
        """Return how long to wait before another replica is asked, or None where this is the answer."""
        to = sending.target
        if isinstance(failure, aiohttp.ClientResponse) and self._is_lost(failure.status):
            return 0.0 if await self._resume() else None
        may_resume = to.session is not None and to.hello is not None
        bound = (to.session is not None and not may_resume) or to.endpoint is not None or bool(sending.tokens)
        if isinstance(failure, UpstreamError) and (self._begun if self.heard is None else self.heard()):
            return await self._reopen() if may_resume and failure.outcome is Ending.BROKEN else None
        wait = await again(self._parts.hints, self._call, self._tries, failure, bound=bound)
        if wait is not None and may_resume:
            return wait if await self._resume() else None
        if wait is not None:
            self._target = replace(self._target, affinity=secrets.token_hex(8))
        return wait

    async def _reopen(self) -> float | None:
        """Open the stream of a session again, which answers nothing: its listener need not know that it broke."""
        if self._claims.http_method != "GET":
            return None
        self._tries = self._parts.upstream.begin(self._target.server)
        wait = self._tries.again("stream-broken")
        self._reopened = wait is not None and await self._resume()
        return wait if self._reopened else None

    def _is_lost(self, status: int) -> bool:
        lost = is_lost(self._target, self._claims.http_method, self._claims.method, status)
        if lost and self._lost is not None and self._resumed >= TIMES:
            self._parts.resumer.undo(self._call, self._lost, self._target)
            return False
        return lost

    async def _asks_anew(self) -> bool:
        """Open a session again that was lost by 400's words, and return whether what was asked is asked there.

        Only what may be asked twice is: whoever asked something else hears the 400, and finds the session open.
        """
        # Once is enough: a server that says the same in the session just opened means something else.
        if self._lost is not None and self._resumed:
            self._parts.resumer.undo(self._call, self._lost, self._target)
            return False
        if not await self._resume():
            return False
        if may_repeat(self._claims.question, self._claims.http_method):
            return True
        self._parts.resumer.doubt(self._call)
        return False

    async def _resume(self) -> bool:
        """Have the session opened again on another replica. Returns whether it was."""
        lost = self._target
        resumed = await self._parts.resumer.resume(self._call, lost)
        if resumed is None:
            return False
        self._lost, self._target = self._lost or lost, resumed
        self._resumed += 1
        return True

    def _noted(self, part: Fetched) -> None:
        """Take down what a request did whose answer came on a stream."""
        if isinstance(part, Said) and self._judge.done:
            self._parts.resumer.note(self._call)

    def _wait(self) -> None:
        """Let the answer take as long as answers may: those of calls, as long as their policy gives them in all."""
        now = anyio.current_time()
        if not works(self._claims.method):
            self._patience.deadline = now + self._parts.settings.answer_timeout
        elif self._latest == math.inf and (seconds := self._claims.terms.call_seconds):
            self._patience.deadline = self._latest = now + seconds

    def _stay(self) -> None:
        """Let the answer take as long as it likes from here on, or its policy."""
        self._patience.deadline = self._latest

    def _too_slow(self) -> Reject:
        return _TOO_SLOW if self._latest == math.inf else late(self._claims.terms.call_seconds)

    async def _cancel(self, why: str) -> None:
        """Have the server end work whose answer nobody will read, where the closed connection does not say so."""
        may_come_back = why == "left" and self._resumable
        if self._sent and not may_come_back and self._judge.waiting:
            await self._parts.cancels.tell(self._call, self._target, why)
