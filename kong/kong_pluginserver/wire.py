"""Protocol buffers, read and written by hand: frames, fields and messages described by our own tables.

Pure: no I/O. On messages this small it is faster than a generated class, and text stays bytes until it is checked, so
that a header that is no UTF-8 is our decision and not a library's.

Laws: `scan` accepts any bytes and either returns fields or raises MalformedFrame. Unknown fields are skipped. Text is
strict UTF-8. Encoding: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from kong_pluginserver.errors import MalformedFrame, NotText

_DOUBLE: Final = struct.Struct("<d")
_VARINT_MAX_BYTES: Final = 10
_UINT64: Final = (1 << 64) - 1

Scalar: TypeAlias = Literal["int", "bool", "double", "text", "bytes", "bytemap"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message: its name in the dict, its kind (a scalar or another message), repeated or not."""

    name: str
    kind: Scalar | Message
    many: bool = False


Message: TypeAlias = dict[int, Field]


def frame(payload: bytes) -> bytes:
    """Return `payload` behind its length as Kong reads it: a native unsigned 32-bit integer."""
    return len(payload).to_bytes(4, sys.byteorder) + payload


def varint(number: int) -> bytes:
    """Return `number` as a varint; negative numbers take ten bytes, as the format has it."""
    if 0 <= number < 0x80:
        return number.to_bytes(1, "little")
    number &= _UINT64
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def chunk(number: int, payload: bytes) -> bytes:
    """Return field `number` of length-delimited type with `payload`."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def integer(number: int, value: int) -> bytes:
    """Return field `number` of varint type with `value`."""
    return varint(number << 3) + varint(value)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the unsigned varint at `at` and where the next byte is.

    Raises:
        MalformedFrame: the bytes end before the number does, or it is longer than ten bytes.
    """
    if at < len(data) and data[at] < 0x80:
        return data[at], at + 1
    value = shift = 0
    for here in range(at, min(at + _VARINT_MAX_BYTES, len(data))):
        byte = data[here]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _UINT64, here + 1
        shift += 7
    raise MalformedFrame("a number that does not end")


def scan(data: bytes) -> list[tuple[int, int | bytes]]:
    """Return the fields of one message as (number, value): an int for varints, bytes for all else.

    Raises:
        MalformedFrame: `data` is no message.
    """
    fields: list[tuple[int, int | bytes]] = []
    at, end = 0, len(data)
    while at < end:
        key = data[at]
        if key < 0x80:
            at += 1
        else:
            key, at = read_varint(data, at)
        kind = key & 7
        if kind == 2:
            # Nearly every length is one byte; read_varint takes the others and the end of the bytes.
            if at < end and data[at] < 0x80:
                length = data[at]
                at += 1
            else:
                length, at = read_varint(data, at)
        elif kind == 0:
            number, at = read_varint(data, at)
            fields.append((key >> 3, number))
            continue
        elif kind == 1:
            length = 8
        elif kind == 5:
            length = 4
        else:
            raise MalformedFrame("a field of unknown type")
        if at + length > end:
            raise MalformedFrame("a field longer than its message")
        fields.append((key >> 3, data[at : at + length]))
        at += length
    return fields


def text(data: int | bytes) -> str:
    """Return `data` as text.

    Raises:
        NotText: it is not UTF-8.
        MalformedFrame: it is no string at all.
    """
    if isinstance(data, int):
        raise MalformedFrame("a number where text belongs")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise NotText("text that is not UTF-8") from None


def raw(data: int | bytes) -> bytes:
    """Return `data`, which must be bytes.

    Raises:
        MalformedFrame: it is a number.
    """
    if isinstance(data, int):
        raise MalformedFrame("a number where bytes belong")
    return data


def signed(data: int | bytes) -> int:
    """Return `data` as a signed 64-bit integer.

    Raises:
        MalformedFrame: it is no number.
    """
    if not isinstance(data, int):
        raise MalformedFrame("bytes where a number belongs")
    return data - (1 << 64) if data >> 63 else data


def double(data: int | bytes) -> float:
    """Return `data` as a double.

    Raises:
        MalformedFrame: it is not eight bytes long.
    """
    if isinstance(data, int) or len(data) != 8:
        raise MalformedFrame("no double where one belongs")
    return cast("float", _DOUBLE.unpack(data)[0])


def pack_double(value: float) -> bytes:
    """Return the eight bytes of `value`."""
    return _DOUBLE.pack(value)


def decode(message: Message, data: bytes) -> dict[str, Any]:
    """Return a message as a dict with every field of its table.

    What is not on the wire is None for text, bytes and messages, an empty list or dict for repeated ones, and zero or
    False for numbers, as proto3 has it.

    Raises:
        MalformedFrame: `data` is not such a message.
    """
    out: dict[str, Any] = {field.name: _absent(field) for field in message.values()}
    for number, value in scan(data):
        field = message.get(number)
        if field is None:
            continue
        if field.kind == "bytemap":
            entry = dict(scan(raw(value)))
            out[field.name][text(entry.get(1, b""))] = text(entry.get(2, b""))
        elif field.many:
            out[field.name].append(_value(field.kind, value))
        else:
            out[field.name] = _value(field.kind, value)
    return out


def encode(message: Message, values: dict[str, Any]) -> bytes:
    """Return `values` as a message; names that the table lacks and values of None are left out.

    Raises:
        TypeError: a value has a type that its field does not take.
    """
    out = bytearray()
    for number, field in message.items():
        value = values.get(field.name)
        if value is None:
            continue
        for one in value if field.many else [value]:
            out += _field(number, field.kind, one)
    return bytes(out)


def _absent(field: Field) -> Any:
    if field.many:
        return []
    return (
        {"int": 0, "bool": False, "double": 0.0, "bytemap": {}}.get(field.kind) if isinstance(field.kind, str) else None
    )


def _value(kind: Scalar | Message, value: int | bytes) -> Any:
    if isinstance(kind, dict):
        return decode(kind, raw(value))
    if kind == "text":
        return text(value)
    if kind == "bytes":
        return raw(value)
    if kind == "double":
        return double(value)
    return bool(signed(value)) if kind == "bool" else signed(value)


def _field(number: int, kind: Scalar | Message, value: Any) -> bytes:
    if isinstance(kind, dict):
        return chunk(number, encode(kind, value))
    if kind in {"text", "bytes"}:
        return chunk(number, as_bytes(value))
    if kind in {"int", "bool"}:
        return integer(number, int(value))
    raise TypeError(f"nothing of kind {kind} is ever sent")


def as_bytes(value: str | bytes) -> bytes:
    """Return text as UTF-8, and bytes as they are: a Lua string is bytes.

    Raises:
        TypeError: it is neither.
        UnicodeEncodeError: the text holds lone surrogates.
    """
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"expected text or bytes, not {type(value).__name__}")
