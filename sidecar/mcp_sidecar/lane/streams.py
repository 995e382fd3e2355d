"""Event streams: bytes of a server in, canonical events that the caller may see out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

import aiohttp

from mcp_core.outcome import Reject
from mcp_core.sse import Decoder, Event, StreamTooLargeError, one_line
from mcp_core.surface import unreadable
from mcp_sidecar.lane.filtering import AnswerView, Filter, Filtered
from mcp_sidecar.upstream.bodies import chunks
from mcp_sidecar.upstream.encodings import EncodingError

_MESSAGE_TYPES: Final = frozenset({None, "", "message"})
"""Event types that MCP's transports use; every reader takes an empty one for `message` (HTML, 9.2.6)."""


class EventStream:
    """Filters the events of one stream, in order.

    `resumable` says whether the server gave the agent what it needs to come back for the rest, `overflowed` whether an
    event was larger than is read.
    """

    def __init__(self, filter_: Filter, sight: AnswerView, *, max_event: int) -> None:
        self._filter = filter_
        self._sight = sight
        self._decoder = Decoder(max_event)
        self.resumable = False
        self.overflowed = False

    def decode(self, chunk: bytes) -> list[Event] | Reject:
        """Return the events that the next bytes complete, or why the stream must end here."""
        try:
            events = self._decoder.feed(chunk)
        except StreamTooLargeError as error:
            self.overflowed = True
            return unreadable(str(error))
        return _without_repeated_comments(events)

    def end(self) -> list[Event]:
        """Return what the end of the stream completes."""
        last = self._decoder.end()
        return [] if last is None else [last]

    async def judge(self, event: Event) -> Filtered | Reject | None:
        """Return what may go on of an event, None where it may not, or why the stream must end here."""
        self.note(event)
        if not event.data:
            return Filtered(b"", Counter(), event=event)
        filtered = await self._filter(event.data.encode(), self._sight)
        if isinstance(filtered, Reject):
            # Data of a type that is not MCP's need not be JSON-RPC; no reader that waits for MCP misses it.
            return None if event.event not in _MESSAGE_TYPES else filtered
        self._sight.judge.settle()
        if not filtered.text:
            # What spoke of hidden things alone is no event; its id still says how far the stream has come.
            return replace(filtered, event=None if event.id is None else Event(id=event.id, retry=event.retry))
        return replace(filtered, event=replace(event, data=one_line(filtered.text.decode())))

    def note(self, event: Event) -> None:
        """Note what an event says of the stream itself."""
        self.resumable = self.resumable or event.id is not None or event.retry is not None


def _without_repeated_comments(events: list[Event]) -> list[Event]:
    """Keep one comment of several in a row: together they say only that the server lives."""
    return [
        event for before, event in zip([None, *events], events, strict=False) if not (event.comment and event == before)
    ]


async def behind(notifications: Sequence[str], told: AsyncGenerator[Event | Reject]) -> AsyncGenerator[Event | Reject]:
    """Yield notifications without params, by their methods, and then what is told. The law judges all alike."""
    async with aclosing(told):
        for method in notifications:
            yield Event(data=json.dumps({"jsonrpc": "2.0", "method": method}))
        async for event in told:
            yield event


async def events(stream: EventStream, response: aiohttp.ClientResponse) -> AsyncGenerator[Event | Reject]:
    """Yield the events of a stream as they complete, and why it must end where it cannot be read on."""
    async with aclosing(chunks(response)) as pieces:
        try:
            async for chunk in pieces:
                found = stream.decode(chunk)
                if isinstance(found, Reject):
                    yield found
                    return
                for event in found:
                    yield event
        except EncodingError as error:
            yield unreadable(str(error))
            return
    for event in stream.end():
        yield event
