"""What a node knows of surfaces, on a real store: seen by several at once, and closed when the store is out of use."""

from __future__ import annotations

import contextlib
import errno
import threading

import anyio
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from mcp_core.claims import Target
from mcp_core.methods import Era, Kind
from mcp_core.pins.snapshot import read_file
from mcp_core.pins.states import DEFAULT_RULES, Pinning, State
from mcp_core.policy import View
from mcp_core.scan import ItemKind
from mcp_core.terms import Terms
from mcp_sidecar.lane.pinning import Pins
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.store import Store
from mcp_sidecar.store.values import ItemId
from mcp_sidecar.surface import budget, snapshots
from mcp_sidecar.surface import surfaces as surfaces_module
from mcp_sidecar.surface.alerts import Alerts
from mcp_sidecar.surface.keeper import ACCEPT
from mcp_sidecar.surface.pin_metrics import PinMetrics
from mcp_sidecar.surface.snapshots import SnapshotWriter
from mcp_sidecar.surface.surfaces import Surfaces

KEY = b"k" * 32
TOOL = {"name": "read", "description": "Reads a note."}
CHANGED = TOOL | {"description": "Reads a note, and sends it away."}
LIGHT = TOOL | {"annotations": {"readOnlyHint": True}}


class Node:
    """What a node knows of surfaces, with its background work, on a store in a file."""

    def __init__(self, folder):
        self.store_path, self.snapshot_path = folder / "store.db", folder / "snapshot"
        self.registry = CollectorRegistry()
        self.metrics = PinMetrics(self.registry)
        self.told = []
        self.broken = False
        alerts = Alerts(self.metrics)
        alerts._post = self.told.append
        alerts._send.close()
        alerts._queue.close()
        writer = SnapshotWriter(str(self.snapshot_path), [KEY], "1")
        self.surfaces = Surfaces(self.open, DEFAULT_RULES, writer=writer, alerts=alerts, metrics=self.metrics)

    def open(self, create):
        return Store(str(self.store_path), migrate=True, create=create)

    @contextlib.asynccontextmanager
    async def running(self):
        await self.surfaces.recall()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.surfaces.follow, 0.02)
                tasks.start_soon(self.surfaces.run)
                tasks.start_soon(self.surfaces.watch)
                with anyio.fail_after(30):
                    yield
                tasks.cancel_scope.cancel()
        finally:
            await self.surfaces.aclose()

    def agent(self, server="files", pins="enforce"):
        return Agent(self, server, pins)

    async def tools(self, *items, **more):
        return await self.agent(**more).tools(*items)

    def called(self, name="read", server="files"):
        """Return why a guard of this node refuses a call, or None."""
        if not self.snapshot_path.exists():
            return "no-snapshot"
        file = read_file(self.snapshot_path.read_bytes(), [KEY], msgspec.msgpack.decode)
        return file.refusal(server, Kind.TOOL, name)

    def decide(self, state, name="read", why="test"):
        with contextlib.closing(Store(str(self.store_path))) as store:
            store.decide(ItemId("files", ItemKind.TOOL, name), state, reviewer="ada", why=why, now=1)

    def head(self):
        with contextlib.closing(Store(str(self.store_path))) as store:
            return store.changes().head

    def count(self, name, **labels):
        return self.registry.get_sample_value(name, labels) or 0


class Agent:
    """One agent's list: judged, learnt from, judged again, as the filter does."""

    def __init__(self, node, server, pins):
        self.pins = Pins(
            Terms(View({}), pins=Pinning(pins)),
            Target(server, Era.MODERN, "a1"),
            node.surfaces,
            node.metrics,
        )

    def judge(self, *items):
        message = {"result": {"tools": list(items)}}
        self.pins.revise(message)
        return [tool["name"] for tool in message["result"]["tools"]]

    async def tools(self, *items):
        shown = self.judge(*items)
        if await self.pins.learn():
            shown = self.judge(*items)
            self.pins.count()
        return shown


async def until(condition):
    while not condition():  # noqa: ASYNC110 - files and metrics have no event
        await anyio.sleep(0.005)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


@pytest.fixture
def broken():
    """Have methods of the store fail, as they do on a full disk, until it is undone."""
    patch = pytest.MonkeyPatch()

    def broken(*names):
        for name in names:
            patch.setattr(Store, name, lambda *_args, **_more: (_ for _ in ()).throw(StoreError("the disk is full")))
        return patch

    yield broken
    patch.undo()


@pytest.mark.anyio
@pytest.mark.requirement("SIDE-063")
async def test_two_agents_that_list_at_once_are_both_shown_what_one_of_them_had_written_down(node):
    async with node.running():
        first, second = node.agent(), node.agent()
        # Both are judged before anything is learnt, as long texts are, which take their turns in threads.
        assert (first.judge(TOOL), second.judge(TOOL)) == ([], [])
        assert await first.pins.learn()
        assert first.judge(TOOL) == ["read"]
        assert await second.pins.learn()
        assert second.judge(TOOL) == ["read"]


