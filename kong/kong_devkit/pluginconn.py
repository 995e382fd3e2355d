"""Talks to one plugin server socket: pooled connections, one per event, frames of uint32 length and payload.

Source: kong/runloop/plugin_servers/rpc/pb_rpc.lua (Kong 3.9.1). A connection goes back to the pool only after a
complete
answer; whatever goes wrong closes it.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Final

from kong_devkit import wire
from kong_devkit.idle import Connection, IdleConnections

_LARGEST: Final = 256 * 1024 * 1024
PdkCall = Callable[[str, bytes], Awaitable[bytes]]


class ServerError(Exception):
    """The plugin server could not be reached, closed the connection, was too slow or spoke nonsense.

    ``closed`` tells that the connection ended without an answer: Kong then restarts the instance and tries again.
    """

    def __init__(self, message: str, *, closed: bool = False) -> None:
        super().__init__(message)
        self.closed = closed


class PluginSocket:
    """The connections to one socket. One ``call`` uses one connection from start to end."""

    def __init__(self, path: str, timeout: float) -> None:
        self.path = path
        self._timeout = timeout
        self._idle = IdleConnections()
        self._sequence = 0

    async def call(self, command: str, arguments: wire.Message, pdk: PdkCall | None = None) -> wire.Message:
        """Send one RpcCall and return the RpcReturn; with ``pdk``, answer PDK calls in between.

        Raises:
            ServerError: no proper answer came.
        """
        self._sequence = sequence = (self._sequence + 1) & 0x7FFF_FFFF
        connection = await self._connection()
        kept = False
        try:
            reader, writer = connection
            _send(writer, wire.encode("RpcCall", {"sequence": sequence, command: arguments}))
            while pdk is not None:
                name = await self._frame(reader)
                if not name:
                    break
                arguments_frame = await self._frame(reader)
                _send(writer, await pdk(name.decode("utf-8", "replace"), arguments_frame))
            answer = wire.decode("RpcReturn", await self._frame(reader))
            if answer["sequence"] != sequence:
                raise ServerError(f"answered call {answer['sequence']} instead of {sequence}")
            self._idle.give(connection)
            kept = True
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise ServerError("closed", closed=True) from error
        except TimeoutError as error:
            raise ServerError("timeout") from error
        except wire.WireError as error:
            raise ServerError(f"sent a malformed message: {error}") from error
        finally:
            if not kept:
                connection[1].close()
        return answer

    async def _connection(self) -> Connection:
        if (idle := self._idle.take()) is not None:
            return idle
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.open_unix_connection(self.path)
        except TimeoutError as error:
            raise ServerError("timeout") from error
        except OSError as error:
            raise ServerError(f"cannot connect to {self.path}: {error.strerror or error}") from error

    async def _frame(self, reader: asyncio.StreamReader) -> bytes:
        async with asyncio.timeout(self._timeout):
            (length,) = struct.unpack("<I", await reader.readexactly(4))
            if length > _LARGEST:
                raise ServerError(f"announced a frame of {length} bytes")
            return await reader.readexactly(length) if length else b""


def _send(writer: asyncio.StreamWriter, payload: bytes) -> None:
    writer.write(struct.pack("<I", len(payload)) + payload)
