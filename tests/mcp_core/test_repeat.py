from __future__ import annotations

import pytest

from clock import Clock
from mcp_core.methods import METHODS, Era, Place
from mcp_core.question import Asked, Question
from mcp_core.repeat import Budget, may_ask_another, may_repeat, says_nobody_is_there

SURFACE = {
    *("initialize", "tools/list", "prompts/list", "resources/list", "resources/templates/list"),
    *("server/discover", "subscriptions/listen", "tasks/get", "tasks/result"),
    *("skills/list", "skills/get", "resources/directory/read"),
}


def question(*asked, place=Place.POST, batch=False):
    return Question(
        Era.LEGACY, "2025-11-25", place, tuple(Asked(number, one) for number, one in enumerate(asked)), batch
    )


@pytest.mark.requirement("SIDE-040")
@pytest.mark.parametrize("method", [*METHODS, "acme/charge", "tasks/list", "Tools/List", ""])
def test_what_only_asks_for_a_surface_may_be_repeated_and_nothing_else(method):
    assert may_repeat(question(method)) is (method in SURFACE)
    assert may_ask_another(question(method), bound=False) is (method in SURFACE)
    assert not may_ask_another(question(method), bound=True)


@pytest.mark.requirement("SIDE-040")
def test_a_stream_may_be_opened_twice_but_is_of_one_replica():
    for place in (Place.GET, Place.REPLAY):
        assert may_repeat(question(place=place))
        assert not may_ask_another(question(place=place), bound=False)


@pytest.mark.requirement("SIDE-040")
@pytest.mark.parametrize(
    "asked",
    [
        question(),
        question("tools/list", batch=True),
        question("tools/list", "tools/list", batch=True),
        question("tools/list", "tools/call", batch=True),
        question("tools/call", place=Place.LISTEN),
        question(place=Place.ENDPOINT),
    ],
)
def test_what_tells_something_and_what_may_hold_anything_is_not_repeated(asked):
    assert not may_repeat(asked)
    assert may_repeat(asked, "DELETE")


@pytest.mark.requirement("SIDE-041")
@pytest.mark.parametrize("status", [200, 400, 401, 404, 408, 425, 429, 500, 501, 502, 503, 504, 505])
def test_only_what_says_that_nobody_is_there_leads_elsewhere(status):
    assert says_nobody_is_there(status, retry_after=False) is (status in (502, 503, 504))
    assert not says_nobody_is_there(status, retry_after=True)


def begin(clock=None, random=0.0, told=None, **budget):
    return Budget(**budget).begin(
        clock or Clock(100.0), lambda: random, (lambda _why: None) if told is None else told.append
    )


@pytest.mark.requirement("SIDE-042")
@pytest.mark.parametrize("further", [0, 1, 2, 5])
def test_a_request_has_so_many_further_tries_in_all_and_each_is_told(further):
    told = []
    tries = begin(told=told, further=further)
    waits = [tries.again(f"why {number}") for number in range(further + 3)]
    assert [wait is not None for wait in waits] == [True] * further + [False] * 3
    assert told == [f"why {number}" for number in range(further)]


@pytest.mark.requirement("SIDE-042")
def test_pauses_grow_and_part_who_failed_together():
    shortest, longest = ([begin(random=part, further=3, pause=1.0, seconds=99).again] for part in (0.0, 1.0))
    assert [again("x") for again in shortest * 3] == [0.5, 1.0, 2.0]
    assert [again("x") for again in longest * 3] == [1.0, 2.0, 4.0]


@pytest.mark.requirement("SIDE-042")
def test_no_try_begins_when_the_time_is_over():
    clock, told = Clock(100.0), []
    tries = begin(clock, told=told, further=9, seconds=2.0, pause=1.0)
    assert tries.again("a") == 0.5
    clock.now += 1.1
    assert tries.again("b") is None  # it would begin at 2.1
    assert told == ["a"]
    clock.now += 100
    assert tries.again("c") is None


@pytest.mark.requirement("SIDE-042")
def test_a_pause_that_ends_just_when_the_time_does_is_still_taken():
    assert begin(seconds=1.0, pause=1.0, random=1.0, further=1).again("x") == 1.0
    assert begin(seconds=1.0, pause=1.125, random=1.0, further=1).again("x") is None