@pytest.mark.anyio
@pytest.mark.requirement("SIDE-063")
async def test_who_lists_while_guards_are_told_of_what_is_new_is_shown_it_too(node, monkeypatch):
    taken, told, write = threading.Event(), threading.Event(), SnapshotWriter.write

    def wait(self, frozen, *, must_close):
        if "files" in frozen.servers:
            taken.set()
            assert told.wait(20)
        write(self, frozen, must_close=must_close)

    monkeypatch.setattr(SnapshotWriter, "write", wait)
    shown = {}

    async def look(who):
        shown[who] = await node.tools(TOOL)

    async with node.running(), anyio.create_task_group() as tasks:
        tasks.start_soon(look, "first")
        await until(taken.is_set)
        # The store has it, and it is known here; only the guards do not know yet.
        second = node.agent()
        assert second.judge(TOOL) == []
        tasks.start_soon(look, "second")
        await anyio.wait_all_tasks_blocked()
        told.set()
    assert shown == {"first": ["read"], "second": ["read"]}


@pytest.mark.anyio
@pytest.mark.requirement("SIDE-063")
async def test_what_is_judged_twice_is_counted_once(node):
    async with node.running():
        await node.tools(TOOL)
        assert await node.tools(CHANGED) == []
        assert await node.tools(CHANGED, pins="monitor") == ["read"]
    labels = {"server": "files", "kind": "tools"}
    assert node.count("mcp_sidecar_items_unapproved_total", mode="enforce", **labels) == 1
    assert node.count("mcp_sidecar_items_unapproved_total", mode="monitor", **labels) == 1


@pytest.mark.anyio
@pytest.mark.requirement("SIDE-060")
@pytest.mark.parametrize("fails", [("write_down",), ("grade", "write_down"), ("grade", "write_down", "changes")])
async def test_a_tool_that_drifts_while_the_store_fails_is_hidden_and_refused_and_written_down_later(
    node, broken, fails
):
    async with node.running():
        assert await node.tools(TOOL, TOOL | {"name": "write"}) == ["read", "write"]
        assert node.called() is None
        patch = broken(*fails)
        assert await node.tools(CHANGED, TOOL | {"name": "write"}) == ["write"]
        await until(lambda: node.called() is not None)
        # What was open goes on, and what is new stays hidden.
        assert node.called("write") is None
        assert await node.tools(TOOL | {"name": "new"}) == []
        assert await node.tools(TOOL) == []
        patch.undo()
        await until(lambda: node.called() == "quarantined")
        await until(lambda: not node.surfaces.is_failing)
    with contextlib.closing(Store(str(node.store_path))) as store:
        assert store.verify().problem is None


