from __future__ import annotations

import contextlib
import math

import pytest
from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from kongside import M

from kong_pluginserver import rpc, values, wire
from kong_pluginserver.errors import MalformedFrame
from kong_pluginserver.messages import CONSUMER

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


@pytest.mark.requirement("SRV-021")
@given(st.dictionaries(TEXT, JSON, max_size=12))
def test_structs_are_read_as_protobuf_writes_them(given_values):
    message = struct_pb2.Struct()
    message.update(given_values)
    assert values.decode_struct(message.SerializeToString()) == given_values


@pytest.mark.requirement("SRV-021")
@given(st.dictionaries(TEXT, JSON, max_size=12))
def test_structs_are_written_as_protobuf_reads_them(given_values):
    def without_none(value):
        # None is sent as a value without a kind, which MessageToDict cannot name.
        if isinstance(value, dict):
            return {key: without_none(one) for key, one in value.items() if one is not None}
        return [without_none(one) for one in value if one is not None] if isinstance(value, list) else value

    clean = without_none(given_values)
    if not any(isinstance(leave, float) and math.isinf(leave) for leave in _leaves(clean)):
        assert MessageToDict(struct_pb2.Struct.FromString(values.encode_struct(clean))) == clean
    assert values.decode_struct(values.encode_struct(given_values)) == given_values


def _leaves(value):
    if isinstance(value, dict):
        value = list(value.values())
    return [leaf for one in value for leaf in _leaves(one)] if isinstance(value, list) else [value]


@pytest.mark.requirement("SRV-021")
@given(st.binary(max_size=60))
def test_any_bytes_are_either_read_as_protobuf_would_or_refused(data):
    try:
        theirs = M["Consumer"].FromString(data)
    except DecodeError:
        theirs = None
    try:
        ours = wire.decode(CONSUMER, data)
    except MalformedFrame:
        return
    if theirs is not None:
        assert (ours["id"] or "", ours["username"] or "", ours["tags"], ours["created_at"]) == (
            theirs.id,
            theirs.username,
            list(theirs.tags),
            theirs.created_at,
        )


@pytest.mark.requirement("SRV-004")
@given(st.binary(max_size=80))
def test_no_bytes_make_a_reader_raise_anything_but_malformed(data):
    for read in (values.decode_struct, values.decode_value, rpc.parse_call, wire.scan):
        with contextlib.suppress(MalformedFrame):
            read(data)


@pytest.mark.requirement("SRV-021")
@given(st.integers(0, 2**31 - 1), TEXT, st.integers(0, 2**62))
def test_calls_are_read_as_protobuf_writes_them(instance, phase, sequence):
    data = M["RpcCall"](sequence=sequence, event={"instance_id": instance, "event_name": phase}).SerializeToString()
    assert rpc.parse_call(data) == rpc.RpcCall(sequence, rpc.EVENT, instance, phase)
    swapped = data[data.index(b"\xa2\x02") :] + data[: data.index(b"\xa2\x02")] if sequence < 128 else data
    assert rpc.parse_call(swapped).name == phase, "the order of fields is the sender's choice"


@pytest.mark.requirement("SRV-006")
@pytest.mark.parametrize("name", [b"\xff", b"x" * 200 + b"\xff"])
@pytest.mark.parametrize("value", [b"v", b"\xfe"])
def test_text_that_is_not_utf8_is_malformed(name, value):
    with pytest.raises(MalformedFrame):
        values.decode_struct(wire.chunk(1, wire.chunk(1, name) + wire.chunk(2, wire.chunk(3, value))))


@pytest.mark.requirement("SRV-004")
def test_values_nested_too_deep_are_malformed():
    data = b""
    for _ in range(100):
        data = wire.chunk(6, wire.chunk(1, data))
    with pytest.raises(MalformedFrame):
        values.decode_value(data)


@given(st.integers(-(2**63), 2**63 - 1))
def test_numbers_survive(number):
    assert wire.signed(wire.read_varint(wire.varint(number), 0)[0]) == number
