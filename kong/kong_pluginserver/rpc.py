"""The calls that Kong sends and what it is answered, by field number (names do not travel on the wire).

Pure. One RpcCall opens every exchange; all but an event are answered with one RpcReturn of the same sequence number.
Read from Kong 3.9.1: kong/include/kong/pluginsocket.proto and rpc/pb_rpc.lua.
"""

from __future__ import annotations

import functools
import json
import sys
from typing import Any, Final, NamedTuple

from kong_pluginserver import wire
from kong_pluginserver.errors import MalformedFrame

GET_NAMES: Final = 31
GET_INFO: Final = 32
START: Final = 33
STATUS: Final = 34
CLOSE: Final = 35
EVENT: Final = 36
WHOLE: Final = 0
"""No command of Kong's, see whole."""
WHOLE_MARK: Final = b"\0KW2"
"""How it begins: a field of number 0, which no message of ProtoBuf has."""
_SEQUENCE: Final = slice(4, 8)
_COMMANDS: Final = frozenset({GET_NAMES, GET_INFO, START, STATUS, CLOSE, EVENT})


class RpcCall(NamedTuple):
    """One RpcCall: the sequence number to echo, which command, and its fields where it has them.

    `config` is that of an instance to be started, and all of an event that comes in one frame.
    """

    sequence: int
    command: int
    instance_id: int = 0
    name: str = ""
    config: bytes = b""


def parse_call(data: bytes) -> RpcCall:
    """Return the call in `data`; `name` is the phase of an event, else the plugin.

    Raises:
        MalformedFrame: it is no RpcCall, or of a command that is not known.
    """
    if data.startswith(WHOLE_MARK) and len(data) >= _SEQUENCE.stop:
        return RpcCall(int.from_bytes(data[_SEQUENCE], sys.byteorder), WHOLE, config=data)
    sequence = command = 0
    body = b""
    for number, value in wire.scan(data):
        if number in _COMMANDS:
            command, body = number, wire.raw(value)
        elif number == 1:
            sequence = wire.signed(value)
    if not command:
        raise MalformedFrame("a call without a known command")
    if command == START:
        # Not remembered below: configurations can hold secrets.
        fields = dict(wire.scan(body))
        return RpcCall(sequence, command, 0, wire.text(fields.get(1, b"")), wire.raw(fields.get(2, b"")))
    instance_id, name = _parse_command(command, body)
    return RpcCall(sequence, command, instance_id, name)


@functools.lru_cache(maxsize=1024)
def _parse_command(command: int, body: bytes) -> tuple[int, str]:
    """Return instance id and name; the same few commands open nearly every exchange."""
    fields = dict(wire.scan(body))
    if command in {GET_NAMES, GET_INFO}:
        return 0, wire.text(fields.get(1, b""))
    return wire.signed(fields.get(1, 0)), wire.text(fields.get(2, b""))


def returned(sequence: int, payload: bytes = b"") -> bytes:
    """Return the RpcReturn to `sequence`, framed; `payload` is one of the three below, or nothing."""
    return wire.frame(wire.integer(1, sequence) + payload)


def event_end(sequence: int) -> bytes:
    """Return what ends an event: the empty method name, and the RpcReturn."""
    return wire.frame(b"") + returned(sequence)


def names(plugins: list[str]) -> bytes:
    """Return the PluginNames field."""
    return wire.chunk(31, b"".join(wire.chunk(1, name.encode()) for name in plugins))


def info(name: str, phases: tuple[str, ...], version: str, priority: int, schema: dict[str, Any]) -> bytes:
    """Return the PluginInfo field; the schema travels as JSON."""
    body = wire.chunk(1, name.encode()) + b"".join(wire.chunk(4, phase.encode()) for phase in phases)
    body += wire.chunk(5, version.encode()) + wire.integer(6, priority) + wire.chunk(7, json.dumps(schema).encode())
    return wire.chunk(32, body)


def status(name: str, instance_id: int, started_at: int) -> bytes:
    """Return the InstanceStatus field, without the configuration: it can hold secrets and Kong has it already."""
    return wire.chunk(33, wire.chunk(1, name.encode()) + wire.integer(2, instance_id) + wire.integer(4, started_at))
