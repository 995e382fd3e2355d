"""The process: listens, serves, and ends its streams when it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from typing import Final

import anyio
import structlog
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_sidecar.app import create_apps
from mcp_sidecar.lane.answering import GRACE_SECONDS
from mcp_sidecar.one_write import OneWriteProtocol
from mcp_sidecar.process_server import ProcessServer
from mcp_sidecar.settings import Settings

BACKLOG: Final = 2048
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than Kong keeps an idle connection to an upstream (60 s), so that Kong never sends into a closed one."""
SWITCH_SECONDS: Final = 0.0005
"""How long a thread that filters a long list may keep the event loop waiting, each time that the loop needs a turn.

With Python's own 5 ms, an event of another stream waits for several turns of 5 ms.
"""
STOP_SECONDS: Final = 5
"""After this, whatever still runs is cut off: answering.GRACE_SECONDS and time to write the last events."""
_QUIET_SECONDS: Final = 0.1


def last_answers(app: ASGIApp, stopping: anyio.Event) -> ASGIApp:
    """Return the application, whose answers end their connections once it stops (RFC 9112, section 9.6)."""

    async def answers(scope: Scope, receive: Receive, send: Send) -> None:
        async def tells(message: Message) -> None:
            if message["type"] == "http.response.start" and stopping.is_set():
                others = [pair for pair in message.get("headers", ()) if pair[0].lower() != b"connection"]
                message = {**message, "headers": [*others, (b"connection", b"close")]}
            await send(message)

        await app(scope, receive, tells if scope["type"] == "http" else send)

    return answers


class SidecarServer(ProcessServer):
    """Uvicorn, which tells the application that it stops, and whose process then ends with status 0."""

    def __init__(self, config: uvicorn.Config, stopping: anyio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve, and say where."""
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            structlog.get_logger().info(f"mcp-sidecar listening on {shown}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop to listen, answer what still comes on connections that Kong keeps, and let the requests end.

        Uvicorn alone closes idle connections at once: what Kong has just written into one is lost, and a POST that was
        written is never sent again.
        """
        self._stopping.set()
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        loop, seen = asyncio.get_running_loop(), -1
        until = loop.time() + GRACE_SECONDS
        while self.server_state.connections and loop.time() < until:
            if not self.server_state.tasks and seen == self.server_state.total_requests:
                break
            seen = self.server_state.total_requests
            await asyncio.sleep(_QUIET_SECONDS)
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises OSError where the address cannot be taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def create_server(settings: Settings, review_port: int | None = None) -> SidecarServer:
    """Return a server that was not started. The review API has a port of its own, or, for None, the lane's."""
    stopping = anyio.Event()
    config = uvicorn.Config(
        last_answers(create_apps(settings, stopping).at(review_port), stopping),
        loop="uvloop",
        http=OneWriteProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return SidecarServer(config, stopping)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError where the address cannot be taken."""
    sys.setswitchinterval(SWITCH_SECONDS)
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(listen(settings.listen_host, settings.listen_port))]
        review_port = None
        if settings.review_listen is not None:
            sockets.append(stack.enter_context(listen(*settings.review_listen)))
            review_port = sockets[1].getsockname()[1]
        create_server(settings, review_port).run(sockets=sockets)
