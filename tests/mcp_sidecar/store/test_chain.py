from __future__ import annotations

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from mcp_core.pins.states import State
from mcp_sidecar.store.engine import open_engine, store_url


@pytest.fixture
def told(store, notes):
    """A store with some history: five entries of what was seen, one of what was decided."""
    for number in range(4):
        notes.see(store, notes.tool(f"tool{number}"), at=1000 + number)
    notes.see(store, notes.tool("tool0", "Changed."), at=1010)
    store.decide(notes.id("tool0"), State.APPROVED, reviewer="ada", why="read it", now=1_011_000)
    return store


@pytest.fixture
def tamper(address):
    """Do to the database what somebody with its password could."""
    engine = open_engine(store_url(address))

    def tamper(*statements):
        with engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.execute(text("DROP TRIGGER IF EXISTS entry_no_update"))
                connection.execute(text("DROP TRIGGER IF EXISTS entry_no_delete"))
            else:
                connection.execute(text("DROP TRIGGER IF EXISTS entry_append_only ON entry"))
            for statement in statements:
                connection.execute(text(statement))

    yield tamper
    engine.dispose()


@pytest.mark.requirement("STORE-008")
def test_an_untouched_chain_holds_and_ends_at_its_head(told):
    audit = told.verify()
    assert audit.problem is None
    assert audit.entries == 6
    assert audit.anchor == told.head()


@pytest.mark.requirement("STORE-008")
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "'eve'"),
        ("at", "1"),
        ("action", "'seen'"),
        ("server", "'other'"),
        ("kind", "'prompts'"),
        ("name", "'tool9'"),
        ("digest", f"'{'0' * 64}'"),
        ("state", "'rejected'"),
        ("why", "'because'"),
        ("detail", "'{}  '"),
        ("hash", f"'{'1' * 64}'"),
    ],
)
def test_a_changed_row_is_named_whatever_was_changed(told, tamper, column, value):
    tamper(f"UPDATE entry SET {column} = {value} WHERE seq = 6")
    assert told.verify().problem.startswith("row 6 was changed")


@pytest.mark.requirement("STORE-008")
def test_the_first_broken_row_is_named(told, tamper):
    tamper("UPDATE entry SET why = 'x' WHERE seq IN (3, 5)")
    audit = told.verify()
    assert audit.problem.startswith("row 3 was changed")
    assert audit.entries == 2


@pytest.mark.requirement("STORE-008")
@pytest.mark.parametrize("seq", range(1, 6))
def test_a_row_that_was_taken_out_is_named(told, tamper, seq):
    tamper(f"DELETE FROM entry WHERE seq = {seq}")
    assert told.verify().problem.startswith(f"row {seq} is missing")


@pytest.mark.requirement("STORE-008")
def test_a_gap_that_was_closed_is_named(told, tamper):
    tamper("DELETE FROM entry WHERE seq = 3", "UPDATE entry SET seq = 3 WHERE seq = 4")
    assert told.verify().problem.startswith("row 3 does not follow")


@pytest.mark.requirement("STORE-008")
def test_rows_that_changed_places_are_named(told, tamper):
    tamper(
        "UPDATE entry SET seq = 99 WHERE seq = 2",
        "UPDATE entry SET seq = 2 WHERE seq = 3",
        "UPDATE entry SET seq = 3 WHERE seq = 99",
    )
    assert told.verify().problem.startswith("row 2 does not follow")


@pytest.mark.requirement("STORE-009")
def test_a_missing_end_is_seen_by_the_head_row(told, tamper):
    tamper("DELETE FROM entry WHERE seq = 6")
    assert told.verify().problem == "row 6 is missing: the chain ends before its head, row 6"


@pytest.mark.requirement("STORE-009")
def test_a_missing_end_with_a_forged_head_is_seen_by_what_the_versions_say(told, tamper):
    tamper("DELETE FROM entry WHERE seq = 6", "UPDATE head SET seq = 5, hash = (SELECT hash FROM entry WHERE seq = 5)")
    problem = told.verify().problem
    assert "tool0" in problem
    assert problem.endswith("it is approved, but the chain says quarantined")


@pytest.mark.requirement("STORE-009")
def test_a_missing_end_that_was_forged_everywhere_is_seen_by_an_anchor_alone(told, tamper):
    seq, last = told.head().split(":")
    tamper(
        "DELETE FROM entry WHERE seq = 6",
        "UPDATE head SET seq = 5, hash = (SELECT hash FROM entry WHERE seq = 5)",
        "UPDATE version SET state = 'quarantined' WHERE reason = 'reviewed'",
    )
    assert told.verify().problem is None
    assert told.verify((int(seq), last)).problem == "row 6 is missing: the chain ends before the anchor, row 6"


@pytest.mark.requirement("STORE-009")
def test_a_chain_that_was_written_anew_does_not_go_through_an_old_anchor(told):
    assert told.verify((4, "0" * 64)).problem.startswith("row 4 is not the one of the anchor")
    _, last = told.head().split(":")
    assert told.verify((6, last)).problem is None


@pytest.mark.requirement("STORE-009")
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE version SET state = 'approved' WHERE state = 'flagged'", None),
        ("UPDATE version SET state = 'rejected' WHERE name = 'tool1'", "it is rejected, but the chain says approved"),
        ("UPDATE version SET content = '{}' WHERE name = 'tool1'", "its content does not have its digest"),
        ("DELETE FROM version WHERE name = 'tool1'", "1 version(s) of which the chain tells are missing"),
        ("UPDATE version SET name = 'tool7' WHERE name = 'tool1'", "no row of the chain says that it was ever seen"),
    ],
)
def test_a_version_that_stands_where_no_entry_put_it_is_named(told, tamper, statement, said):
    tamper(statement)
    problem = told.verify().problem
    assert problem is None if said is None else problem.endswith(said)


@pytest.mark.requirement("STORE-008")
@pytest.mark.parametrize("deed", ["UPDATE entry SET why = 'x'", "DELETE FROM entry"])
def test_the_database_itself_refuses_to_change_entries(told, address, deed):
    engine = open_engine(store_url(address))
    with pytest.raises(DBAPIError, match="entries are only added"), engine.begin() as connection:
        connection.execute(text(deed))
    engine.dispose()
    assert told.verify().problem is None


@pytest.mark.requirement("STORE-010")
def test_writers_on_several_nodes_do_not_fork_the_chain(open_store, notes):
    nodes = [open_store() for _ in range(4)]
    barrier = threading.Barrier(len(nodes))
    failed = []

    def write(number, node):
        try:
            barrier.wait()
            for turn in range(6):
                # All nodes see the same new version, and one of their own.
                notes.see(node, notes.tool(f"shared{turn}"), notes.tool(f"own{number}-{turn}"))
                node.decide(notes.id(f"own{number}-{turn}"), State.REJECTED, reviewer=f"r{number}", why="", now=turn)
        except Exception as error:  # noqa: BLE001 - told by the main thread
            failed.append(error)

    threads = [threading.Thread(target=write, args=pair) for pair in enumerate(nodes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    audit = nodes[0].verify()
    assert audit.problem is None
    # Every version was seen once, whichever node was first, and every decision stands.
    assert audit.entries == 6 + 2 * 6 * len(nodes)
