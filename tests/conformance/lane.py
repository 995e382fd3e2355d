"""A gateway that stands in front of whatever server the official suite starts for a client scenario.

The suite's server has another port each time, the gateway is started once. So its servers are a forwarder, which
hands connections on, byte by byte, to the port that a file names: the agent writes it there before it begins.
"""

import asyncio
import contextlib
import json
import os
import threading
from pathlib import Path
from urllib.parse import urlsplit

VARIABLE = "CONFORMANCE_LANE"
PATHS = {"root": "/", "mcp": "/mcp"}
"""Name of a server of the gateway -> the endpoint's path on the suite's servers."""

_ALIVE = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def through(url):
    """Return the URL at which the gateway shows the server at `url`, or `url` itself where there is no gateway."""
    if VARIABLE not in os.environ:
        return url
    lane = json.loads(os.environ[VARIABLE])
    parts = urlsplit(url)
    Path(lane["target"]).write_text(str(parts.port), encoding="utf-8")
    return lane["urls"][parts.path or "/"]


class Forwarder:
    """Hands every connection on to the port on localhost that the file `target` names at that moment.

    The gateway's health checks end here: the suite's servers count requests, and no agent sends these.
    """

    def __init__(self, target):
        self.target = target
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self):
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if b"\r\naccept:" not in head.lower():  # MCP demands it of agents; a health check has none
                writer.write(_ALIVE)
                await writer.drain()
                return
            port = int(self.target.read_text(encoding="utf-8"))
            server_reader, server_writer = await asyncio.open_connection("localhost", port)
            with contextlib.closing(server_writer):
                server_writer.write(head)
                await _both(_pump(reader, server_writer), _pump(server_reader, writer))


async def _both(*ways):
    """Run both ways of a connection until either ends: what is half closed is closed for HTTP."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader, writer):
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
