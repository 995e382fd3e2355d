"""The admin endpoints that a devkit needs: POST /config, and what health checks of others ask and say.

Source: kong/api/routes/upstreams.lua and the lists of kong/api/endpoints.lua (Kong 3.9.3), here of one page each.
"""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from kong_devkit.errors import ConfigError
from kong_devkit.httpin import Refused, Request, parse_head
from kong_devkit.runtime import Runtime

_LOG = logging.getLogger("kong_devkit.admin")
_MARK = re.compile(r"/upstreams/([^/]+)/targets/([^/]+)/(healthy|unhealthy)")
_TARGETS = re.compile(r"/upstreams/([^/]+)/targets")
_LARGEST = 10 * 1024 * 1024


def listed(runtime: Runtime, path: str) -> list[dict[str, Any]] | None:
    """Return the entities of one of the lists that there are; None for no list."""
    if path in ("/upstreams", "/plugins"):
        return runtime.entities[path[1:]]
    if (match := _TARGETS.fullmatch(path)) is not None:
        return runtime.targets(unquote(match[1]))
    return None


class Admin:
    """Serves the admin listener; each connection carries one request."""

    def __init__(self, replace: Callable[[str], Awaitable[None]], runtime: Callable[[], Runtime]) -> None:
        self._replace = replace
        self._runtime = runtime
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen."""
        self._listener = await asyncio.start_server(self._connected, host, port)

    def stop(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(30):
                head = await reader.readuntil(b"\r\n\r\n")
                request = parse_head(head)
                length = min(request.length or 0, _LARGEST + 1)
                body = await reader.readexactly(length)
                status, answer = await self._answer(request, body)
                data = b"" if status == 204 else json.dumps(answer).encode()
                lines = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
                writer.write(f"{lines}Connection: close\r\n\r\n".encode() + data)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, Refused) as error:
            _LOG.info("admin request dropped: %s", error)
        finally:
            writer.close()

    async def _answer(self, request: Request, body: bytes) -> tuple[int, dict[str, Any]]:
        found = listed(self._runtime(), request.path) if request.method == "GET" else None
        if found is not None:
            return 200, {"data": found, "next": None}
        if request.method == "PUT" and (mark := _MARK.fullmatch(request.path)) is not None:
            known = self._runtime().force(unquote(mark[1]), unquote(mark[2]), healthy=mark[3] == "healthy")
            return (204, {}) if known else (404, {"message": "Not found"})
        if request.method != "POST" or request.path != "/config":
            return 404, {"message": "the devkit's Admin API has no such endpoint: use a real Kong"}
        try:
            await self._replace(body.decode("utf-8", "replace"))
        except ConfigError as error:
            return 400, {"message": str(error)}
        return 201, {"message": "configuration loaded"}
