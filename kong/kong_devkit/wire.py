"""ProtoBuf:1 as bytes: our own table of messages and a small protobuf codec. Pure: no I/O.

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


def _scalar(kind: str) -> dict[int, FieldSpec]:
    return {1: FieldSpec("v", kind)}


_ROUTE: Final = (
    (1, "id", "text"),
    (2, "created_at", "int"),
    (3, "updated_at", "int"),
    (4, "name", "text"),
    (10, "https_redirect_status_code", "int"),
    (11, "regex_priority", "int"),
    (12, "strip_path", "bool"),
    (13, "preserve_host", "bool"),
    (18, "service", "Key"),
)
_ROUTE_LISTS: Final = ((5, "protocols"), (6, "methods"), (7, "hosts"), (8, "paths"), (17, "tags"))
_SERVICE: Final = (
    (1, "id", "text"),
    (2, "created_at", "int"),
    (3, "updated_at", "int"),
    (4, "name", "text"),
    (5, "retries", "int"),
    (6, "protocol", "text"),
    (7, "host", "text"),
    (8, "port", "int"),
    (9, "path", "text"),
    (10, "connect_timeout", "int"),
    (11, "write_timeout", "int"),
    (12, "read_timeout", "int"),
)

MESSAGES: Final[Mapping[str, Mapping[int, FieldSpec]]] = {
    "Empty": {},
    "Value": {
        1: FieldSpec("null_value", "int", one=True),
        2: FieldSpec("number_value", "double", one=True),
        3: FieldSpec("string_value", "text", one=True),
        4: FieldSpec("bool_value", "bool", one=True),
        5: FieldSpec("struct_value", "Struct", one=True),
        6: FieldSpec("list_value", "ListValue", one=True),
    },
    "Struct": {1: FieldSpec("fields", "StructEntry", many=True)},
    "StructEntry": {1: FieldSpec("key", "text"), 2: FieldSpec("value", "Value")},
    "ListValue": {1: FieldSpec("values", "Value", many=True)},
    "KV": {1: FieldSpec("k", "text"), 2: FieldSpec("v", "Value")},
    "Bool": _scalar("bool"),
    "Int": _scalar("int"),
    "Number": _scalar("double"),
    "String": _scalar("text"),
    "ByteString": _scalar("text"),
    "ExitArgs": {1: FieldSpec("status", "int"), 2: FieldSpec("body", "text"), 3: FieldSpec("headers", "Struct")},
    "Key": {1: FieldSpec("id", "text")},
    "RawBodyResult": {
        1: FieldSpec("content", "bytes", one=True),
        2: FieldSpec("body_filepath", "text", one=True),
        3: FieldSpec("error", "text", one=True),
    },
    "UriCapturesResult": {1: FieldSpec("unnamed", "text", many=True), 2: FieldSpec("named", "NamedEntry", many=True)},
    "NamedEntry": {1: FieldSpec("key", "text"), 2: FieldSpec("value", "text")},
    "Route": {
        **{number: FieldSpec(name, kind) for number, name, kind in _ROUTE},
        **{number: FieldSpec(name, "text", many=True) for number, name in _ROUTE_LISTS},
    },
    "Service": {
        **{number: FieldSpec(name, kind) for number, name, kind in _SERVICE},
        13: FieldSpec("tags", "text", many=True),
    },
    "Target": {1: FieldSpec("host", "text"), 2: FieldSpec("port", "int")},
    "ConsumerSpec": {1: FieldSpec("id", "text"), 2: FieldSpec("by_username", "bool")},
    "Consumer": {
        1: FieldSpec("id", "text"),
        2: FieldSpec("created_at", "int"),
        3: FieldSpec("username", "text"),
        4: FieldSpec("custom_id", "text"),
        5: FieldSpec("tags", "text", many=True),
    },
    "Credential": {1: FieldSpec("id", "text"), 2: FieldSpec("consumer_id", "text")},
    "AuthenticateArgs": {1: FieldSpec("consumer", "Consumer"), 2: FieldSpec("credential", "Credential")},
    "MemoryStats": {},
    "StartInstance": {1: FieldSpec("name", "text"), 2: FieldSpec("config", "text")},
    "CloseInstance": {1: FieldSpec("instance_id", "int")},
    "HandleEvent": {1: FieldSpec("instance_id", "int"), 2: FieldSpec("event_name", "text")},
    "InstanceStatus": {
        1: FieldSpec("name", "text"),
        2: FieldSpec("instance_id", "int"),
        3: FieldSpec("config", "Value"),
        4: FieldSpec("started_at", "int"),
    },
    "RpcCall": {
        1: FieldSpec("sequence", "int"),
        33: FieldSpec("cmd_start_instance", "StartInstance", one=True),
        35: FieldSpec("cmd_close_instance", "CloseInstance", one=True),
        36: FieldSpec("cmd_handle_event", "HandleEvent", one=True),
    },
    "RpcReturn": {
        1: FieldSpec("sequence", "int"),
        33: FieldSpec("instance_status", "InstanceStatus", one=True),
    },
}

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
