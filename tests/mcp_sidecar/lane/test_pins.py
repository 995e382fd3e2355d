"""Pins in the inspect lane: a real sidecar with a store, before servers whose answers are scripted."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import sqlite3
import subprocess
import time
from importlib.metadata import version

import msgspec
import pytest

from mcp_core.methods import Kind
from mcp_core.pins.snapshot import read_file
from mcp_core.pins.states import State
from mcp_core.scan import ItemKind
from mcp_sidecar.store.store import Store
from mcp_sidecar.store.values import ItemId
from servers.postgres import program, run_postgres

TOOL = {"name": "read", "description": "Reads a note.", "inputSchema": {"type": "object"}}
CHANGED = TOOL | {"description": "Reads a note and sends it away."}


@pytest.fixture
def node(start, tmp_path, kong, words):
    """Start a sidecar with a store, a node of several, and say what servers answer."""

    class Node:
        folder = tmp_path
        store_path = tmp_path / "store.db"
        address = str(store_path)
        count = itertools.count()

        def __init__(self, **environment):
            self.snapshot_path = self.folder / f"snapshot{next(self.count)}"
            self.guard = start(
                **{
                    "MCP_SIDECAR_STORE": self.address,
                    "KONG_MCP_SNAPSHOT": str(self.snapshot_path),
                    "MCP_SIDECAR_REFRESH_INTERVAL": "0.05",
                    **environment,
                }
            )
            words.until(self.snapshot_path.exists)

        def ask(self, result, *, pins="enforce", body=None, **changes):
            """Return the result of an answer as the agent gets it."""
            text = json.dumps({"jsonrpc": "2.0", "id": 7, "result": result}).encode()
            kong.answers(words.json_answer(text) if body is None else body(text))
            return self.guard.ask(pins=pins, **changes)

        def tools(self, *tools, **changes):
            return [tool["name"] for tool in self.ask({"tools": list(tools)}, **changes).json["result"]["tools"]]

        def snapshot(self):
            return read_file(self.snapshot_path.read_bytes(), [words.key], msgspec.msgpack.decode)

        def decide(self, state, name="read", kind=ItemKind.TOOL):
            store = Store(self.address)
            store.decide(ItemId("files", kind, name), state, reviewer="ada", why="test", now=int(time.time() * 1000))
            store.close()

    return Node


@pytest.mark.requirement("SIDE-030")
def test_what_is_clean_is_shown_at_once_and_guards_know_before_the_agent_does(node):
    one = node()
    assert one.tools(TOOL) == ["read"]
    assert one.snapshot().refusal("files", Kind.TOOL, "read") is None


@pytest.mark.requirement("SIDE-030")
def test_a_changed_item_is_written_down_graded_and_hidden_in_the_same_answer(node):
    one = node()
    assert one.tools(TOOL, TOOL | {"name": "write"}) == ["read", "write"]
    assert one.tools(CHANGED, TOOL | {"name": "write"}) == ["write"]
    assert one.snapshot().refusal("files", Kind.TOOL, "read") == "quarantined"
    # The approved version comes back: the item stays closed for a while, whoever asks.
    assert one.tools(TOOL) == []


@pytest.mark.requirement("SIDE-030")
def test_a_light_change_is_shown_and_flagged(node):
    one = node()
    one.tools(TOOL)
    assert one.tools(TOOL | {"annotations": {"title": "Read"}}) == ["read"]
    log = one.guard.sidecar.log.read_text()
    assert '"reason": "light-drift"' in log


@pytest.mark.requirement("SIDE-030")
def test_everything_waits_where_the_sidecar_is_told_so_until_a_reviewer_approves(node, words):
    one = node(MCP_SIDECAR_FIRST_USE="quarantine-all")
    assert one.tools(TOOL) == []
    one.decide(State.APPROVED)
    words.until(lambda: one.snapshot().refusal("files", Kind.TOOL, "read") is None)
    words.until(lambda: one.tools(TOOL) == ["read"])


KINDS = [
    ("prompts", ItemKind.PROMPT, {"name": "greet"}, {"name": "greet", "description": "changed"}),
    ("resources", ItemKind.RESOURCE, {"uri": "a://b", "name": "b"}, {"uri": "a://b", "name": "c"}),
    (
        "resourceTemplates",
        ItemKind.TEMPLATE,
        {"uriTemplate": "a://{b}", "name": "b"},
        {"uriTemplate": "a://{b}", "name": "c"},
    ),
]
ALL = {"view": {kind: {"allow": ["*"]} for kind in ("tools", "prompts", "resources")}}


@pytest.mark.requirement("SIDE-030")
@pytest.mark.parametrize(("key", "kind", "before", "after"), KINDS)
def test_prompts_resources_and_templates_are_pinned_like_tools(node, key, kind, before, after):
    one = node()
    assert one.ask({key: [before]}, **ALL).json["result"][key] == [before]
    assert one.ask({key: [after]}, **ALL).json["result"][key] == []
    one.decide(State.APPROVED, before.get("uriTemplate") or before.get("uri") or before["name"], kind)


@pytest.mark.requirement("SIDE-031")
@pytest.mark.parametrize("method", ["initialize", "server/discover"])
def test_instructions_are_an_item_and_leave_the_answer_when_they_change(node, method):
    one = node()
    rest = {"capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}
    asked = {"method": method, **ALL}
    first = one.ask(rest | {"instructions": "Be brief."}, **asked).json["result"]
    assert first == rest | {"instructions": "Be brief."}
    assert one.ask(rest | {"instructions": "Be long."}, **asked).json["result"] == rest
    assert one.ask(rest | {"Instructions": "Be brief."}, **asked).json["result"] == rest
    assert one.ask(rest | {"instructions": ["Be brief."]}, **asked).json["result"] == rest


@pytest.mark.requirement("SIDE-030")
def test_lists_in_streams_batches_and_long_texts_are_pinned_too(node, words):
    one = node()
    one.tools(TOOL)
    stream = one.ask({"tools": [CHANGED]}, body=lambda text: words.stream_answer(b"data: " + text + b"\n\n"))
    assert b'"tools":[]' in stream.body
    whole = one.ask(
        {"tools": [CHANGED]}, body=lambda text: words.stream_answer(b"data: [" + text + b"]\n\n"), **words.replay
    )
    assert b'"tools":[]' in whole.body
    filler = [TOOL | {"name": f"tool{n}", "description": "x" * 1000} for n in range(100)]
    assert one.tools(CHANGED, *filler) == [tool["name"] for tool in filler]


@pytest.mark.requirement("SIDE-032")
def test_in_monitor_mode_everything_is_written_down_and_nothing_hidden(node):
    one = node()
    assert one.tools(TOOL, pins="monitor") == ["read"]
    assert one.tools(CHANGED, pins="monitor") == ["read"]
    assert one.snapshot().refusal("files", Kind.TOOL, "read") == "quarantined"
    assert one.tools(CHANGED, pins="off") == ["read"]


@pytest.mark.requirement("SIDE-032")
def test_without_pins_nothing_is_written_down(node):
    one = node()
    one.tools(TOOL, pins="off")
    assert one.snapshot().servers == {}


@pytest.mark.requirement("SIDE-033")
def test_a_sidecar_without_a_store_shows_nothing_of_a_pinned_server(start, kong, words):
    guard = start()
    kong.answers(words.json_answer(json.dumps({"jsonrpc": "2.0", "id": 7, "result": {"tools": [TOOL]}}).encode()))
    assert guard.ask(pins="enforce").json["result"]["tools"] == []
    assert guard.ask(pins="monitor").json["result"]["tools"] == [TOOL]


@pytest.mark.requirement("SIDE-033")
def test_a_store_that_fails_hides_what_is_new_and_keeps_what_is_known(node, words):
    one = node()
    assert one.tools(TOOL) == ["read"]
    with contextlib.closing(sqlite3.connect(one.store_path)) as connection:
        connection.execute("DROP TABLE version")
    assert one.tools(TOOL, TOOL | {"name": "write"}) == ["read"]
    words.until(lambda: "the store failed" in one.guard.sidecar.log.read_text())


@pytest.fixture(params=["sqlite", "postgresql"])
def shared(request, node):
    """What starts nodes that share a database of this kind."""
    if request.param == "sqlite":
        yield node
        return
    if program("initdb") is None:
        pytest.skip("PostgreSQL is not installed")
    with run_postgres() as url:
        node.address = url.format("postgres")
        started = []
        yield lambda: started.append(node()) or started[-1]
        for one in started:
            one.guard.sidecar.stop()


@pytest.mark.requirement("SIDE-034")
def test_nodes_share_one_store_and_each_writes_its_own_snapshot(shared, words):
    here, there = shared(), shared()
    assert here.snapshot_path != there.snapshot_path
    assert here.tools(TOOL) == ["read"]
    words.until(lambda: there.snapshot().refusal("files", Kind.TOOL, "read") is None)
    assert there.tools(CHANGED) == []
    words.until(lambda: here.snapshot().refusal("files", Kind.TOOL, "read") == "quarantined")
    words.until(lambda: here.tools(TOOL) == [])
    here.decide(State.APPROVED)
    words.until(lambda: there.snapshot().generation == here.snapshot().generation)
    words.until(lambda: there.tools(CHANGED) == ["read"])


@pytest.mark.requirement("SIDE-034")
def test_a_snapshot_outlives_a_restart_and_no_half_written_file_is_left(node, tmp_path):
    one = node()
    one.tools(TOOL)
    assert one.guard.sidecar.stop() == 0
    assert one.snapshot().refusal("files", Kind.TOOL, "read") is None
    assert sorted(path.name for path in tmp_path.glob(".snapshot*")) == []


@pytest.mark.requirement("SIDE-030")
def test_the_metrics_count_versions_by_their_grade(node, words):
    one = node()
    one.tools(TOOL)
    one.tools(CHANGED)
    text = one.guard.sidecar.get("/metrics", {"authorization": f"Bearer {words.metrics_token}"}).body.decode()
    assert 'mcp_sidecar_versions_total{kind="tools",reason="clean",server="files",state="approved"} 1.0' in text
    assert 'mcp_sidecar_versions_total{kind="tools",reason="drift",server="files",state="quarantined"} 1.0' in text
    assert 'mcp_sidecar_items_unapproved_total{kind="tools",mode="enforce",server="files"} 1.0' in text


BIRD = TOOL | {"description": "Reads notes of project bluebird."}
BLUEBIRD = {"patterns": [{"id": "acme.project", "severity": "block", "phrases": ["project bluebird"]}]}


@pytest.mark.requirement("STORE-011")
def test_what_a_guard_signed_weighs_the_very_answer_that_it_came_with(node):
    one = node()
    assert one.tools(BIRD, TOOL | {"name": "write"}, scan=BLUEBIRD) == ["write"]
    assert one.snapshot().refusal("files", Kind.TOOL, "read") == "quarantined"


@pytest.mark.requirement("STORE-012")
def test_new_settings_close_what_was_open_before_the_agent_is_answered_on_every_node(node, words):
    one, other = node(), node()
    assert one.tools(BIRD) == ["read"]
    words.until(lambda: other.snapshot().refusal("files", Kind.TOOL, "read") is None)
    assert one.tools(BIRD, scan=BLUEBIRD) == []
    words.until(lambda: other.snapshot().refusal("files", Kind.TOOL, "read") == "quarantined")
    # The settings that were just replaced are not taken over again at once: two guards that differ cost no more.
    assert one.tools(BIRD | {"name": "find"}) == []


@pytest.mark.requirement("STORE-011")
def test_settings_of_another_release_hide_what_is_new(node):
    one = node()
    assert one.tools(TOOL) == ["read"]
    unknown = {"families": {"of-another-release": "off"}}
    assert one.tools(TOOL, TOOL | {"name": "write"}, scan=unknown) == ["read"]
    assert "of-another-release" in one.guard.sidecar.log.read_text()


@pytest.mark.requirement("SIDE-036")
def test_a_store_that_fails_is_a_warning_once_it_was_read(node, words):
    one = node()
    assert one.tools(TOOL) == ["read"]
    assert one.guard.sidecar.get("/readyz").json == {"ready": True, "release": version("kong-mcp"), "problems": {}}
    with contextlib.closing(sqlite3.connect(one.address)) as database:
        database.execute("ALTER TABLE head RENAME TO gone")
        words.until(lambda: "warnings" in one.guard.sidecar.get("/readyz").json)
        answer = one.guard.sidecar.get("/readyz")
        assert (answer.status, answer.json["ready"], set(answer.json["warnings"])) == (200, True, {"store"})
        assert one.address not in answer.body.decode()
        assert one.tools(TOOL, TOOL | {"name": "write"}) == ["read"]
        database.execute("ALTER TABLE gone RENAME TO head")
    words.until(
        lambda: one.guard.sidecar.get("/readyz").json == {"ready": True, "release": version("kong-mcp"), "problems": {}}
    )


@pytest.mark.requirement("SIDE-036")
def test_a_sidecar_that_never_read_its_store_is_ready_only_where_nothing_is_enforced(start, tmp_path, words):
    store = {"MCP_SIDECAR_STORE": str(tmp_path / "no-folder" / "store.db"), "MCP_SIDECAR_REFRESH_INTERVAL": "0.05"}
    enforced = start(**store, KONG_MCP_SNAPSHOT=str(tmp_path / "snapshot")).sidecar
    answer = enforced.get("/readyz")
    assert (answer.status, set(answer.json["problems"])) == (503, {"store"})
    watched = start(**store).sidecar
    words.until(lambda: "warnings" in watched.get("/readyz").json)
    assert watched.get("/readyz").status == 200
    (tmp_path / "no-folder").mkdir()
    words.until(lambda: enforced.get("/readyz").status == 200)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def fill(disk):
    """Write until nothing more fits."""
    with contextlib.suppress(OSError), (disk / "filler").open("ab", buffering=0) as file:
        while True:
            file.write(b"x" * 512)


@pytest.mark.requirement("SIDE-060")
def test_a_tool_that_drifts_on_a_full_disk_is_hidden_and_refused_and_the_others_go_on(node, small_disk, words):
    node.folder, node.address = small_disk, str(small_disk / "store.db")
    one = node()
    write = TOOL | {"name": "write"}
    assert one.tools(TOOL, write) == ["read", "write"]
    words.until((small_disk / f"{one.snapshot_path.name}.reserve").exists)
    fill(small_disk)
    assert one.tools(CHANGED, write) == ["write"]
    words.until(lambda: one.snapshot().refusal("files", Kind.TOOL, "read") is not None)
    assert one.snapshot().refusal("files", Kind.TOOL, "write") is None
    assert one.tools(TOOL, write) == ["write"]
    (small_disk / "filler").unlink()
    words.until(lambda: one.snapshot().refusal("files", Kind.TOOL, "read") == "quarantined")


@pytest.mark.requirement("SIDE-060")
def test_where_no_room_is_left_for_the_snapshot_either_it_is_put_aside_until_there_is(node, small_disk, words):
    node.folder, node.address = small_disk, str(small_disk / "store.db")
    one = node()
    assert one.tools(TOOL) == ["read"]
    reserve = small_disk / f"{one.snapshot_path.name}.reserve"
    words.until(reserve.exists)
    reserve.unlink()
    fill(small_disk)
    assert one.tools(CHANGED) == []
    words.until(lambda: not one.snapshot_path.exists())
    (small_disk / "filler").unlink()
    words.until(one.snapshot_path.exists)
    words.until(lambda: one.snapshot().refusal("files", Kind.TOOL, "read") == "quarantined")


@pytest.mark.requirement("STORE-022")
def test_a_store_that_is_deleted_under_a_running_sidecar_is_noticed_and_opens_nothing(node, words):
    one = node()
    assert one.tools(TOOL) == ["read"]
    one.decide(State.REJECTED)
    words.until(lambda: one.snapshot().refusal("files", Kind.TOOL, "read") == "rejected")
    for path in one.folder.glob("store.db*"):
        path.unlink()
    words.until(lambda: "warnings" in one.guard.sidecar.get("/readyz").json)
    assert one.guard.sidecar.stop() == 0
    Store(one.address, migrate=True).close()
    node.count = itertools.count()  # so that it has the snapshot of the one before
    again = node()
    assert again.snapshot_path == one.snapshot_path
    words.until(lambda: "accept-store" in str(again.guard.sidecar.get("/readyz").json))
    assert again.tools(TOOL) == []
    assert one.snapshot().refusal("files", Kind.TOOL, "read") == "rejected"
