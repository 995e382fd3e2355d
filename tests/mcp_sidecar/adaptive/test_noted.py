"""What is known to be written down: bounded, and each caller's own."""

import tracemalloc

import pytest

from mcp_core.adaptive.flow import BOTH, ReadLabel
from mcp_sidecar.adaptive.noted import Noted

PRIVATE = {ReadLabel.PRIVATE}


@pytest.mark.requirement("FLOW-116")
def test_what_is_written_down_is_known_until_its_time_by_caller_and_session():
    noted = Noted()
    noted.keep("desk", "ada", "s1", PRIVATE, 100)
    assert noted.holds("desk", "ada", "s1", PRIVATE, 100)
    for other in (
        ("desk", "ada", "s1", PRIVATE, 101),
        ("desk", "ada", "s1", BOTH, 100),
        ("desk", "ada", "", PRIVATE, 100),
        ("desk", "bob", "s1", PRIVATE, 100),
        ("few", "ada", "s1", PRIVATE, 100),
    ):
        assert not noted.holds(*other)


@pytest.mark.requirement("FLOW-116")
def test_who_opens_many_sessions_forgets_his_own_alone():
    noted = Noted(most=2, of_caller=3)
    noted.keep("desk", "bob", "s", PRIVATE, 100)
    for at in range(10):
        noted.keep("desk", "ada", f"s{at}", PRIVATE, 100)
    assert noted.holds("desk", "bob", "s", PRIVATE, 100)
    assert [noted.holds("desk", "ada", f"s{at}", PRIVATE, 100) for at in (6, 7, 9)] == [False, True, True]
    noted.keep("desk", "eve", "s", PRIVATE, 100)
    assert len(noted) == 4
    assert not noted.holds("desk", "bob", "s", PRIVATE, 100)


@pytest.mark.requirement("FLOW-116")
def test_an_entry_takes_no_more_where_names_are_long():
    noted = Noted()
    tracemalloc.start()
    try:
        for at in range(100):
            noted.keep("desk", f"{at}" + "x" * 10_000, "s" * 10_000, PRIVATE, 100)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 100 * 2_000
