"""The process of local servers: beside the sidecar, so that no program keeps the lane waiting."""

from __future__ import annotations

import contextlib
import ctypes
import socket
from collections.abc import Mapping, Sequence

import structlog
import uvicorn

from mcp_core.stdio import StdioServer
from mcp_sidecar import logs
from mcp_sidecar.process_server import ProcessServer
from mcp_sidecar.stdio.app import AnsweringApi, StdioApp

STOP_SECONDS = 3
_PR_SET_DUMPABLE = 4


class StdioHttp(ProcessServer):
    """A server that says where it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve, and say where."""
        await super().startup(sockets)
        for listener in sockets or ():
            structlog.get_logger().info(f"local servers at 127.0.0.1:{listener.getsockname()[1]}")


def hide_environment() -> None:
    """Let no other process of this user read this one's environment or memory (prctl(2), PR_SET_DUMPABLE).

    It holds every server's secrets. Programs that are run from here are exec'd, and dumpable again.
    """
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def serve(
    servers: Sequence[StdioServer],
    ports: Sequence[int],
    level: str = "info",
    apis: Mapping[str, AnsweringApi] | None = None,
) -> None:
    """Serve local servers, and REST APIs by their names, on loopback until SIGTERM or SIGINT.

    Raises:
        OSError: a port cannot be taken.
    """
    hide_environment()
    logs.configure(level)
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", port), backlog=1024)) for port in ports]
        config = uvicorn.Config(
            StdioApp(servers, apis).asgi,
            loop="uvloop",  # asyncio's own waits for a program's pipes too, which an orphan may hold open
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        StdioHttp(config).run(sockets=sockets)
