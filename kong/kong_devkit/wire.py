"""ProtoBuf:1 as bytes: a table of the messages in use and a small protobuf codec. Pure: no I/O.

Messages are dicts. Decoding follows lua-protobuf as Kong uses it: plain scalars get proto3 defaults, members of a
oneof and
sub-messages stay absent. Text is UTF-8 with surrogateescape, since Kong passes header bytes through unchecked.
Source: field numbers of kong/include/kong/pluginsocket.proto (Kong 3.9.1);
https://protobuf.dev/programming-guides/encoding.
"""

import struct
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

Message = dict[str, Any]


class WireError(Exception):
    """Bytes that are not the message they should be."""


class FieldSpec(NamedTuple):
    """One field: kind is text, bytes, int, bool, double or a message; ``many``: repeated, ``one``: in a oneof."""

    name: str
    kind: str
    many: bool = False
    one: bool = False


_TABLE: Final = """
Empty
Value: 1 null_value int?, 2 number_value double?, 3 string_value text?, 4 bool_value bool?
Value: 5 struct_value Struct?, 6 list_value ListValue?
Struct: 1 fields StructEntry*
StructEntry: 1 key text, 2 value Value
ListValue: 1 values Value*
KV: 1 k text, 2 v Value
Bool: 1 v bool
Int: 1 v int
String: 1 v text
ByteString: 1 v text
ExitArgs: 1 status int, 2 body text, 3 headers Struct
Key: 1 id text
RawBodyResult: 1 content bytes?, 2 body_filepath text?, 3 error text?
Route: 1 id text, 4 name text, 5 protocols text*, 6 methods text*, 7 hosts text*, 8 paths text*, 12 strip_path bool
Route: 13 preserve_host bool, 17 tags text*, 18 service Key
ConsumerSpec: 1 id text, 2 by_username bool
Consumer: 1 id text, 2 created_at int, 3 username text, 4 custom_id text, 5 tags text*
Credential: 1 id text, 2 consumer_id text
AuthenticateArgs: 1 consumer Consumer, 2 credential Credential
StartInstance: 1 name text, 2 config text
CloseInstance: 1 instance_id int
HandleEvent: 1 instance_id int, 2 event_name text
InstanceStatus: 1 name text, 2 instance_id int, 3 config Value, 4 started_at int
RpcCall: 1 sequence int, 33 cmd_start_instance StartInstance?, 35 cmd_close_instance CloseInstance?
RpcCall: 36 cmd_handle_event HandleEvent?
RpcReturn: 1 sequence int, 33 instance_status InstanceStatus?
"""
"""Number, name and kind of each field; * is repeated, ? is in a oneof."""


def _messages(table: str) -> dict[str, dict[int, FieldSpec]]:
    found: dict[str, dict[int, FieldSpec]] = {}
    for line in table.strip().splitlines():
        name, _, fields = line.partition(": ")
        own = found.setdefault(name, {})
        for number, field, kind in (one.split() for one in fields.split(", ") if one):
            own[int(number)] = FieldSpec(field, kind.rstrip("*?"), many=kind.endswith("*"), one=kind.endswith("?"))
    return found


MESSAGES: Final = _messages(_TABLE)

_DEFAULTS: Final[Mapping[str, Any]] = {"text": "", "bytes": b"", "int": 0, "bool": False, "double": 0.0}
_WIRE: Final[Mapping[str, int]] = {"int": 0, "bool": 0, "double": 1}


def encode(kind: str, message: Message) -> bytes:
    """Encode a message; members that are None are left out, and so are unknown ones."""
    out = bytearray()
    for number, spec in MESSAGES[kind].items():
        value = message.get(spec.name)
        if value is None:
            continue
        for one in value if spec.many else (value,):
            _put(out, number, spec.kind, one)
    return bytes(out)


