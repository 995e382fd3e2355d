"""What a server of the tests remembers of its streams, so that a broken one can be resumed."""

from mcp.server.streamable_http import EventMessage, EventStore


class MemoryEventStore(EventStore):
    """Keeps every event of every stream in memory; an event's id is its number."""

    def __init__(self) -> None:
        self._events = []

    async def store_event(self, stream_id, message) -> str:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id, send_callback) -> str | None:
        last = int(last_event_id)
        stream_id = self._events[last - 1][0]
        for number, (stream, message) in enumerate(self._events[last:], last + 1):
            if stream == stream_id and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream_id
