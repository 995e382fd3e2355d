"""Serves a low-level server by the transport of 2024-11-05, as the SDK does for its high-level one."""

from mcp.server.sse import SseServerTransport
from starlette.applications import Starlette
from starlette.routing import Mount, Route


class Streams:
    """ASGI application: each GET is a stream, and a connection of its own to the server."""

    def __init__(self, server, transport) -> None:
        self._server = server
        self._transport = transport

    async def __call__(self, scope, receive, send) -> None:
        async with self._transport.connect_sse(scope, receive, send) as streams:
            await self._server.run(*streams, self._server.create_initialization_options())


def old_app(server) -> Starlette:
    """Return the application: the stream at /sse, and its messages at /messages/."""
    transport = SseServerTransport("/messages/")
    streams = Route("/sse", endpoint=Streams(server, transport))
    return Starlette(routes=[streams, Mount("/messages/", app=transport.handle_post_message)])
