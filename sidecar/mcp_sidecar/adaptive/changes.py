"""Streams on which a virtual server says that one of its lists changed, as its members say so."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from mcp_core import methods
from mcp_core.claims import Claims
from mcp_core.outcome import Reject
from mcp_core.principal import Principal
from mcp_core.reasons import Ending
from mcp_core.sse import Event
from mcp_sidecar.adaptive.inventory import Inventory
from mcp_sidecar.adaptive.relay import dumped
from mcp_sidecar.lane.cutting import CUT_OFF
from mcp_sidecar.lane.fetch import LateError
from mcp_sidecar.lane.fetched import Began, Failed, Fetched, Said
from mcp_sidecar.lane.parts import Parts
from mcp_sidecar.lane.repeating import as_heard
from mcp_sidecar.logs import Line
from mcp_sidecar.upstream.answers import STREAM_TYPE
from mcp_sidecar.upstream.shares import PLACES
from mcp_sidecar.upstream.talk import Talk, TalkError

POLL_SECONDS: Final = 30.0
"""How often a member is looked at that cannot say that it changed, or does not answer."""
MOST_WATCHES: Final = PLACES // 8
"""Members, each for one principal of one virtual server, that are listened to at once: each takes a place of all."""
_LISTS: Final = {
    "tools": methods.TOOLS_CHANGED,
    "prompts": methods.PROMPTS_CHANGED,
    "resources": methods.RESOURCES_CHANGED,
}
_HEADERS: Final = {"content-type": STREAM_TYPE, "cache-control": "no-cache", "x-accel-buffering": "no"}


class Watches:
    """Who waits for members to say that they changed: one request for all streams of a principal."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, Principal], _Watch] = {}

    async def told(self, key: tuple[str, str, Principal], ask: Callable[[], Awaitable[bool]]) -> bool:
        """Return what `ask` comes to, which is asked once for all who wait; whoever waits goes on for one who left.

        False, and nothing is asked, where too many are listened to: those members are looked at every now and then.
        """
        while (other := self._open.get(key)) is not None:
            await other.over.wait()
            if other.told is not None:
                return other.told
        if len(self._open) >= MOST_WATCHES:
            return False
        mine = self._open[key] = _Watch()
        try:
            mine.told = await ask()
            return mine.told
        finally:
            del self._open[key]
            mine.over.set()


class _Watch:
    """One request that waits. `told` is None until it came to something, and for ever where it was given up."""

    def __init__(self) -> None:
        self.over = anyio.Event()
        self.told: bool | None = None


@dataclass(frozen=True, slots=True)
class StreamPlace:
    """Where a stream stands: whose places it takes, for which server, what streams share, and its log line."""

    parts: Parts
    server: str
    watches: Watches
    line: Line


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
        ):
            send, receive = anyio.create_memory_object_stream[str](16)
            async with anyio.create_task_group() as tasks, send, receive:
                if refusal is None:
                    for member in self._members:
                        tasks.start_soon(self._watch, member, send)
                async with aclosing(self._said(receive) if refusal is None else self._refused(refusal)) as parts:
                    yield parts
                tasks.cancel_scope.cancel()
        if watched.scope.cancelled_caught:
            raise LateError(self.fail(CUT_OFF, Ending.CUT_OFF))

    async def _refused(self, refusal: Reject) -> AsyncGenerator[Fetched]:
        yield self.fail(refusal, Ending.LIMITED)

    async def _watch(self, member: str, changed: MemoryObjectSendStream[str]) -> None:
        while True:
            # Some members tell it to the session alone in which it happened, so what they say is not all that is heard.
            with anyio.move_on_after(POLL_SECONDS):
                if not await self._told(member):
                    await anyio.sleep_forever()
            await changed.send(member)

    async def _told(self, member: str) -> bool:
        """Wait until a member says that it changed. False where it cannot."""

        async def ask() -> bool:
            try:
                talk = await self._talk(member)
                return talk is not None and await talk.changed()
            except TalkError:
                return False

        return await self._place.watches.told((self._place.server, member, self._claims.principal), ask)

    async def _said(self, changed: Any) -> AsyncGenerator[Fetched]:
        yield Began(200, _HEADERS)
        if self._claims.http_method == "POST":
            wanted = dict.fromkeys(methods.LISTEN_CHANGES, True)
            yield self._event(methods.LISTEN_ACKNOWLEDGED, {"notifications": wanted})
        before = _digests(await self._take(False))
        yield Said(b"", Event(comment=True))
        async for _member in changed:
            after = _digests(await self._take(True))
            for list_, method in _LISTS.items():
                if after[list_] != before[list_]:
                    yield self._event(method, {})
            before = after

    def _event(self, method: str, params: Mapping[str, Any]) -> Said:
        said = dict(params)
        if self._claims.http_method == "POST":
            said["_meta"] = {methods.META_SUBSCRIPTION: self._claims.id}
        message = {"jsonrpc": "2.0", "method": method, **({"params": said} if said else {})}
        text = dumped(message)
        return Said(text, Event(data=text.decode()))


def _digests(inventory: Inventory) -> dict[str, bytes]:
    lists = {
        "tools": [one.item for one in inventory.tools.values()],
        "prompts": [one.item for one in inventory.prompts.values()],
        "resources": [one.item for one in (*inventory.resources.values(), *inventory.templates.values())],
    }
    return {name: hashlib.sha256(json.dumps(items).encode()).digest() for name, items in lists.items()}
