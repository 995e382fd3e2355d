"""A replica goes out and comes back by what probes find, and not at the first of them."""

import pytest

from mcp_core.health.probe import Sign
from mcp_core.health.rotation import (
    CALM_SECONDS,
    JITTER,
    LONGEST,
    LONGEST_WAIT,
    MOST_WELL,
    RECENT,
    SUSPECT,
    TIMEOUT,
    Rotation,
    pause,
)

WELL, ILL = Sign(well=True, word="ok"), Sign(well=False, word="timeout")
BOUND = 10.0


def findings_until(rotation, finding, inside, now=0.0):
    for count in range(1, 100):
        rotation.found(finding, now + count)
        if rotation.inside is inside:
            return count
    raise AssertionError(rotation)


@pytest.mark.requirement("HEALTH-002")
def test_one_bad_answer_is_no_outage():
    rotation = Rotation()
    assert not rotation.found(ILL, 1.0)
    assert rotation.inside
    assert rotation.suspect
    rotation.found(WELL, 2.0)
    assert not rotation.suspect
    for number in range(3, 3 + RECENT):
        rotation.found(WELL, number)
    assert not rotation.found(ILL, 9.0)
    assert rotation.inside


@pytest.mark.requirement("HEALTH-002")
def test_two_in_a_row_take_it_out_and_two_bring_it_back():
    rotation = Rotation()
    assert findings_until(rotation, ILL, inside=False) == 2
    assert rotation.word == "timeout"
    assert findings_until(rotation, WELL, inside=True, now=10) == 2


@pytest.mark.requirement("HEALTH-003")
@pytest.mark.parametrize("replicas", [1, 2, 3, 4])
def test_whatever_the_moment_it_is_out_and_back_in_time_and_costs_less_than_a_question_a_second(replicas):
    rotation, longest = Rotation(), 1.0
    usual = pause(rotation, WELL, replicas, longest)
    assert replicas / pause(rotation, WELL, replicas, 0.5) < 1
    rotation.found(ILL, 1.0)
    again = pause(rotation, ILL, replicas, longest)
    assert again == pytest.approx(SUSPECT * (1 + JITTER / 2))
    # It begins to hang just after a probe: a pause, a probe that waits in vain, another pause, another such probe.
    assert usual + TIMEOUT + again + TIMEOUT < BOUND
    rotation.found(ILL, 2.0)
    usual_out = pause(rotation, ILL, replicas, longest)
    rotation.found(WELL, 3.0)
    assert usual_out + TIMEOUT + pause(rotation, WELL, replicas, longest) + TIMEOUT < BOUND


@pytest.mark.requirement("HEALTH-004")
def test_one_that_flaps_must_be_well_for_longer_each_time_and_is_trusted_again_after_a_calm_while():
    rotation, now, needed = Rotation(), 1.0, []
    for _ in range(5):
        findings_until(rotation, ILL, inside=False, now=now)
        needed.append(findings_until(rotation, WELL, inside=True, now=now + 5))
        now += 20
    assert needed == [2, 4, 8, 8, 8]
    assert max(needed) == MOST_WELL
    rotation.found(WELL, now + CALM_SECONDS)
    findings_until(rotation, ILL, inside=False, now=now + 2 * CALM_SECONDS)
    assert findings_until(rotation, WELL, inside=True, now=now + 2 * CALM_SECONDS + 5) == 2


@pytest.mark.requirement("HEALTH-004")
def test_one_that_is_well_every_other_time_is_taken_out_and_stays_out():
    rotation = Rotation()
    moved = [rotation.found(finding, float(number)) for number, finding in enumerate([ILL, WELL] * 20, start=1)]
    assert (moved.index(True), sum(moved), rotation.inside) == (2, 1, False)


@pytest.mark.requirement("HEALTH-005")
def test_a_retry_after_is_kept_while_a_replica_is_well_and_believed_for_a_minute_at_most():
    busy = Sign(well=True, word="busy", wait=30.0)
    assert pause(Rotation(), busy, 1, 0.5) == 30.0
    assert pause(Rotation(), Sign(well=True, word="busy", wait=1e9), 1, 0.5) == LONGEST_WAIT
    assert pause(Rotation(inside=False), Sign(well=False, word="status-5xx", wait=1e9), 9, 0.5) == LONGEST
