"""Event streams: bytes of a server in, canonical events that the caller may see out."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Final

import aiohttp

from mcp_core import endpoint
from mcp_core.methods import Place
from mcp_core.outcome import Reject
from mcp_core.sse import Decoder, Event, StreamTooLargeError, one_line
from mcp_core.surface import unreadable
from mcp_sidecar.lane.filtering import Filter, Filtered, Sight
from mcp_sidecar.upstream.bodies import chunks
from mcp_sidecar.upstream.encodings import EncodingError

_MESSAGE_TYPES: Final = frozenset({None, "", "message"})
"""Event types that MCP's transports use; every reader takes an empty one for `message` (HTML, 9.2.6)."""


class EventStream:
    """Filters the events of one stream, in order.

    `announce` gives the URI that the agent is told in place of the server's, or None for one that leads nowhere;
    without it, no URI may be told at all.
    `resumable` says whether the server gave the agent what it needs to come back for the rest.
    """

    def __init__(
        self, filter_: Filter, sight: Sight, *, max_event: int, announce: Callable[[str], str | None] | None = None
    ) -> None:
        self._filter = filter_
        self._sight = sight
        self._announce = announce
        self._decoder = Decoder(max_event)
        self.resumable = False

    def decode(self, chunk: bytes) -> list[Event] | Reject:
        """Return the events that the next bytes complete, or why the stream must end here."""
        try:
            events = self._decoder.feed(chunk)
        except StreamTooLargeError as error:
            return unreadable(str(error))
        return _without_repeated_comments(events)

    def end(self) -> list[Event]:
        """Return what the end of the stream completes."""
        last = self._decoder.end()
        return [] if last is None else [last]

    async def judge(self, event: Event) -> Filtered | Reject | None:
        """Return the event's bytes as they may go on, None where it may not, or why the stream must end here."""
        self.resumable = self.resumable or event.id is not None or event.retry is not None
        if not event.data:
            return Filtered(event.encode(), Counter())
        if event.event == endpoint.EVENT and self._announce is not None:
            announced = self._announce(event.data)
            if announced is None:
                return unreadable("an endpoint that is no plain path and query")
            # From here on this is a stream of 2024-11-05, which brings the answers to all messages.
            judge = self._sight.judge
            judge.question = replace(judge.question, place=Place.ENDPOINT)
            return Filtered(replace(event, data=announced).encode(), Counter())
        filtered = await self._filter(event.data.encode(), self._sight)
        if isinstance(filtered, Reject):
            # Data of a type that is not MCP's need not be JSON-RPC; no reader that waits for MCP misses it.
            return None if event.event not in _MESSAGE_TYPES else filtered
        self._sight.judge.settle()
        if not filtered.text:
            # What spoke of hidden things alone is no event; its id still says how far the stream has come.
            return replace(filtered, text=b"" if event.id is None else Event(id=event.id, retry=event.retry).encode())
        return replace(filtered, text=replace(event, data=one_line(filtered.text.decode())).encode())


def _without_repeated_comments(events: list[Event]) -> list[Event]:
    """Keep one comment of several in a row: together they say only that the server lives."""
    return [
        event for before, event in zip([None, *events], events, strict=False) if not (event.comment and event == before)
    ]


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
