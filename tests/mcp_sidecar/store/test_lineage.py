"""Whether a store is the one that a node knew."""

from __future__ import annotations

import pytest

from mcp_core.pins.states import State
from mcp_core.scan import ItemKind
from mcp_sidecar.store.engine import StoreError, StoreGoneError
from mcp_sidecar.store.lineage import AlreadyFollowsError
from mcp_sidecar.store.store import Store


def accept(store, head):
    store.accept(head, reviewer="ada", why="restored from the backup of Monday", now=1)


@pytest.mark.requirement("STORE-021")
def test_a_store_that_goes_on_follows_what_a_node_knew(store, notes):
    empty = store.changes()
    assert empty.head[0] == 0
    notes.see(store, notes.tool())
    head = store.changes().head
    notes.see(store, notes.tool("write"))
    assert store.changes(-1, empty.head).follows
    assert store.changes(-1, head).follows
    with pytest.raises(AlreadyFollowsError, match="nothing is to be accepted"):
        accept(store, head)


@pytest.mark.requirement("STORE-021")
@pytest.mark.parametrize("seq", [1, 2, 999])
def test_another_store_says_nothing_of_itself_until_a_person_accepts_it(store, notes, seq):
    notes.see(store, notes.tool(), notes.tool("write"))
    known = (seq, "f" * 64)
    before = store.changes(-1, known)
    assert (before.follows, before.accepted, before.standings) == (False, False, ())
    accept(store, known)
    after = store.changes(5, known)
    assert (after.follows, after.accepted, len(after.standings)) == (False, True, 2)
    # What was accepted is this one: another loss is another decision.
    assert not store.changes(-1, (seq, "e" * 64)).accepted
    assert store.verify().problem is None


@pytest.mark.requirement("STORE-021")
def test_what_was_closed_before_is_closed_in_a_store_that_takes_its_place(store, notes):
    notes.see(store, notes.tool("a"), notes.tool("b"))
    (news,) = store.close_items([("notes", ItemKind.TOOL, "a"), ("notes", ItemKind.TOOL, "unknown")], 1)
    assert (news.name, news.grade.state, news.grade.reason) == ("a", State.QUARANTINED, "closed-before")
    assert {one.id.name: one.open for one in store.standings()} == {"a": False, "b": True}
    assert store.verify().problem is None
    store.decide(notes.id("a"), State.APPROVED, reviewer="ada", why="read it", now=2)
    assert store.standing(notes.id("a")).open


@pytest.mark.requirement("STORE-021")
def test_nothing_is_made_where_a_known_store_is_gone(empty_address, tmp_path):
    before = list(tmp_path.iterdir())
    with pytest.raises(StoreError, match=r"is empty|there is no store"):
        Store(empty_address, migrate=True, create=False)
    assert list(tmp_path.iterdir()) == before


@pytest.mark.requirement("STORE-022")
@pytest.mark.parametrize("deed", ["delete", "replace"])
def test_a_file_that_is_taken_away_is_noticed_by_who_only_reads(tmp_path, notes, deed):
    path = tmp_path / "store.db"
    store = Store(str(path), migrate=True)
    notes.see(store, notes.tool())
    since = store.generation()
    path.unlink()
    if deed == "replace":
        Store(str(path), migrate=True).close()
    with pytest.raises(StoreGoneError, match="taken away or replaced"):
        store.changes(since)
    store.close()
