"""Who is written down when."""

from __future__ import annotations

import pytest

from mcp_core.scan import ItemKind
from mcp_sidecar.store.sightings import Sighting
from mcp_sidecar.surface import budget, turns
from mcp_sidecar.surface.turns import Turns


def tools(count, server="a", text=""):
    return [Sighting.of(ItemKind.TOOL, f"{server}{n}", {"name": f"{server}{n}", "x": text}) for n in range(count)]


def drain(line):
    parts = []
    while (part := line.take()) is not None:
        parts.append(part)
        line.done(part)
    return parts


@pytest.mark.requirement("SIDE-062")
def test_a_server_with_much_to_say_keeps_no_other_waiting_for_more_than_a_slice():
    line = Turns()
    line.add("flood", 0.0, news=tools(1000))
    assert line.take().server == "flood"
    line.add("quiet", 0.0, news=tools(3))
    line.add("third", 0.0, news=tools(300))
    assert [part.server for part in (line.take() for _ in range(4))] == ["flood", "quiet", "third", "flood"]


@pytest.mark.requirement("SIDE-062")
def test_versions_of_known_items_come_before_new_ones_whatever_the_order():
    line = Turns()
    line.add("a", 0.0, news=tools(500), dates=tools(1, "date"))
    line.add("a", 0.0, changes=tools(1, "changed"))
    parts = drain(line)
    assert parts[0].sightings[0].name == "changed0"
    assert parts[-1].sightings[-1].name == "date0"
    assert sum(len(part.waiting) for part in parts) == 502
    assert all(len(part.waiting) <= turns.SLICE for part in parts)


@pytest.mark.requirement("SIDE-062")
def test_large_versions_make_small_slices():
    line = Turns()
    line.add("a", 0.0, news=tools(5, text="x" * turns.SLICE_SIZE))
    assert [len(part.waiting) for part in drain(line)] == [1] * 5


@pytest.mark.requirement("SIDE-062")
def test_a_server_has_a_budget_by_minute_and_others_have_their_own():
    line = Turns()
    fresh = tools(2 * budget.AT_ONCE)
    _, left_out = line.add("a", 0.0, news=fresh)
    assert left_out == fresh[budget.AT_ONCE :]
    assert line.add("b", 0.0, news=fresh[:10])[1] == []
    # What waits already costs nothing more.
    assert line.add("a", 0.0, news=fresh[:10])[1] == []
    drain(line)
    assert len(line.add("a", 60.0, news=fresh)[1]) == len(fresh) - budget.A_MINUTE


@pytest.mark.requirement("SIDE-062")
def test_characters_have_a_budget_too():
    line = Turns()
    fresh = tools(40, text="x" * 1024 * 1024)
    _, left_out = line.add("a", 0.0, news=fresh)
    assert 0 < len(fresh) - len(left_out) < 32


@pytest.mark.requirement("SIDE-062")
def test_who_waits_is_told_when_all_that_was_brought_is_written_or_given_up():
    line = Turns()
    ticket, _ = line.add("a", 0.0, news=tools(150))
    part = line.take()
    line.done(part)
    assert not ticket.over.is_set()
    part = line.take()
    assert line.completes(part)
    line.done(part)
    assert ticket.over.is_set()
    ticket, _ = line.add("a", 0.0, news=tools(5, "more"))
    part = line.take()
    line.put_back(part)
    line.give_up()
    assert ticket.over.is_set()
    assert [sighting.name for sighting in line.take().sightings] == [tool.name for tool in tools(5, "more")]


@pytest.mark.requirement("SIDE-062")
def test_what_waits_too_long_is_told_also_while_it_is_graded():
    line = Turns()
    line.add("a", 5.0, changes=tools(turns.SLICE + 1))
    part = line.take()
    assert list(line.overdue(4.0)) == []
    assert len(list(line.overdue(5.0))) == turns.SLICE + 1
    line.graded(part)
    assert len(list(line.overdue(5.0))) == 1


@pytest.mark.requirement("SIDE-062")
def test_names_of_the_same_answer_are_known_in_every_slice():
    line = Turns()
    line.add("a", 0.0, news=tools(150))
    assert "a149" in line.take().siblings
