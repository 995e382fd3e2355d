"""A breaker opens for what no server answered, and for slowness; probes close it, or one request where nobody does."""

import pytest

from mcp_core.health.breaker import WINDOW, Breaker, BreakerLimits, BreakerState, Why

LIMITS = BreakerLimits(requests=20, share=0.5, slow=10.0, rest=5.0)


def note(breaker, count, *, failed=False, seconds=0.1, now=1.0, caller=None):
    for _ in range(count):
        breaker.noted(now, caller, failed=failed, seconds=seconds)


@pytest.mark.requirement("BREAK-001")
def test_few_failures_and_a_small_share_of_many_open_nothing():
    breaker = Breaker(LIMITS)
    note(breaker, 19, failed=True)
    assert breaker.admits(1.0)
    other = Breaker(LIMITS)
    note(other, 100)
    note(other, 99, failed=True)
    assert other.state(1.0) is BreakerState.CLOSED


@pytest.mark.requirement("BREAK-001")
@pytest.mark.parametrize(
    ("how", "why"), [({"failed": True}, Why.ERRORS), ({"seconds": 10.0}, Why.SLOWNESS)], ids=["errors", "slowness"]
)
def test_half_of_twenty_requests_in_the_window_open_it(how, why):
    breaker = Breaker(LIMITS)
    note(breaker, 10)
    note(breaker, 10, **how)
    assert (breaker.state(1.0), breaker.why) == (BreakerState.OPEN, why)
    assert not breaker.admits(1.0)
    assert breaker.wait(1.0) == 5


@pytest.mark.requirement("BREAK-001")
def test_what_failed_long_ago_counts_no_more():
    breaker = Breaker(LIMITS)
    note(breaker, 19, failed=True, now=1.0)
    note(breaker, 1, failed=True, now=1.0 + WINDOW + 1)
    assert breaker.state(WINDOW + 2) is BreakerState.CLOSED


@pytest.mark.requirement("BREAK-002")
def test_one_caller_opens_nothing_alone_and_two_do():
    breaker = Breaker(LIMITS)
    note(breaker, 200, failed=True, caller="mallory")
    assert breaker.state(1.0) is BreakerState.CLOSED
    note(breaker, 100, failed=True, caller="ada")
    assert breaker.state(1.0) is BreakerState.OPEN


@pytest.mark.requirement("BREAK-003")
def test_probes_close_what_is_half_open_and_no_request_is_let_through_to_find_out():
    breaker = Breaker(LIMITS)
    breaker.probed(0.0, replicas=2, well=2)
    note(breaker, 20, failed=True)
    breaker.probed(2.0, replicas=2, well=2)
    assert breaker.state(3.0) is BreakerState.OPEN
    assert (breaker.state(6.5), breaker.admits(6.5)) == (BreakerState.HALF_OPEN, False)
    breaker.probed(6.5, replicas=2, well=1)
    assert breaker.state(6.5) is BreakerState.HALF_OPEN
    breaker.probed(7.5, replicas=2, well=1)
    assert breaker.admits(7.5)


@pytest.mark.requirement("BREAK-003")
def test_no_replica_in_rotation_opens_it_and_one_that_is_back_closes_it_at_once():
    breaker = Breaker(LIMITS)
    breaker.probed(1.0, replicas=2, well=0)
    assert (breaker.state(1.0), breaker.why) == (BreakerState.OPEN, Why.NO_REPLICA)
    breaker.probed(20.0, replicas=2, well=0)
    assert breaker.state(20.0) is BreakerState.OPEN
    breaker.probed(21.0, replicas=2, well=1)
    breaker.back()
    assert breaker.admits(21.0)


@pytest.mark.requirement("BREAK-004")
@pytest.mark.parametrize("failed", [True, False])
def test_where_nobody_probes_one_request_decides(failed):
    breaker = Breaker(LIMITS)
    note(breaker, 20, failed=True)
    assert breaker.admits(6.5)
    assert not breaker.admits(6.5)
    breaker.noted(7.0, "ada", failed=failed, seconds=0.1)
    assert breaker.state(7.0) is (BreakerState.OPEN if failed else BreakerState.CLOSED)
