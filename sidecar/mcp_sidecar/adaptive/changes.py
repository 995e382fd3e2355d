"""Streams on which a virtual server says that one of its lists changed, as its members say so."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from mcp_core import methods
from mcp_core.claims import Claims
from mcp_core.outcome import Reject
from mcp_core.sse import Event
from mcp_sidecar.adaptive.inventory import Inventory
from mcp_sidecar.adaptive.relay import dumped
from mcp_sidecar.lane.fetched import Began, Failed, Fetched, Said
from mcp_sidecar.upstream.answers import STREAM_TYPE
from mcp_sidecar.upstream.talk import Talk, TalkError

POLL_SECONDS: Final = 30.0
"""How often a member is looked at that cannot say that it changed, or does not answer."""
_LISTS: Final = {
    "tools": methods.TOOLS_CHANGED,
    "prompts": methods.PROMPTS_CHANGED,
    "resources": methods.RESOURCES_CHANGED,
}
_HEADERS: Final = {"content-type": STREAM_TYPE, "cache-control": "no-cache", "x-accel-buffering": "no"}


class MemberChanges:
    """One stream. `take` returns the inventory, anew with True; `talk` the conversation that is open with a member."""

    def __init__(
        self,
        claims: Claims,
        members: tuple[str, ...],
        take: Callable[[bool], Awaitable[Inventory]],
        talk: Callable[[str], Awaitable[Talk | None]],
    ) -> None:
        self._claims = claims
        self._members = members
        self._take = take
        self._talk = talk
        self.heard: Callable[[], bool] | None = None

    def fail(self, refusal: Reject, outcome: str) -> Failed:
        """Return that the stream ends."""
        return Failed(refusal, outcome)

    @asynccontextmanager
    async def answer(self) -> AsyncIterator[AsyncGenerator[Fetched]]:
        """Give the parts of the stream as they come."""
        send, receive = anyio.create_memory_object_stream[str](16)
        async with anyio.create_task_group() as tasks, send, receive:
            for member in self._members:
                tasks.start_soon(self._watch, member, send)
            async with aclosing(self._said(receive)) as parts:
                yield parts
            tasks.cancel_scope.cancel()

    async def _watch(self, member: str, changed: MemoryObjectSendStream[str]) -> None:
        while True:
            # Some members tell it to the session alone in which it happened, so what they say is not all that is heard.
            with anyio.move_on_after(POLL_SECONDS):
                if not await self._told(member):
                    await anyio.sleep_forever()
            await changed.send(member)

    async def _told(self, member: str) -> bool:
        """Wait until a member says that it changed. False where it cannot."""
        try:
            talk = await self._talk(member)
            return talk is not None and await talk.changed()
        except TalkError:
            return False

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
