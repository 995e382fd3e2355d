from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_core.methods import Kind
from mcp_core.pins.snapshot import FILE, IS_OPEN, Snapshot, Surface, read_file
from mcp_core.scan.items import ItemKind
from mcp_core.sealed_file import SealedFileError

KEY, OTHER = b"k" * 32, b"o" * 32
STATES = {
    (ItemKind.TOOL, "good"): IS_OPEN,
    (ItemKind.TOOL, "bad"): "quarantined",
    (ItemKind.PROMPT, "greet"): IS_OPEN,
    (ItemKind.RESOURCE, "note://open"): IS_OPEN,
    (ItemKind.RESOURCE, "note://closed"): "rejected",
    (ItemKind.TEMPLATE, "note://{id}"): IS_OPEN,
    (ItemKind.TEMPLATE, "file:///{+path}"): "quarantined",
    (ItemKind.INSTRUCTIONS, ""): IS_OPEN,
}


def snapshot(states=STATES, generation=3):
    digests = {item: hashlib.sha256(item[1].encode()).digest() for item in states}
    return Snapshot("1.0", generation, {"notes": Surface(dict(states), digests)})


def packed(values):
    return FILE.seal(msgspec.msgpack.encode(values), [KEY])


def read(file, *keys):
    return read_file(file, keys or [KEY], msgspec.msgpack.decode)


@pytest.mark.requirement("PIN-007")
def test_what_was_written_is_what_is_read():
    assert read(packed(snapshot().to_values())).to_values() == snapshot().to_values()


@pytest.mark.requirement("PIN-007")
def test_the_end_of_the_chain_and_other_open_versions_are_read_too_and_a_file_may_lack_them():
    told = snapshot()
    told.servers["notes"].also[ItemKind.TOOL, "good"] = (b"a" * 32, b"b" * 32)
    told = Snapshot(told.version, told.generation, told.servers, (7, "f" * 64))
    again = read(packed(told.to_values()))
    assert again.head == (7, "f" * 64)
    assert again.servers["notes"].also == {(ItemKind.TOOL, "good"): (b"a" * 32, b"b" * 32)}
    assert again.to_values() == told.to_values()
    assert read(packed(VALUES)).head is None
    assert "also" not in VALUES


@pytest.mark.requirement("PIN-013")
def test_of_a_foreign_server_only_what_was_opened_by_a_person_is_believed():
    told = snapshot()
    assert told.refusal("notes", Kind.TOOL, "good") is None
    assert told.refusal("notes", Kind.TOOL, "good", foreign=True) == "unknown"
    assert "foreign" not in told.to_values()
    told.servers["notes"].foreign = True
    again = read(packed(told.to_values()))
    assert again.refusal("notes", Kind.TOOL, "good", foreign=True) is None
    assert again.refusal("notes", Kind.TOOL, "bad", foreign=True) == "quarantined"
    assert again.refusal("notes", Kind.TOOL, "good") is None
    assert again.to_values() == told.to_values()


@pytest.mark.requirement("PIN-013")
@pytest.mark.parametrize("named", ["notes", [1], {"notes": True}, None])
def test_foreign_servers_that_are_no_names_are_not_believed(named):
    with pytest.raises(SealedFileError, match="foreign"):
        read(packed(snapshot().to_values() | {"foreign": named}))


@pytest.mark.requirement("PIN-008")
@pytest.mark.parametrize(
    ("kind", "name", "word"),
    [
        (Kind.TOOL, "good", None),
        (Kind.TOOL, "bad", "quarantined"),
        (Kind.TOOL, "nix", "unknown"),
        (Kind.TOOL, "Good", "unknown"),
        (Kind.TOOL, "greet", "unknown"),
        (Kind.PROMPT, "greet", None),
        (Kind.PROMPT, "good", "unknown"),
        (Kind.RESOURCE, "note://open", None),
        (Kind.RESOURCE, "note://closed", "rejected"),
        (Kind.RESOURCE, "note://clos%65d", "unknown"),
        (Kind.RESOURCE, "note://closed%20", "unknown"),
        (Kind.RESOURCE, "note://a%20b", None),
        (Kind.RESOURCE, "note://7", None),
        (Kind.RESOURCE, "note://7/8", "unknown"),
        (Kind.RESOURCE, "note://7/../closed", "unknown"),
        (Kind.RESOURCE, "note://{id}", None),
        (Kind.RESOURCE, "file:///a", "unknown"),
        (Kind.RESOURCE, "file:///{+path}", "quarantined"),
        (Kind.RESOURCE, "", "unknown"),
    ],
)
def test_only_what_is_open_may_be_used(kind, name, word):
    assert snapshot().refusal("notes", kind, name) == word


