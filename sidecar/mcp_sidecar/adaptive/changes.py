"""Streams on which a virtual server says that one of its lists changed, and what else members say unasked."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from mcp_core import methods
from mcp_core.claims import Claims
from mcp_core.conversation import read_message
from mcp_core.jsonrpc import Notification, Request
from mcp_core.outcome import Reject
from mcp_core.principal import Principal
from mcp_core.reasons import Ending
from mcp_core.sse import Event
from mcp_sidecar.adaptive.inventory import Inventory
from mcp_sidecar.adaptive.relay import STREAM_HEADERS, as_event
from mcp_sidecar.lane.answering import Fetching
from mcp_sidecar.lane.cutting import CUT_OFF
from mcp_sidecar.lane.fetch import LateError
from mcp_sidecar.lane.fetched import Began, Failed, Fetched, Said, Whole
from mcp_sidecar.lane.parts import Parts
from mcp_sidecar.lane.repeating import as_heard
from mcp_sidecar.logs import Line
from mcp_sidecar.upstream.shares import PLACES, Shares
from mcp_sidecar.upstream.talk import Talk, TalkError

LISTEN_SECONDS: Final = 3.0
"""How long a stream waits, before it says that it listens, until its members do."""
AGAIN_SECONDS: Final = 5.0
"""How long after a member's stream of updates broke off it is opened again."""
POLL_SECONDS: Final = 30.0
"""How often a member is looked at that cannot say that it changed, or does not answer."""
MOST_WATCHES: Final = PLACES // 8
"""Members, each for one principal of one virtual server, that are listened to at once: each takes a place of all."""
PACE_SECONDS: Final = 1.0
"""How long nothing is told after something was: what members tell meanwhile is told together."""
_LISTS: Final = {
    "tools": methods.TOOLS_CHANGED,
    "prompts": methods.PROMPTS_CHANGED,
    "resources": methods.RESOURCES_CHANGED,
}
_NO_STREAM: Final = 405
_GONE: Final = 404
_END: Final = b""
"""Told within a stream: that it ends."""


Hear: TypeAlias = Callable[[str | None], None]
"""Takes what a member tells: None once it would tell that a list changed, then in what words (the method) it does."""


