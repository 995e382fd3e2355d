"""Asks a running plugin server what it would tell Kong of a plugin, over the socket that Kong uses."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path
from typing import Any, Final

from kong_pluginserver import rpc, wire
from kong_pluginserver.errors import MalformedFrame

_SEQUENCE: Final = 1
_SCHEMA: Final = 7
_LENGTH: Final = struct.Struct("=I")
_LARGEST: Final = 4 * 1024 * 1024


def ask_for_schema(path: Path, name: str, seconds: float) -> dict[str, Any] | None:
    """Return the schema table of a plugin as the server at `path` has it, None if it has no such plugin.

    Raises:
        OSError: nobody listens there, or it may not be asked, or it gives no answer in `seconds`.
        ValueError: what answers is no plugin server.
    """
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(seconds)
        asking.connect(str(path))
        call = wire.integer(1, _SEQUENCE) + wire.chunk(rpc.GET_INFO, wire.chunk(1, name.encode()))
        asking.sendall(wire.frame(call))
        length = _LENGTH.unpack(_read(asking, _LENGTH.size))[0]
        if length > _LARGEST:
            raise ValueError("its answer is no frame of the plugin protocol")
        answer = _read(asking, length)
    try:
        fields = dict(wire.scan(answer))
        told = dict(wire.scan(wire.raw(fields[rpc.GET_INFO]))) if rpc.GET_INFO in fields else {}
        schema = json.loads(wire.raw(told[_SCHEMA])) if _SCHEMA in told else None
    except MalformedFrame:
        raise ValueError("its answer is no message of the plugin protocol") from None
    return schema if isinstance(schema, dict) else None


def _read(asking: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = asking.recv(size - len(data))
        if not piece:
            raise ConnectionError("it closed the connection without an answer")
        data += piece
    return data