@pytest.mark.requirement("PIN-008")
def test_no_reading_of_a_uri_may_be_a_closed_resource():
    states = {(ItemKind.TEMPLATE, "a:{+x}"): IS_OPEN, (ItemKind.RESOURCE, "a:b c"): "quarantined"}
    assert snapshot(states).refusal("notes", Kind.RESOURCE, "a:b%20c") == "quarantined"
    assert snapshot(states).refusal("notes", Kind.RESOURCE, "a:b%2520c") == "quarantined"
    assert snapshot(states).refusal("notes", Kind.RESOURCE, "a:c%20b") is None


@pytest.mark.requirement("PIN-008")
def test_a_server_that_the_snapshot_does_not_know_has_nothing():
    assert snapshot().refusal("files", Kind.TOOL, "good") == "unknown"


@pytest.mark.requirement("PIN-009")
def test_every_key_of_the_ring_is_believed_and_no_other():
    file = packed(snapshot().to_values())
    assert read(file, OTHER, KEY).generation == 3
    with pytest.raises(SealedFileError, match="no key"):
        read(file, OTHER)


@pytest.mark.requirement("PIN-009")
@given(st.data())
def test_a_file_that_was_cut_or_changed_anywhere_is_not_believed(data):
    file = packed(snapshot().to_values())
    at = data.draw(st.integers(0, len(file) - 1))
    changed = file[:at] + bytes([file[at] ^ data.draw(st.integers(1, 255))]) + file[at + 1 :]
    for other in (file[:at], changed, file + b"\0"):
        with pytest.raises(SealedFileError):
            read(other)


VALUES = snapshot().to_values()
NOT_SNAPSHOTS = {
    "nothing": None,
    "a list": [VALUES],
    "an empty map": {},
    "another format": VALUES | {"format": 2},
    "no generation": {key: value for key, value in VALUES.items() if key != "generation"},
    "a version that is a number": VALUES | {"version": 1},
    "servers in a list": VALUES | {"servers": []},
    "a server that is text": VALUES | {"servers": {"notes": "tools"}},
    "a number for a name": VALUES | {"servers": {1: {}}},
    "a list that is text": VALUES | {"servers": {"notes": {"tools": "good"}}},
    "an item without a digest": VALUES | {"servers": {"notes": {"tools": {"good": ["open"]}}}},
    "an item with a short digest": VALUES | {"servers": {"notes": {"tools": {"good": ["open", b"x"]}}}},
    "a head that is text": VALUES | {"head": "7:f"},
    "a head without a number": VALUES | {"head": ["7", "f"]},
    "other versions in a list": VALUES | {"also": []},
    "another version that is short": VALUES | {"also": {"notes": {"tools": {"good": [b"x"]}}}},
    "another version that is no list": VALUES | {"also": {"notes": {"tools": {"good": b"d" * 32}}}},
    "an item that is text": VALUES | {"servers": {"notes": {"tools": {"good": "op"}}}},
}


@pytest.mark.requirement("PIN-009")
@pytest.mark.parametrize("values", NOT_SNAPSHOTS.values(), ids=NOT_SNAPSHOTS.keys())
def test_what_is_no_snapshot_is_refused_as_a_whole(values):
    with pytest.raises(SealedFileError):
        read(packed(values))


@pytest.mark.requirement("PIN-009")
@given(st.binary(max_size=60))
def test_packed_bytes_that_are_anything_else_are_refused(payload):
    with pytest.raises(SealedFileError):
        read(FILE.seal(payload, [KEY]))


@pytest.mark.requirement("PIN-010")
def test_a_tool_takes_a_few_dozen_bytes():
    tools = {(ItemKind.TOOL, f"tool_number_{number}"): IS_OPEN for number in range(5000)}
    file = packed(snapshot(tools).to_values())
    assert len(file) < 70 * len(tools)
    assert read(file).refusal("notes", Kind.TOOL, "tool_number_2500") is None
