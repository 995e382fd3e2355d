"""What callers have read, in both databases."""

import shutil

import pytest

from mcp_core.adaptive.flow import BOTH, ReadLabel
from mcp_sidecar.store import flow_reads
from mcp_sidecar.store.engine import StoreError, StoreGoneError
from mcp_sidecar.store.flow_reads import FlowReads
from mcp_sidecar.store.store import Store

UNTRUSTED, PRIVATE = frozenset({ReadLabel.UNTRUSTED}), frozenset({ReadLabel.PRIVATE})


@pytest.fixture
def reads(store, address):
    assert store is not None  # who opens it has made the tables
    found = FlowReads(address)
    yield found
    found.close()


@pytest.mark.requirement("FLOW-103")
def test_what_is_read_counts_until_its_time_for_its_session_and_its_caller(reads, address):
    reads.note("desk", "ada", {"s1": 100, "": 50}, UNTRUSTED, 0)
    reads.note("desk", "ada", {"s1": 90, "": 60}, PRIVATE, 1)
    assert reads.read_by("desk", "ada", "s1", 89) == BOTH
    assert reads.read_by("desk", "ada", "s1", 90) == UNTRUSTED
    assert reads.read_by("desk", "ada", "", 49) == BOTH
    assert reads.read_by("desk", "ada", "", 50) == PRIVATE
    for other in (("desk", "ada", "s2"), ("desk", "bob", "s1"), ("few", "ada", "s1")):
        assert reads.read_by(*other, 2) == frozenset()
    another_sidecar = FlowReads(address)
    assert another_sidecar.read_by("desk", "ada", "s1", 2) == BOTH
    another_sidecar.close()


@pytest.mark.requirement("FLOW-103")
def test_reading_again_makes_it_last_longer_and_never_shorter(reads):
    reads.note("desk", "ada", {"": 100}, UNTRUSTED, 0)
    reads.note("desk", "ada", {"": 50}, UNTRUSTED, 0)
    assert reads.read_by("desk", "ada", "", 99) == UNTRUSTED
    reads.note("desk", "ada", {"": 200}, UNTRUSTED, 0)
    assert reads.read_by("desk", "ada", "", 199) == UNTRUSTED


@pytest.mark.requirement("FLOW-104")
def test_what_is_read_in_too_many_sessions_counts_in_all_of_them(reads, monkeypatch):
    monkeypatch.setattr(flow_reads, "MOST_SESSIONS", 3)
    for session in ("s1", "s2", "s3"):
        reads.note("desk", "ada", {session: 100}, UNTRUSTED, 0)
    assert reads.read_by("desk", "ada", "s4", 1) == frozenset()
    reads.note("desk", "ada", {"s4": 100}, PRIVATE, 0)
    assert reads.read_by("desk", "ada", "s4", 1) == PRIVATE
    assert reads.read_by("desk", "ada", "s1", 1) == BOTH
    assert reads.read_by("desk", "ada", "s5", 1) == PRIVATE
    assert reads.read_by("desk", "bob", "s5", 1) == frozenset()
    # What is over makes room.
    reads.note("desk", "ada", {"s6": 300}, UNTRUSTED, 200)
    assert reads.read_by("desk", "ada", "s5", 201) == frozenset()


@pytest.mark.requirement("FLOW-104")
def test_a_store_that_is_not_there_is_no_store_without_reads(tmp_path):
    reads = FlowReads(str(tmp_path / "none.db"))
    with pytest.raises(StoreError):
        reads.read_by("desk", "ada", "", 0)
    with pytest.raises(StoreError):
        reads.note("desk", "ada", {"": 1}, UNTRUSTED, 0)
    assert not (tmp_path / "none.db").exists()


@pytest.mark.requirement("FLOW-105")
def test_an_answer_is_left_for_the_sidecar_that_asked(reads, monkeypatch):
    monkeypatch.setattr(flow_reads, "MOST_ANSWERS", 2)
    assert reads.answer_to("desk", "ada", "s q1", 1) is None
    reads.leave_answer("desk", "ada", "s q1", 100, 0, yes=True)
    reads.leave_answer("desk", "ada", "s q1", 100, 0, yes=False)
    reads.leave_answer("desk", "ada", "s q2", 100, 0, yes=False)
    reads.leave_answer("desk", "ada", "s q3", 100, 0, yes=True)
    assert [reads.answer_to("desk", "ada", f"s q{at}", 1) for at in (1, 2, 3)] == [True, False, None]
    assert reads.answer_to("desk", "bob", "s q1", 1) is None
    assert reads.answer_to("few", "ada", "s q1", 1) is None
    assert reads.answer_to("desk", "ada", "s q1", 100) is None
    # They are no reads.
    assert reads.read_by("desk", "ada", "s q1", 1) == frozenset()


@pytest.mark.requirement("FLOW-113")
def test_a_yes_is_used_up_once_and_one_caller_uses_up_so_many(reads, monkeypatch):
    monkeypatch.setattr(flow_reads, "MOST_ANSWERS", 2)
    assert reads.spend("desk", "ada", "y1", 100, 0)
    assert not reads.spend("desk", "ada", "y1", 100, 0)
    assert reads.spend("desk", "bob", "y1", 100, 0)
    assert reads.spend("desk", "ada", "y2", 100, 0)
    assert not reads.spend("desk", "ada", "y3", 100, 0)
    assert reads.spend("desk", "ada", "y3", 300, 200)
    assert reads.read_by("desk", "ada", "y3", 201) == frozenset()


USES = {
    "read_by": ("desk", "ada", "", 1),
    "note": ("desk", "ada", {"": 200}, UNTRUSTED, 1),
    "answer_to": ("desk", "ada", "s q1", 1),
    "spend": ("desk", "ada", "y1", 200, 1),
}


@pytest.mark.requirement("FLOW-117")
@pytest.mark.parametrize("deed", ["move", "replace", "copy"])
@pytest.mark.parametrize("use", USES)
def test_what_was_read_is_not_forgotten_with_the_file_of_the_store(tmp_path, deed, use):
    path, away = tmp_path / "store.db", tmp_path / "away.db"
    Store(str(path), migrate=True).close()
    reads = FlowReads(str(path))
    reads.note("desk", "ada", {"": 100}, BOTH, 0)
    path.rename(away)
    if deed == "replace":
        Store(str(path), migrate=True).close()
    elif deed == "copy":
        shutil.copy(away, path)
    for _ in range(2):
        with pytest.raises(StoreGoneError, match="taken away or replaced"):
            getattr(reads, use)(*USES[use])
    away.replace(path)
    if deed == "move":
        assert reads.read_by("desk", "ada", "", 1) == BOTH
    else:
        # What stood in the file beside it may be another one's by now.
        with pytest.raises(StoreGoneError):
            getattr(reads, use)(*USES[use])
    reads.close()
