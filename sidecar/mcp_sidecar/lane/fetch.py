"""One verified request: sent on, and its answer brought back, part by part, as far as the caller may see it.

The laws: nothing of an answer passes unread; what is read is passed on at once; and whatever happens, whoever asks gets
one answer that says what happened. Whoever stops reading ends the request to the server.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Final

import aiohttp
import anyio

from mcp_core.answer import Judge
from mcp_core.outcome import INTERNAL_ERROR, Reject
from mcp_core.reasons import Reason
from mcp_core.repeat import Tries
from mcp_sidecar.lane.account import Account
from mcp_sidecar.lane.bringing import Bringing
from mcp_sidecar.lane.callers import Call
from mcp_sidecar.lane.fetched import Began, Failed, Fetched
from mcp_sidecar.lane.files import files_of
from mcp_sidecar.lane.filtering import AnswerView
from mcp_sidecar.lane.lasting import may_last, works
from mcp_sidecar.lane.old_transport import refused_on_stream
from mcp_sidecar.lane.parts import Parts
from mcp_sidecar.lane.pinning import pins_of
from mcp_sidecar.lane.repeating import again
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
    """There was no answer in time; `failed` is what takes its place."""

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
            beside=parts.inspector.beside(terms),
            judge=self._judge,
        )
        self._account = Account(parts, call.claims, server, self._judge, line)
        self._patience = anyio.CancelScope()
        self._begun = False
        self.heard: Callable[[], bool] | None = None
        """Says whether whoever asks has passed some of the answer on; until then it may begin anew, at another replica.

        Without it, what was given counts as passed on.
        """

    @asynccontextmanager
    async def answer(self) -> AsyncIterator[AsyncGenerator[Fetched]]:
        """Give the parts of the answer as they come. It reads on only while it is read: a slow reader slows the server.

        Raises:
            LateError: the server took too long, or what came was not read in time.
        """
        try:
            with self._patience:
                if not works(self._claims.method):
                    self._patience.deadline = anyio.current_time() + self._parts.settings.answer_timeout
                async with aclosing(self._fetch()) as fetched:
                    yield fetched
        finally:
            self._account.left_out()
        if self._patience.cancelled_caught:
            raise LateError(self.fail(_TOO_SLOW, "timeout"))

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
            self._target = sending.target
            tries = self._parts.upstream.begin(server)
            while True:
                try:
                    async with self._send(sending, tries) as response:
                        wait = await self._again(sending, tries, response)
                        if wait is None:
                            async with aclosing(self._bring(sending, response)) as fetched:
                                async for part in fetched:
                                    yield part
                            return
                except UpstreamError as error:
                    wait = await self._again(sending, tries, error)
                    if wait is None:
                        yield self.fail(error.refusal, error.outcome)
                        return
                await anyio.sleep(wait)
                self._target = replace(self._target, affinity=secrets.token_hex(8))

    async def _bring(self, sending: Sending, response: aiohttp.ClientResponse) -> AsyncGenerator[Fetched]:
        """Give the parts of the answer that counts."""
        revise = self._parts.tasks.revise(self._claims, self._target, sending.tokens)
        sight = replace(self._sight, revise=revise)
        bringing = Bringing(self._parts, self._target, sight, self._account, self._stay)
        first = await bringing.begin(response)
        self._begun = True
        yield first
        if isinstance(first, Began):
            async with aclosing(bringing.rest(response)) as said:
                async for part in said:
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
    async def _send(self, sending: Sending, tries: Tries) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send the request to a replica, and give what answers. Raises UpstreamError."""
        started, said = time.monotonic(), self._claims
        asked = (said.question, said.http_method, sending.headers, sending.body, said.terms.hide)
        async with self._parts.upstream.send(self._target, *asked, tries) as response:
            self._parts.metrics.upstream.labels(self._target.server).observe(time.monotonic() - started)
            yield response

    async def _again(
        self, sending: Sending, tries: Tries, failure: aiohttp.ClientResponse | UpstreamError
    ) -> float | None:
        """Return how long to wait before another replica is asked, or None where this is the answer."""
        to = sending.target
        bound = to.session is not None or to.endpoint is not None or bool(sending.tokens)
        if isinstance(failure, UpstreamError):
            bound = bound or (self._begun if self.heard is None else self.heard())
        return await again(self._parts.hints, self._call, tries, failure, bound=bound)

    def _stay(self) -> None:
        """Let the answer take as long as it likes from here on."""
        self._patience.deadline = math.inf
