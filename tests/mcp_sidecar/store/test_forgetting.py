"""What is no longer kept: items that change at every look, servers that have too much."""

from __future__ import annotations

import pytest

from mcp_core.pins.states import State
from mcp_sidecar.store import forget
from mcp_sidecar.store.chain import CHANGES_OFTEN, FORGOTTEN


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(forget, "OFTEN", 3)
    monkeypatch.setattr(forget, "MOST_OF_ITEM", 6)
    monkeypatch.setattr(forget, "KEPT_OF_ITEM", 3)


def dated(notes, day):
    return notes.tool(description=f"Reads the notes of day {day}.")


@pytest.mark.requirement("STORE-020")
@pytest.mark.usefixtures("small")
def test_an_item_that_changes_at_every_look_goes_on_being_seen_and_told_of(store, notes):
    told = []
    for day in range(40):
        news = notes.see(store, dated(notes, day), at=1000 + day * 1000)
        assert any(one.action == "seen" and one.digest == dated(notes, day).digest for one in news)
        told += [day for one in news if one.action == CHANGES_OFTEN]
        assert len(store.standing(notes.id()).versions) <= 6 + 1
    # When it was noticed, and at each forgetting.
    assert told[0] == 2
    assert len(told) > 5
    standing = store.standing(notes.id())
    assert not standing.open
    # The version that changes are weighed against is the one that was approved.
    assert [version.digest for version in standing.versions if version.state is State.APPROVED] == [
        dated(notes, 0).digest
    ]
    assert any(one.action == FORGOTTEN for one in store.history(notes.id()))
    assert store.verify().problem is None
    store.decide(notes.id(), State.APPROVED, reviewer="ada", why="read it", now=50_000_000)
    assert store.standing(notes.id()).open


@pytest.mark.requirement("STORE-020")
@pytest.mark.usefixtures("small")
def test_what_a_reviewer_decided_is_never_forgotten(store, notes):
    for day in range(3):
        notes.see(store, dated(notes, day), at=1000 + day)
    store.decide(notes.id(), State.REJECTED, reviewer="ada", why="no", now=1, digest=dated(notes, 1).digest)
    store.decide(notes.id(), State.APPROVED, reviewer="ada", why="yes", now=1, digest=dated(notes, 2).digest)
    for day in range(3, 40):
        notes.see(store, dated(notes, day), at=1000 + day)
    states = {version.digest: version.state for version in store.standing(notes.id()).versions}
    assert states[dated(notes, 1).digest] is State.REJECTED
    assert states[dated(notes, 2).digest] is State.APPROVED
    notes.see(store, dated(notes, 1), at=2000)
    assert not store.standing(notes.id()).open


@pytest.mark.requirement("STORE-020")
@pytest.mark.usefixtures("small")
def test_many_versions_in_one_answer_leave_the_item_closed_and_the_chain_whole(store, notes):
    notes.see(store, notes.tool())
    notes.see(store, *(dated(notes, day) for day in range(50)), at=1001)
    standing = store.standing(notes.id())
    assert not standing.open
    assert len(standing.versions) <= 6 + 1
    assert store.verify().problem is None


@pytest.mark.requirement("STORE-020")
@pytest.mark.usefixtures("small")
def test_a_forgotten_version_is_graded_again_when_it_comes_back(store, notes):
    for day in range(20):
        notes.see(store, dated(notes, day), at=1000 + day)
    assert dated(notes, 1).digest not in {version.digest for version in store.standing(notes.id()).versions}
    (news,) = [one for one in notes.see(store, dated(notes, 1), at=1100) if one.action == "seen"]
    assert (news.grade.state, news.grade.reason) == (State.QUARANTINED, "drift")


@pytest.mark.requirement("STORE-020")
@pytest.mark.usefixtures("small")
def test_an_item_with_many_versions_says_so_in_review(store, notes):
    for day in range(2):
        notes.see(store, dated(notes, day), at=1000 + day)
    assert not store.standing(notes.id()).changes_often
    for day in range(30):
        notes.see(store, dated(notes, day), at=1100 + day)
    assert sum(version.reason != "reviewed" for version in store.standing(notes.id()).versions) >= forget.OFTEN


@pytest.mark.requirement("STORE-006")
def test_no_server_fills_the_disk_and_what_it_sends_beyond_is_left_out(store, notes, monkeypatch):
    monkeypatch.setattr(forget, "MOST_VERSIONS", 5)
    notes.see(store, *(notes.tool(f"tool{number}") for number in range(9)))
    assert sum(len(one.versions) for one in store.standings()) == 5
    # Items are never forgotten whole: they would come back as if they were new.
    notes.see(store, notes.tool("another"), at=1001)
    assert {one.id.name for one in store.standings()} == {f"tool{number}" for number in range(5)}
    notes.see(store, notes.tool("another"), server="other")
    assert store.standing(notes.id("another", server="other")).open


@pytest.mark.requirement("STORE-006")
def test_old_versions_make_room_for_new_items(store, notes, monkeypatch):
    for day in range(5):
        notes.see(store, dated(notes, day), at=1000 + day)
    monkeypatch.setattr(forget, "MOST_VERSIONS", 5)
    notes.see(store, notes.tool("another"), at=1100)
    assert store.standing(notes.id("another")).open
    assert not store.standing(notes.id()).open
    assert store.verify().problem is None


@pytest.mark.requirement("STORE-006")
def test_large_contents_are_counted_too(store, notes, monkeypatch):
    monkeypatch.setattr(forget, "MOST_SIZE", 1000)
    notes.see(store, notes.tool("small"), notes.tool("large", "word " * 200))
    assert {standing.id.name for standing in store.standings()} == {"small"}


@pytest.mark.requirement("STORE-006")
def test_what_changed_after_a_generation_is_all_that_is_read(store, notes):
    notes.see(store, notes.tool("a"), notes.tool("b"))
    notes.see(store, notes.tool("c"), server="other")
    since = store.generation()
    assert store.changes(since).standings == ()
    notes.see(store, notes.tool("a", "Changed."), at=1001)
    (changed,) = store.changes(since).standings
    assert (changed.id.name, len(changed.versions), changed.open) == ("a", 2, False)
    store.decide(notes.id("b"), State.REJECTED, reviewer="ada", why="", now=1)
    assert {standing.id.name for standing in store.changes(since).standings} == {"a", "b"}
    assert len(store.changes().standings) == 3
