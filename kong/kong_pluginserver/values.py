"""Lua values as Kong carries them: google.protobuf Value, Struct and ListValue, to and from plain Python.

Pure. What Kong does with them, read in its rpc code: an absent kind is nil, False arrives as nil too, and an explicit
null would arrive as a string, so None is sent as an absent kind. Lua has one kind of number: integral ones come
back as int. Source of the message layout: https://protobuf.dev/reference/protobuf/google.protobuf/#value
"""

from __future__ import annotations

from typing import Any, Final

from kong_pluginserver import wire
from kong_pluginserver.errors import MalformedFrame

_MAX_DEPTH: Final = 64
_EXACT_INTEGERS: Final = 2.0**53


def decode_value(data: bytes, depth: int = 0) -> Any:
    """Return the Python value of one Value message.

    Raises:
        MalformedFrame: it is no Value, or nested deeper than 64.
    """
    if depth > _MAX_DEPTH:
        raise MalformedFrame("a value nested too deep")
    out: Any = None
    for number, value in wire.scan(data):
        if number == 3:
            out = wire.text(value)
        elif number == 2:
            real = wire.double(value)
            out = int(real) if abs(real) < _EXACT_INTEGERS and real.is_integer() else real
        elif number == 4:
            out = bool(wire.signed(value))
        elif number == 5:
            out = decode_struct(wire.raw(value), depth + 1)
        elif number == 6:
            out = [decode_value(wire.raw(item), depth + 1) for tag, item in wire.scan(wire.raw(value)) if tag == 1]
        elif number == 1:
            out = None
    return out


def decode_struct(data: bytes, depth: int = 0) -> dict[str, Any]:
    """Return the dict of one Struct message; a header sent more than once has a list of strings.

    Raises:
        MalformedFrame: it is no Struct, a name or value is not UTF-8, or it is nested deeper than 64.
    """
    out: dict[str, Any] = {}
    at, end = 0, len(data)
    try:
        while at < end:
            # The shape of nearly every header: all lengths below 128, one string value. All else takes the long way.
            entry_end = at + 2 + data[at + 1]
            key_end = at + 4 + data[at + 3]
            if (
                data[at] == 0x0A
                and data[at + 1] < 0x80
                and data[at + 2] == 0x0A
                and entry_end <= end
                and data[key_end] == 0x12
                and data[key_end + 2] == 0x1A
                and data[key_end + 1] == entry_end - key_end - 2
                and data[key_end + 3] == entry_end - key_end - 4
            ):
                out[data[at + 4 : key_end].decode()] = data[key_end + 4 : entry_end].decode()
                at = entry_end
            else:
                return _decode_struct_slowly(data, depth)
    except (IndexError, UnicodeDecodeError):
        return _decode_struct_slowly(data, depth)
    return out


def _decode_struct_slowly(data: bytes, depth: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for number, entry in wire.scan(data):
        if number != 1:
            continue
        pair = dict(wire.scan(wire.raw(entry)))
        out[wire.text(pair.get(1, b""))] = decode_value(wire.raw(pair.get(2, b"")), depth)
    return out


def encode_value(value: Any) -> bytes:
    """Return one Value message; bytes are sent as they are, for a Lua string is bytes.

    Raises:
        TypeError: Kong has no such value.
    """
    if isinstance(value, str):
        return wire.chunk(3, value.encode())
    if value is None:
        return b""
    if isinstance(value, bool):
        return wire.integer(4, value)
    if isinstance(value, (int, float)):
        return b"\x11" + wire.pack_double(value)
    if isinstance(value, dict):
        return wire.chunk(5, encode_struct(value))
    if isinstance(value, (list, tuple)):
        return wire.chunk(6, encode_list(value))
    if isinstance(value, (bytes, bytearray)):
        return wire.chunk(3, bytes(value))
    raise TypeError(f"Kong has no value of type {type(value).__name__}")


def encode_struct(values: dict[str, Any]) -> bytes:
    """Return one Struct message.

    Raises:
        TypeError: a key is no text, or Kong has no such value.
    """
    return b"".join(
        wire.chunk(1, wire.chunk(1, wire.as_bytes(name)) + wire.chunk(2, encode_value(value)))
        for name, value in values.items()
    )


def encode_list(values: list[Any] | tuple[Any, ...]) -> bytes:
    """Return one ListValue message.

    Raises:
        TypeError: Kong has no such value.
    """
    return b"".join(wire.chunk(1, encode_value(value)) for value in values)