class Watches:
    """Who hears that members changed: one request for all streams of a principal."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, Principal], _Watch] = {}

    async def hear(self, key: tuple[str, str, Principal], ask: Callable[[Hear], Awaitable[None]], hear: Hear) -> None:
        """Hear what a member tells until it tells no more: it is asked once for all, also when one of them leaves.

        Nothing is asked where too many are listened to: those members are looked at every now and then.
        """
        while (other := self._open.get(key)) is not None:
            with other.heard_by(hear):
                await other.over.wait()
            if other.ended:
                return
        if len(self._open) >= MOST_WATCHES:
            return
        mine = self._open[key] = _Watch()
        try:
            with mine.heard_by(hear):
                await ask(mine.tell)
            mine.ended = True
        finally:
            del self._open[key]
            mine.over.set()


class _Watch:
    """One request that waits. `ended` says that the member tells no more, not that whoever asked has left."""

    def __init__(self) -> None:
        self.over = anyio.Event()
        self.ended = False
        self._listens = False
        self._hearers: list[Hear] = []

    @contextmanager
    def heard_by(self, hear: Hear) -> Iterator[None]:
        """Tell one more as long as it waits."""
        self._hearers.append(hear)
        if self._listens:
            hear(None)
        try:
            yield
        finally:
            self._hearers.remove(hear)

    def tell(self, said: str | None) -> None:
        """Tell all who wait."""
        self._listens = True
        for hear in self._hearers:
            hear(said)


@dataclass(frozen=True, slots=True)
class StreamPlace:
    """Where a stream stands: whose places it takes, for which server, what streams share, and its log line.

    `wanted` is what the agent wants to be told, as params.notifications has it; `updates` waits until a member has a
    stream for this agent, and returns what fetches it, None where there never is one. Of what is said there, updates
    of resources are told on, and all else that an agent hears of a server where `says_all`. `stale` drops what a
    member listed before a time (monotonic), and returns in how many seconds that is done. `over` is set when the agent
    ends the session that the stream is of. `listened` holds as long as the agent listens, and `hears` takes the member
    whose stream is open, or will not be. `hearing` are the places of members' streams.
    """

    parts: Parts
    server: str
    watches: Watches
    line: Line
    wanted: Mapping[str, Any] = field(default_factory=lambda: dict.fromkeys(methods.LISTEN_CHANGES, True))
    updates: Callable[[str], Awaitable[Fetching | None]] | None = None
    stale: Callable[[str, float], float] = lambda _member, _at: 0.0
    over: anyio.Event | None = None
    says_all: bool = False
    listened: Callable[[], AbstractContextManager[None]] = nullcontext
    hears: Callable[[str], None] = lambda _member: None
    hearing: Shares | None = None


class MemberChanges:
    """One stream. `take` returns the inventory, anew with True; `talk` the conversation that is open with a member."""

    def __init__(
        self,
        claims: Claims,
        members: tuple[str, ...],
        take: Callable[[bool], Awaitable[Inventory]],
        talk: Callable[[str], Awaitable[Talk | None]],
        place: StreamPlace,
    ) -> None:
        """`place` is what the stream takes of this sidecar while it is open."""
        self._place = place
        self._claims = claims
        self._members = members
        self._take = take
        self._talk = talk
        self._deaf = {(member, False) for member in members}
        if place.updates is not None and claims.http_method == "POST":
            self._deaf |= {(member, True) for member in members}
        self._all_listen = anyio.Event()
        self._told = set[str]()
        self._changed = dict[str, float]()
        self._news = anyio.Event()
        if not members:
            self._all_listen.set()
        self.heard: Callable[[], bool] | None = None

    def fail(self, refusal: Reject, outcome: str) -> Failed:
        """Note that the stream ends, and return why."""
        self._place.line.end(outcome, refusal)
        return Failed(as_heard(refusal, self._claims), outcome)

    @asynccontextmanager
    async def answer(self) -> AsyncIterator[AsyncGenerator[Fetched]]:
        """Give the parts of the stream as they come.

        Raises:
            LateError: who asked was cut off.
        """
        place, claims = self._place, self._claims
        caller = claims.principal.name and claims.principal.seal_key
        with (
            place.parts.shares.take(place.server, caller, lasting=True) as refusal,
            place.parts.cuts.watch(claims.cuts) as watched,
            watched.scope,
            place.listened(),
        ):
            send, receive = anyio.create_memory_object_stream[str | bytes | None](16)
            async with anyio.create_task_group() as tasks, send, receive:
                if refusal is None:
                    tasks.start_soon(self._tell, send)
                    if place.over is not None:
                        tasks.start_soon(self._end, place.over, send)
                    for member in self._members:
                        tasks.start_soon(self._watch, member)
                        if place.updates is not None:
                            tasks.start_soon(self._update, member, place.updates, send)
                async with aclosing(self._said(receive) if refusal is None else self._refused(refusal)) as parts:
                    yield parts
                tasks.cancel_scope.cancel()
        if watched.scope.cancelled_caught:
            raise LateError(self.fail(CUT_OFF, Ending.CUT_OFF))

    async def _refused(self, refusal: Reject) -> AsyncGenerator[Fetched]:
        yield self.fail(refusal, Ending.LIMITED)

    async def _end(self, over: anyio.Event, told: MemoryObjectSendStream[str | bytes | None]) -> None:
        await over.wait()
        await told.send(_END)

    async def _watch(self, member: str) -> None:
        """Hear what a member tells; one that tells nothing is asked to every now and then."""

        async def ask(tell: Hear) -> None:
            try:
                talk = await self._talk(member)
                if talk is None:
                    return
                async with aclosing(talk.changes()) as changes:
                    async for said in changes:
                        tell(said)
            except TalkError:
                return

        key = (self._place.server, member, self._claims.principal)
        while True:
            await self._place.watches.hear(key, ask, partial(self._hear, member))
            self._hear(member, None)
            await anyio.sleep(POLL_SECONDS)

    def _listens(self, member: str, *, updates: bool) -> None:
        """Note that a member would tell of its lists, or of resources, or never will."""
        self._deaf.discard((member, updates))
        if not self._deaf:
            self._all_listen.set()

    def _hear(self, member: str, said: str | None) -> None:
        self._listens(member, updates=False)
        if said is not None:
            self._told.add(said)
            self._changed[member] = time.monotonic()
            self._news.set()

    async def _tell(self, changed: MemoryObjectSendStream[str | bytes | None]) -> None:
        """Hand on what members told: the same of many, or many times, is one."""
        while True:
            # Some members tell it to the session alone in which it happened, so what they say is not all that is heard.
            with anyio.move_on_after(POLL_SECONDS):
                await self._news.wait()
            self._news, told, self._told = anyio.Event(), self._told, set()
            members, self._changed = self._changed, {}
            # Whoever hears of a change and asks is answered with lists that have it.
            await anyio.sleep(max((self._place.stale(*one) for one in members.items()), default=0.0))
            for said in sorted(told) if told else (None,):
                await changed.send(said)
            await anyio.sleep(PACE_SECONDS)

    async def _update(
        self,
        member: str,
        updates: Callable[[str], Awaitable[Fetching | None]],
        told: MemoryObjectSendStream[str | bytes | None],
    ) -> None:
        """Pass on what a member says beside its answers, for as long as it can."""
        place, principal = self._place, self._claims.principal
        caller = principal.name and principal.seal_key
        while (fetching := await updates(member)) is not None:
            taken = nullcontext() if place.hearing is None else place.hearing.take(place.server, caller, lasting=True)
            with taken as refusal:
                status = 0 if refusal is not None else await self._hand_on(member, fetching, told)
            place.hears(member)
            if status == _NO_STREAM:
                break
            # Of a session that is gone there may be a stream once a call has opened it anew.
            await anyio.sleep(POLL_SECONDS if status == _GONE else AGAIN_SECONDS)
        self._listens(member, updates=True)

    async def _hand_on(self, member: str, fetching: Fetching, told: MemoryObjectSendStream[str | bytes | None]) -> int:
        """Pass on what is said on one stream of a member. Returns the status where there is no stream, else 0."""
        status = 0
        try:
            async with fetching.answer() as parts:
                async for part in parts:
                    self._place.hears(member)
                    status = status or _status(part)
                    if not isinstance(part, Began):
                        self._listens(member, updates=True)
                    if isinstance(part, Said) and self._is_for_agent(member, part.text):
                        await told.send(part.text)
        except LateError:
            pass
        return status

    def _is_for_agent(self, member: str, text: bytes) -> bool:
        """Return whether the agent is told what a member says, as it is said. Of lists it hears once they are read."""
        message = read_message(text) if text else None
        if isinstance(message, Notification) and message.method in methods.LIST_CHANGED:
            self._hear(member, message.method)
            return False
        if not isinstance(message, Notification) or message.method != methods.RESOURCE_UPDATED:
            # Progress comes beside the answer that it is of: here it could be of what another member was asked.
            told = isinstance(message, Request) or (
                isinstance(message, Notification) and message.method != methods.PROGRESS
            )
            return self._place.says_all and told
        uri = message.params.get("uri")
        return isinstance(uri, str) and self._claims.terms.view.allows(methods.Kind.RESOURCE, uri)

    async def _said(self, changed: Any) -> AsyncGenerator[Fetched]:
        yield Began(200, STREAM_HEADERS)
        before = (await self._take(False)).digests
        with anyio.move_on_after(LISTEN_SECONDS):
            await self._all_listen.wait()
        wanted = self._place.wanted
        if self._claims.http_method == "POST":
            yield self._event(methods.LISTEN_ACKNOWLEDGED, {"notifications": dict(wanted)})
        yield Said(b"", Event(comment=True))
        async for told in changed:
            if told == _END:
                return
            if isinstance(told, bytes):
                yield Said(told, Event(data=told.decode()))
                continue
            after = (await self._take(True)).digests
            for list_, method in _LISTS.items():
                # What a member tells is told on, as by any server: it may have changed twice since.
                if wanted.get(f"{list_}ListChanged") and (told == method or after.get(list_) != before.get(list_)):
                    yield self._event(method, {})
            before = after

    def _event(self, method: str, params: Mapping[str, Any]) -> Said:
        said = dict(params)
        if self._claims.http_method == "POST":
            said["_meta"] = {methods.META_SUBSCRIPTION: self._claims.id}
        return as_event({"jsonrpc": "2.0", "method": method, **({"params": said} if said else {})})


def _status(part: Fetched) -> int:
    """Return the status of what comes in the place of a stream, 0 for a part of one."""
    return part.status if isinstance(part, Whole) else part.refusal.http_status() if isinstance(part, Failed) else 0