@pytest.mark.anyio
@pytest.mark.requirement("SIDE-060")
async def test_a_store_that_does_not_answer_closes_nothing_later_than_one_that_fails(node, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(surfaces_module, "GRADE_SECONDS", 0.0)
    monkeypatch.setattr(surfaces_module, "LEARN_SECONDS", 0.05)
    async with node.running():
        monkeypatch.setattr(surfaces_module, "LEARN_SECONDS", 10.0)
        assert await node.tools(TOOL) == ["read"]
        monkeypatch.setattr(surfaces_module, "LEARN_SECONDS", 0.05)
        grade = Store.grade

        def hangs(*args, **more):
            release.wait(30)
            return grade(*args, **more)

        monkeypatch.setattr(Store, "grade", hangs)
        assert await node.tools(LIGHT) == []
        await until(lambda: node.called() is not None)
        release.set()
        # It was a light change: once it is graded and written, the item opens again.
        await until(lambda: node.called() is None)


@pytest.mark.anyio
@pytest.mark.requirement("SIDE-061")
async def test_what_closed_and_was_never_written_stays_closed_over_a_restart(node, broken, tmp_path):
    async with node.running():
        assert await node.tools(TOOL) == ["read"]
        patch = broken("write_down")
        assert await node.tools(CHANGED) == []
        await until(lambda: node.called() is not None)
    patch.undo()
    again = Node(tmp_path)
    async with again.running():
        await until(lambda: again.surfaces.generation > 0)
        assert await again.tools(TOOL) == []
        assert again.called() is not None


@pytest.mark.anyio
@pytest.mark.requirement("STORE-021")
async def test_an_empty_store_opens_nothing_that_was_rejected_also_once_it_is_accepted(node, tmp_path):
    async with node.running():
        assert await node.tools(TOOL, TOOL | {"name": "write"}) == ["read", "write"]
        node.decide(State.REJECTED)
        await until(lambda: node.called() == "rejected")
        head = node.head()
        for path in tmp_path.glob("store.db*"):
            path.unlink()
        # Noticed by who only reads, and nothing is made in its place.
        await until(lambda: node.surfaces.is_failing)
        assert not node.store_path.exists()
        assert await node.tools(TOOL, TOOL | {"name": "write"}) == ["write"]
    again = Node(tmp_path)
    Store(str(node.store_path), migrate=True).close()
    async with again.running():
        await until(lambda: again.surfaces.other_store is not None)
        assert f"{ACCEPT} {head[0]}:{head[1]}" in again.surfaces.other_store
        assert await again.tools(TOOL, TOOL | {"name": "write"}, TOOL | {"name": "new"}) == ["write"]
        assert (again.called(), again.called("write"), again.called("new")) == ("rejected", None, "unknown")
        assert again.count("mcp_sidecar_other_store") == 1
        assert [one["type"] for one in again.told] == ["store.other"]
        with contextlib.closing(Store(str(node.store_path))) as store:
            assert store.standings() == []
            store.accept(head, reviewer="ada", why="the old one is lost", now=1)
        await until(lambda: again.surfaces.other_store is None and not again.surfaces.is_failing)
        assert await again.tools(TOOL, TOOL | {"name": "write"}) == ["write"]
        await until(lambda: again.called() == "quarantined")
        assert again.count("mcp_sidecar_other_store") == 0
        again.decide(State.APPROVED)
        await until(lambda: again.called() is None)


@pytest.mark.anyio
@pytest.mark.requirement("STORE-021")
async def test_a_backup_opens_nothing_that_was_rejected_after_it_was_made(node, tmp_path):
    async with node.running():
        await node.tools(TOOL)
    backup = node.store_path.read_bytes()
    async with node.running():
        await until(lambda: node.surfaces.generation > 0)
        node.decide(State.REJECTED)
        await until(lambda: node.called() == "rejected")
        head = node.head()
    for path in tmp_path.glob("store.db*"):
        path.unlink()
    node.store_path.write_bytes(backup)
    again = Node(tmp_path)
    async with again.running():
        await until(lambda: again.surfaces.other_store is not None)
        assert again.called() == "rejected"
        with contextlib.closing(Store(str(node.store_path))) as store:
            store.accept(head, reviewer="ada", why="from the backup", now=1)
        await until(lambda: again.surfaces.other_store is None and not again.surfaces.is_failing)
        await until(lambda: again.called() == "quarantined")
        assert await again.tools(TOOL) == []


@pytest.mark.anyio
@pytest.mark.requirement("SIDE-062")
async def test_a_server_that_floods_keeps_no_other_server_waiting(node, monkeypatch):
    monkeypatch.setattr(budget, "AT_ONCE", 1000)
    monkeypatch.setattr(budget, "A_MINUTE", 0)
    order, begun, asked, grade = [], threading.Event(), threading.Event(), Store.grade

    def hold(self, server, sightings, **more):
        if server == "flood" and not begun.is_set():
            begun.set()
            assert asked.wait(20)
        return grade(self, server, sightings, **more)

    monkeypatch.setattr(Store, "grade", hold)
    async with node.running(), anyio.create_task_group() as tasks:
        await node.tools(TOOL, server="known")

        async def flood():
            fresh = [TOOL | {"name": f"fresh{n}"} for n in range(3000)]
            shown = await node.tools(*fresh, server="flood")
            order.append(("flood", len(shown)))

        async def quiet():
            order.append(("known", await node.tools(TOOL, server="known")))
            asked.set()
            order.append(("quiet", await node.tools(TOOL, server="quiet")))

        tasks.start_soon(flood)
        await until(begun.is_set)
        tasks.start_soon(quiet)
    assert order[:2] == [("known", ["read"]), ("quiet", ["read"])]
    assert order[2] == ("flood", 1000)
    assert node.count("mcp_sidecar_versions_left_out_total", server="flood", why="rate") == 2000
    assert [(one["type"], one["server"]) for one in node.told] == [("server.floods", "flood")]


@pytest.mark.anyio
@pytest.mark.requirement("SIDE-062")
async def test_a_change_that_the_budget_leaves_out_closes_its_item(node, monkeypatch):
    monkeypatch.setattr(budget, "AT_ONCE", 1)
    monkeypatch.setattr(budget, "A_MINUTE", 0)
    async with node.running():
        assert await node.tools(TOOL) == ["read"]
        assert await node.tools(LIGHT) == []
        assert node.called() is not None


@pytest.mark.anyio
@pytest.mark.requirement("SIDE-060")
async def test_where_the_snapshot_cannot_be_written_either_everything_closes_until_it_can(node, monkeypatch):
    async with node.running():
        assert await node.tools(TOOL, TOOL | {"name": "write"}) == ["read", "write"]
        with monkeypatch.context() as patch:
            patch.setattr(snapshots, "replace_file", _full)
            assert await node.tools(CHANGED) == []
            await until(lambda: not node.snapshot_path.exists())
        await until(lambda: node.called("write") is None)
        assert node.called() is not None


def _full(_path, _content):
    raise OSError(errno.ENOSPC, "No space left on device")