def _put(out: bytearray, number: int, kind: str, value: Any) -> None:
    out += _varint(number << 3 | _WIRE.get(kind, 2))
    if kind in {"int", "bool"}:
        out += _varint(int(value) & 0xFFFF_FFFF_FFFF_FFFF)
        return
    if kind == "double":
        out += struct.pack("<d", value)
        return
    if kind == "text":
        data = value.encode("utf-8", "surrogateescape")
    elif kind == "bytes":
        data = value
    else:
        data = encode(kind, value)
    out += _varint(len(data))
    out += data


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode(kind: str, data: bytes) -> Message:
    """Decode a message; unknown fields are skipped.

    Raises:
        WireError: the bytes end early or use a wire type that does not fit.
    """
    fields = MESSAGES[kind]
    message: Message = {
        spec.name: [] if spec.many else _DEFAULTS[spec.kind]
        for spec in fields.values()
        if spec.many or (spec.kind in _DEFAULTS and not spec.one)
    }
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        raw, position = _read(data, position, tag & 7)
        spec = fields.get(tag >> 3)
        if spec is None:
            continue
        value = _value(spec.kind, raw)
        if spec.many:
            message[spec.name].append(value)
        else:
            message[spec.name] = value
    return message


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while position < len(data) and shift < 70:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7
    raise WireError("a number is cut short")


def _read(data: bytes, position: int, wire: int) -> tuple[int | bytes, int]:
    if wire == 0:
        return _read_varint(data, position)
    if wire == 2:
        length, position = _read_varint(data, position)
    elif wire in {1, 5}:
        length = 8 if wire == 1 else 4
    else:
        raise WireError(f"wire type {wire} is not in use")
    if position + length > len(data):
        raise WireError("a field is cut short")
    return data[position : position + length], position + length


def _value(kind: str, raw: int | bytes) -> Any:
    if isinstance(raw, int):
        if kind == "bool":
            return bool(raw)
        if kind == "int":
            return raw - (1 << 64) if raw >= 1 << 63 else raw
        raise WireError(f"expected {kind}, got a number")
    if kind == "text":
        return raw.decode("utf-8", "surrogateescape")
    if kind == "bytes":
        return raw
    if kind == "double" and len(raw) == 8:
        return struct.unpack("<d", raw)[0]
    if kind in MESSAGES:
        return decode(kind, raw)
    raise WireError(f"expected {kind}, got {len(raw)} bytes")


def from_value(value: Message | None) -> Any:
    """What Lua makes of a protobuf Value. False becomes nil and null the text NULL_VALUE, as in Kong 3.9."""
    if value is None:
        return None
    if "list_value" in value:
        return [from_value(one) for one in value["list_value"]["values"]]
    if "struct_value" in value:
        return from_struct(value["struct_value"])
    if value.get("bool_value"):
        return True
    if "string_value" in value:
        return value["string_value"]
    if "number_value" in value:
        return value["number_value"]
    return "NULL_VALUE" if "null_value" in value else None


def from_struct(struct_: Message | None) -> dict[str, Any] | None:
    """A Struct as a Lua table: entries whose value is nil vanish."""
    if struct_ is None:
        return None
    pairs = ((entry["key"], from_value(entry.get("value"))) for entry in struct_["fields"])
    return {key: value for key, value in pairs if value is not None}


def to_value(value: Any) -> Message:
    """A Lua value as a protobuf Value; nil is sent as null_value 1, an empty table as an empty Struct."""
    if value is None:
        return {"null_value": 1}
    if isinstance(value, bool):
        return {"bool_value": value}
    if isinstance(value, int | float):
        return {"number_value": float(value)}
    if isinstance(value, str):
        return {"string_value": value}
    if isinstance(value, list) and value:
        return {"list_value": {"values": [to_value(one) for one in value]}}
    return {"struct_value": to_struct(value or {})}


def to_struct(table: Mapping[str, Any]) -> Message:
    """A Lua table with text keys as a Struct."""
    return {"fields": [{"key": key, "value": to_value(value)} for key, value in table.items()]}
