"""The two admin endpoints that a devkit needs: GET /status and POST /config."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from kong_devkit.errors import ConfigError, SchemaError
from kong_devkit.httpin import Refused, Request, parse_head

_LOG = logging.getLogger("kong_devkit.admin")
_LARGEST = 10 * 1024 * 1024


class Admin:
    """Serves the admin listener; each connection carries one request."""

    def __init__(self, replace: Callable[[str], Awaitable[None]], health: Callable[[], dict[str, Any]]) -> None:
        self._replace = replace
        self._health = health
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
                data = json.dumps(answer).encode()
                lines = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
                writer.write(f"{lines}Connection: close\r\n\r\n".encode() + data)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, Refused) as error:
            _LOG.info("admin request dropped: %s", error)
        finally:
            writer.close()

    async def _answer(self, request: Request, body: bytes) -> tuple[int, dict[str, Any]]:
        if request.method == "GET" and request.path == "/status":
            return 200, self._health()
        if request.method != "POST" or request.path != "/config":
            return 404, {"message": "the devkit's admin API has GET /status and POST /config only"}
        text = body.decode("utf-8", "replace")
        try:
            given = json.loads(text)
        except ValueError:
            given = None
        if isinstance(given, dict) and isinstance(given.get("config"), str):
            text = given["config"]
        try:
            await self._replace(text)
        except SchemaError as error:
            return 400, {
                "name": "invalid declarative configuration",
                "code": 14,
                "fields": dict(error.problems),
                "message": str(error),
            }
        except ConfigError as error:
            return 400, {"message": str(error)}
        return 201, {"message": "configuration loaded"}
