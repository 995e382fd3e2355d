from __future__ import annotations

import json
import logging
import os
import re
import time

import msgspec
import pytest
from kong_side import CONFIG, KEY, KongSide

from clock import Clock
from mcp_core.claims import ClaimSigner
from mcp_core.methods import Kind
from mcp_core.pins.snapshot import FILE, IS_OPEN, Snapshot, Surface
from mcp_core.reasons import Reason
from mcp_core.scan import ItemKind
from mcp_kong.guard import Guard
from mcp_kong.settings_error import SettingsError
from mcp_kong.snapshots import (
    CHECK_SECONDS,
    MISS_SECONDS,
    SNAPSHOT_VARIABLE,
    SnapshotFile,
    between_events,
    snapshot_file,
)

EVERYTHING = {kind: {"allow": ["*"]} for kind in ("tools", "prompts", "resources")}
LEGACY = {"content-type": "application/json", "mcp-protocol-version": "2025-11-25"}
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
STATES = {
    (ItemKind.TOOL, "open"): IS_OPEN,
    (ItemKind.TOOL, "drifted"): "quarantined",
    (ItemKind.PROMPT, "greet"): IS_OPEN,
    (ItemKind.PROMPT, "shout"): "rejected",
    (ItemKind.RESOURCE, "note://1"): IS_OPEN,
    (ItemKind.TEMPLATE, "file:///{name}"): IS_OPEN,
}
ASKED = [
    ("tools/call", {"name": "open"}, True),
    ("tools/call", {"name": "drifted"}, False),
    ("tools/call", {"name": "nix"}, False),
    ("prompts/get", {"name": "greet"}, True),
    ("prompts/get", {"name": "shout"}, False),
    ("resources/read", {"uri": "note://1"}, True),
    ("resources/read", {"uri": "note://2"}, False),
    ("resources/read", {"uri": "file:///a.txt"}, True),
    ("resources/read", {"uri": "file:///a/b.txt"}, False),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "shout"}}, False),
    ("completion/complete", {"ref": {"type": "ref/resource", "uri": "file:///{name}"}}, True),
]


def write(path, states=STATES, key=KEY, generation=1, *, foreign=False):
    surface = Surface(dict(states), dict.fromkeys(states, b"d" * 32), foreign=foreign)
    snapshot = Snapshot("1", generation, {"notes": surface})
    beside = path.with_suffix(".new")
    beside.write_bytes(FILE.seal(msgspec.msgpack.encode(snapshot.to_values()), [key]))
    beside.replace(path)


@pytest.fixture
def path(tmp_path, monkeypatch):
    path = tmp_path / "snapshot"
    monkeypatch.setenv(SNAPSHOT_VARIABLE, str(path))
    return path


def guard(**config):
    return Guard(CONFIG | EVERYTHING | {"pins": {"mode": "enforce"}} | config)


def ask(guard, method, params, era="legacy"):
    headers = LEGACY
    if era == "modern":
        named = params.get("name") or params.get("uri")
        headers = LEGACY | {"mcp-protocol-version": "2026-07-28", "mcp-method": method}
        headers |= {"mcp-name": named} if named else {}
        params = params | {"_meta": META}
    side = KongSide(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode(), headers)
    guard.access(side.pdk)
    return side


@pytest.mark.requirement("GUARD-030")
@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize(("method", "params", "passes"), ASKED)
def test_only_what_is_open_is_called_and_the_rest_is_refused_as_what_the_policy_denies(
    path, era, method, params, passes
):
    write(path)
    pinned = ask(guard(), method, params, era)
    assert (pinned.exit is None) is passes
    if not passes:
        denied = ask(Guard(CONFIG | {kind: {"allow": []} for kind in EVERYTHING}), method, params, era)
        assert pinned.exit == denied.exit
        ((key, said),) = pinned.arguments("log.set_serialize_value")
        wanted = {"outcome": "refused", "reason": "unapproved-item", "kind": "approval", "code": pinned_code(pinned)}
        assert key == "mcp"
        assert wanted.items() <= said.items()


def pinned_code(side):
    return json.loads(side.exit[1])["error"]["code"]


@pytest.mark.requirement("GUARD-030")
@pytest.mark.parametrize("mode", ["off", "monitor"])
def test_without_enforcement_nothing_is_asked_of_a_snapshot(path, mode):
    write(path)
    assert ask(guard(pins={"mode": mode}), "tools/call", {"name": "drifted"}).exit is None
    assert ask(Guard(CONFIG | EVERYTHING), "tools/call", {"name": "drifted"}).exit is None


@pytest.mark.requirement("GUARD-030")
def test_what_is_closed_stays_so_where_the_policy_is_only_monitored(path):
    write(path)
    lenient = guard(mode="monitor", tools={"allow": []})
    assert ask(lenient, "tools/call", {"name": "open"}).exit is None
    assert ask(lenient, "tools/call", {"name": "drifted"}).exit is not None


