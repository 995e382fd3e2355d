"""An MCP server of the official SDK with all that the official suite asks of a server: `python server.py --port N`."""

import argparse
import warnings

import uvicorn
from mcp.server import MCPServer
from mcp.server.streamable_http import EventMessage, EventStore
from server_calls import SCHEMA_TOOL, add_calls
from server_rounds import add_rounds
from server_surface import add_surface
from server_tasks import Tasks

RETRY_MS = 100


class RememberedEvents(EventStore):
    """Every event of every stream, in the order in which they were sent; its number is its place."""

    def __init__(self):
        self._events = []

    async def store_event(self, stream_id, message):
        self._events.append((stream_id, message))
        return str(len(self._events) - 1)

    async def replay_events_after(self, last_event_id, send_callback):
        number = int(last_event_id) if last_event_id.isdecimal() else len(self._events)
        if number >= len(self._events):
            return None
        stream = self._events[number][0]
        for later in range(number + 1, len(self._events)):
            stream_id, message = self._events[later]
            if stream_id == stream and message is not None:
                await send_callback(EventMessage(message, str(later)))
        return stream


def build():
    server = MCPServer("kong-mcp-conformance", version="1.0.0", tools=[SCHEMA_TOOL], extensions=[Tasks()])
    add_calls(server)
    add_rounds(server)
    add_surface(server)
    return server


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    # Sampling and logging are what the suite asks for; that 2026-07-28 deprecates them is no news here.
    warnings.simplefilter("ignore", DeprecationWarning)
    app = build().streamable_http_app(event_store=RememberedEvents(), retry_interval=RETRY_MS)
    # httptools leaves the white space behind a header's value in place, which RFC 9110 (5.5) forbids; h11 takes it off.
    config = uvicorn.Config(app, port=options.port, http="h11", log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
