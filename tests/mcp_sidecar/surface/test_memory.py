"""What a node knows, without any store or clock."""

from __future__ import annotations

import pytest

from mcp_core.methods import Kind
from mcp_core.pins.states import State
from mcp_core.scan import ItemKind
from mcp_sidecar.store.sightings import Sighting
from mcp_sidecar.store.values import Changes, ItemId, Seen, Standing
from mcp_sidecar.surface.memory import UNWRITTEN, Memory

SETTLE = 300.0


def tool(text="a", name="read"):
    return Sighting.of(ItemKind.TOOL, name, {"name": name, "description": text})


def standing(*versions, name="read", opened=True):
    """Return an item of `files` with versions (sighting, state), the one seen last first."""
    id_ = ItemId("files", ItemKind.TOOL, name)
    return Standing(id_, opened, tuple(Seen(id_, one.digest, state, "", (), 1, 1, False) for one, state in versions))


GOOD, BAD = tool("good"), tool("bad")
OPENED = standing((GOOD, State.APPROVED))
DRIFTED = standing((BAD, State.QUARANTINED), (GOOD, State.APPROVED), opened=False)
SETTLED = standing((GOOD, State.APPROVED), (BAD, State.QUARANTINED))


def knows(*standings, generation=1, head=(1, "a" * 64), tells_guards=False, **more):
    memory = Memory(SETTLE, tells_guards=tells_guards)
    memory.take(Changes(generation, head, standings=standings, settings={"files": "{}"}, **more))
    return memory


def shown(memory, one):
    return memory.shown("files", one.kind, one.name, one.digest)


def word(memory, name="read"):
    return memory.freeze().snapshot("1").servers["files"].states.get((ItemKind.TOOL, name))


@pytest.mark.requirement("SIDE-060")
def test_a_version_that_is_known_to_be_bad_closes_its_item_without_the_store():
    memory = knows(SETTLED)
    assert shown(memory, GOOD)
    assert memory.sight("files", BAD, 1.0)
    assert memory.must_close is False  # nobody is told here
    assert not shown(memory, GOOD)
    assert word(memory) == UNWRITTEN
    assert not memory.sight("files", BAD, 2.0)


@pytest.mark.requirement("SIDE-060")
def test_a_version_that_cannot_be_graded_closes_its_item_and_one_that_is_open_closes_nothing():
    memory = knows(OPENED)
    assert not memory.close("files", GOOD, 1.0)
    assert not memory.close("files", tool("x", "unknown"), 1.0)
    assert memory.close("files", tool("new"), 1.0)
    assert not shown(memory, GOOD)


@pytest.mark.requirement("SIDE-060")
def test_what_was_shut_opens_once_the_store_knows_what_shut_it_and_says_so():
    memory = knows(OPENED)
    flagged = tool("light")
    memory.close("files", flagged, 1.0)
    memory.take(Changes(2, (2, "b" * 64), standings=[standing((flagged, State.FLAGGED), (GOOD, State.APPROVED))]))
    memory.written("files", [flagged], 2.0)
    assert shown(memory, flagged)
    memory.close("files", BAD, 3.0)
    memory.take(Changes(3, (3, "c" * 64), standings=[DRIFTED]))
    memory.written("files", [BAD], 4.0)
    assert not shown(memory, GOOD)
    assert word(memory) == "quarantined"


@pytest.mark.requirement("SIDE-060")
def test_what_was_shut_and_never_written_opens_when_the_open_version_stayed_alone_long_enough():
    memory = knows(OPENED)
    memory.close("files", BAD, 0.0)
    memory.sight("files", GOOD, SETTLE - 1)
    assert not shown(memory, GOOD)
    memory.sight("files", BAD, SETTLE)
    memory.sight("files", GOOD, 2 * SETTLE - 1)
    assert not shown(memory, GOOD)
    memory.sight("files", GOOD, 2 * SETTLE)
    assert shown(memory, GOOD)


@pytest.mark.requirement("SIDE-030")
def test_what_opens_is_shown_once_guards_know_and_what_closes_is_hidden_before():
    memory = knows(tells_guards=True)
    memory.guards_know(memory.view)
    memory.take(Changes(2, (2, "b" * 64), standings=[OPENED]))
    assert not shown(memory, GOOD)
    memory.guards_know(memory.view)
    assert shown(memory, GOOD)
    before = memory.view_of("files")
    memory.close("files", BAD, 1.0)
    assert memory.must_close
    assert not shown(memory, GOOD)
    assert memory.view_of("files") != before
    memory.guards_know(memory.view)
    assert not memory.must_close


@pytest.mark.requirement("SIDE-061")
def test_a_node_that_starts_knows_what_its_last_snapshot_said():
    light = tool("light")
    before = knows(
        standing((light, State.FLAGGED), (GOOD, State.APPROVED)),
        standing((tool("x", "gone"), State.REJECTED), name="gone", opened=False),
        standing((tool("y", "shut"), State.APPROVED), name="shut"),
    )
    before.close("files", tool("z", "shut"), 1.0)
    memory = Memory(SETTLE, tells_guards=True)
    memory.recall(before.freeze().snapshot("1"), 0.0)
    assert (memory.generation, memory.head) == (-1, (1, "a" * 64))
    assert shown(memory, light)
    assert shown(memory, GOOD)
    assert shown(memory, tool("x", "gone")) is False
    assert not shown(memory, tool("y", "shut"))
    assert memory.freeze().snapshot("1").to_values() == before.freeze().snapshot("1").to_values()
    # What was shut and never written stays so when the store is read that still has it open.
    memory.take(Changes(1, (1, "a" * 64), standings=[standing((tool("y", "shut"), State.APPROVED), name="shut")]))
    memory.guards_know(memory.view)
    assert not shown(memory, tool("y", "shut"))


@pytest.mark.requirement("PIN-013")
def test_a_foreign_server_is_one_to_guards_and_after_a_start_without_the_store():
    memory = knows(OPENED)
    assert not memory.freeze().snapshot("1").servers["files"].foreign
    memory.take(Changes(2, (2, "b" * 64), settings={"files": '{"trust":"foreign"}'}))
    told = memory.freeze().snapshot("1")
    assert told.servers["files"].foreign
    again = Memory(SETTLE, tells_guards=True)
    again.recall(told, 0.0)
    assert again.is_foreign("files")
    assert again.freeze().snapshot("1").servers["files"].foreign
    # A word of another release says nothing that guards of this one could ask for.
    again.take(Changes(3, (3, "c" * 64), settings={"files": '{"trust":"stranger"}'}))
    assert not again.is_foreign("files")


@pytest.mark.requirement("STORE-021")
def test_what_was_closed_and_another_store_does_not_know_stays_closed():
    rejected = standing((BAD, State.REJECTED), opened=False)
    memory = knows(rejected, standing((tool("b", "b"), State.APPROVED), name="b"))
    opened = standing((tool("b", "b"), State.APPROVED), name="b")
    assert memory.contradicted([OPENED, opened]) == [("files", ItemKind.TOOL, "read")]
    memory.take(Changes(1, (1, "f" * 64), follows=False, accepted=True, standings=[]))
    assert word(memory) == "rejected"
    assert word(memory, "b") is None
    assert (ItemKind.TOOL, "read") in memory.closed_before("files")
    snapshot = memory.freeze().snapshot("1")
    assert snapshot.refusal("files", Kind.TOOL, "read") == "rejected"
    memory.take(Changes(2, (2, "f" * 64), standings=[OPENED]))
    assert (ItemKind.TOOL, "read") not in memory.closed_before("files")