@pytest.mark.requirement("GUARD-030")
def test_the_policy_holds_for_what_is_open(path):
    write(path)
    assert ask(guard(tools={"allow": []}), "tools/call", {"name": "open"}).exit is not None


@pytest.mark.requirement("PIN-013")
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize(("method", "params", "passes"), ASKED)
def test_what_a_look_opened_before_the_server_was_known_as_foreign_is_closed(path, era, method, params, passes, known):
    write(path, foreign=known)
    asked = ask(guard(pins={"mode": "enforce", "trust": "foreign"}), method, params, era)
    assert (asked.exit is None) is (passes and known)


@pytest.mark.requirement("GUARD-030")
def test_a_batch_with_a_closed_item_is_refused_whole(path):
    write(path)
    calls = [
        {"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": {"name": name}}
        for n, name in enumerate(("open", "drifted"))
    ]
    side = KongSide(json.dumps(calls).encode(), LEGACY | {"mcp-protocol-version": "2025-03-26"})
    guard().access(side.pdk)
    assert "Unknown tool: drifted" in side.exit[1]


@pytest.mark.requirement("GUARD-030")
@pytest.mark.usefixtures("path")
def test_the_sidecar_hears_what_pins_do():
    for mode in ("off", "monitor", "enforce"):
        side = ask(guard(pins={"mode": mode}), "tools/list", {})
        assert ClaimSigner((KEY,)).verify(side.next_hop["mcp-gateway-context"], now=time.time())[0].terms.pins == mode


@pytest.mark.requirement("GUARD-031")
@pytest.mark.parametrize("content", [None, b"", b"KMS1", b"x" * 100])
def test_without_a_snapshot_that_can_be_read_everything_that_names_an_item_is_refused(path, caplog, content):
    if content is not None:
        path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        sides = [ask(guard(), "tools/call", {"name": "open"}), ask(guard(), "resources/read", {"uri": "note://1"})]
    for side in sides:
        assert side.exit is not None
        assert side.arguments("log.set_serialize_value")[0][1]["reason"] == Reason.NO_SNAPSHOT
    assert ask(guard(), "tools/list", {}).exit is None
    assert [
        record.message.startswith(f"the snapshot {path} is not used, so every item is refused: ")
        for record in caplog.records
    ] == [True]


@pytest.mark.requirement("GUARD-031")
def test_a_guard_that_is_not_told_where_the_snapshot_is_does_not_start(monkeypatch):
    monkeypatch.delenv(SNAPSHOT_VARIABLE, raising=False)
    with pytest.raises(SettingsError, match=SNAPSHOT_VARIABLE):
        guard()
    Guard(CONFIG | EVERYTHING)


@pytest.mark.requirement("GUARD-031")
@pytest.mark.parametrize(
    ("pins", "told"),
    [
        *(({"mode": mode}, "config.pins.mode: write one of off, monitor, enforce") for mode in ("on", None, 1, [])),
        *((pins, "config.pins: write {mode: WORD, trust: WORD}") for pins in ({"drift": "strict"}, "enforce", ["on"])),
        *(
            ({"mode": "enforce", "trust": trust}, "config.pins.trust: write one of own, known, foreign")
            for trust in ("mine", "", "Foreign", True, ["own"])
        ),
        ({"trust": "foreign"}, "config.pins.trust holds nothing while config.pins.mode is off: write mode: enforce"),
    ],
)
@pytest.mark.usefixtures("path")
def test_a_word_that_is_not_known_starts_no_guard(pins, told):
    with pytest.raises(SettingsError, match=re.escape(told)):
        guard(pins=pins)


@pytest.fixture
def file(path):
    clock = Clock(0.0)
    return SnapshotFile(str(path), (KEY,), clock), clock


@pytest.mark.requirement("GUARD-032")
def test_a_new_file_is_seen_when_time_has_passed_and_at_once_by_who_would_be_refused(path, file):
    reader, clock = file
    write(path)
    assert reader.refusal("notes", Kind.TOOL, "open") is None
    write(path, {(ItemKind.TOOL, "new"): IS_OPEN}, generation=2)
    clock.now += CHECK_SECONDS / 2
    assert reader.refusal("notes", Kind.TOOL, "open") is None
    assert reader.refusal("notes", Kind.TOOL, "new") is None
    assert reader.refusal("notes", Kind.TOOL, "open") is Reason.UNAPPROVED_ITEM
    write(path, STATES, generation=3)
    clock.now += 2 * CHECK_SECONDS
    assert reader.refusal("notes", Kind.TOOL, "new") is Reason.UNAPPROVED_ITEM


