"""The process: listens, serves, and ends its streams when it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Final

import anyio
import structlog
import uvicorn

from mcp_sidecar.app import create_app
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


class SidecarServer(uvicorn.Server):
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
        """Stop to listen and let the requests end."""
        self._stopping.set()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT. Unlike uvicorn's own way, the signal is not raised anew at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


def listen(settings: Settings) -> socket.socket:
    """Return the listening socket. Raises OSError where the address cannot be taken."""
    family = socket.AF_INET6 if ":" in settings.listen_host else socket.AF_INET
    return socket.create_server((settings.listen_host, settings.listen_port), family=family, backlog=BACKLOG)


def create_server(settings: Settings) -> SidecarServer:
    """Return a server that was not started."""
    stopping = anyio.Event()
    config = uvicorn.Config(
        create_app(settings, stopping),
        loop="uvloop",
        http="httptools",
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
    with listen(settings) as listener:
        create_server(settings).run(sockets=[listener])