@pytest.mark.requirement("GUARD-032")
@pytest.mark.parametrize("damage", ["cut", "foreign", "empty", "a folder"])
def test_the_last_good_file_stays_in_force_while_another_one_cannot_be_read(path, file, caplog, damage):
    reader, clock = file
    write(path)
    reader.refusal("notes", Kind.TOOL, "open")
    match damage:
        case "cut":
            path.write_bytes(path.read_bytes()[:-1])
        case "foreign":
            write(path, {}, key=b"x" * 32)
        case "empty":
            path.write_bytes(b"")
        case "a folder":
            path.unlink()
            path.mkdir()
    for _ in range(3):
        clock.now += 1
        assert reader.refusal("notes", Kind.TOOL, "open") is None
        assert reader.refusal("notes", Kind.TOOL, "drifted") is Reason.UNAPPROVED_ITEM
    assert [
        record.message for record in caplog.records if "that of generation 1 stays in force" in record.message
    ] != []
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1
    if damage == "a folder":
        path.rmdir()
    write(path, {}, generation=2)
    clock.now += 1
    assert reader.refusal("notes", Kind.TOOL, "open") is Reason.UNAPPROVED_ITEM


@pytest.mark.requirement("GUARD-060")
def test_where_there_is_no_file_everything_is_closed_until_one_is_there_again(path, file, caplog):
    reader, clock = file
    write(path)
    assert reader.refusal("notes", Kind.TOOL, "open") is None
    path.rename(path.with_suffix(".aside"))
    for _ in range(3):
        clock.now += CHECK_SECONDS
        assert reader.refusal("notes", Kind.TOOL, "open") is Reason.NO_SNAPSHOT
    (told,) = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == f"the snapshot {path} is not used, so every item is refused: there is no such file"
    path.with_suffix(".aside").rename(path)
    clock.now += 2 * MISS_SECONDS
    assert reader.refusal("notes", Kind.TOOL, "open") is None


class Deadline(BaseException):
    """What a plugin server raises in a plugin that takes too long."""


@pytest.mark.requirement("GUARD-061")
@pytest.mark.parametrize("end", [MemoryError, Deadline, RecursionError, KeyboardInterrupt])
def test_a_file_whose_reading_was_ended_is_read_again_and_nobody_is_let_in_by_the_old_one(path, file, monkeypatch, end):
    reader, clock = file
    write(path)
    assert reader.refusal("notes", Kind.TOOL, "open") is None
    write(path, STATES | {(ItemKind.TOOL, "open"): "quarantined"}, generation=2)
    clock.now += CHECK_SECONDS
    with monkeypatch.context() as patch:
        from_values = Snapshot.from_values

        def ends_later(values):
            from_values(values)
            raise end

        patch.setattr(Snapshot, "from_values", ends_later)
        for _ in range(3):
            with pytest.raises(end):
                reader.refusal("notes", Kind.TOOL, "open")
            with pytest.raises(end):
                reader.look()
    assert reader.refusal("notes", Kind.TOOL, "open") is Reason.UNAPPROVED_ITEM


@pytest.mark.requirement("GUARD-061")
def test_a_new_file_is_read_between_events_so_that_no_request_has_to(path, monkeypatch):
    clock = Clock(0.0)
    monkeypatch.setattr("mcp_kong.snapshots._files", {})
    reader = snapshot_file(str(path), (KEY,), clock)
    assert snapshot_file(str(path), (KEY,), clock) is reader
    write(path)
    between_events()
    monkeypatch.setattr(type(path), "read_bytes", lambda _path: pytest.fail("read while a request waits"))
    assert reader.refusal("notes", Kind.TOOL, "open") is None
    assert reader.refusal("notes", Kind.TOOL, "drifted") is Reason.UNAPPROVED_ITEM


@pytest.mark.requirement("GUARD-032")
def test_an_unchanged_file_is_looked_at_seldom_and_never_read_again(path, file, monkeypatch):
    reader, clock = file
    write(path)
    reader.refusal("notes", Kind.TOOL, "open")
    looks = []
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda *args, **more: looks.append(args) or stat(*args, **more))
    monkeypatch.setattr(type(path), "read_bytes", lambda _path: pytest.fail("read again"))
    for _ in range(1000):
        clock.now += CHECK_SECONDS / 100
        reader.refusal("notes", Kind.TOOL, "open")
    assert 9 <= len(looks) <= 11


@pytest.mark.requirement("GUARD-033")
def test_the_sidecar_is_told_how_to_scan(path):
    write(path)
    scan = {"families": {"shell": "off"}, "rules": {"secrecy.from-user": "flag"}}
    side = ask(guard(scan=scan | {"patterns": {}}), "tools/list", {})
    claims, _ = ClaimSigner([KEY]).verify(side.next_hop["mcp-gateway-context"], now=time.time())
    assert claims.terms.scan == scan
