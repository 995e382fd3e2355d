"""How much of a server's traffic may be repeats, and which hints say that a call may be one."""

import pytest

from mcp_core.inspection import Inspection, Mode
from mcp_core.repeat import Budget, Share, says_repeatable


@pytest.mark.requirement("LIVE-006")
def test_on_a_bad_day_no_more_than_the_share_is_repeated():
    share = Share(0.2, most=5)
    made = 0
    for _ in range(1000):
        share.earn()
        made += share.spend()
    assert 200 <= made <= 200 + 5


@pytest.mark.requirement("LIVE-006")
def test_a_share_of_nothing_repeats_nothing():
    share = Share(0.0)
    share.earn()
    assert not share.spend()


@pytest.mark.requirement("LIVE-006")
def test_what_the_share_does_not_hold_is_not_tried_and_not_counted():
    told = []
    share = Share(1.0, most=1)
    tries = Budget(further=2).begin(lambda: 0.0, lambda: 0.5, told.append, share)
    assert tries.again("a") is not None
    assert tries.again("b") is None
    assert told == ["a"]


@pytest.mark.requirement("LIVE-005")
@pytest.mark.parametrize(
    ("annotations", "may"),
    [
        ({"readOnlyHint": True}, True),
        ({"idempotentHint": True, "destructiveHint": True}, True),
        ({}, False),
        ({"readOnlyHint": False, "idempotentHint": False}, False),
        ({"readOnlyHint": "true"}, False),
        ({"readOnlyHint": 1}, False),
        ({"readonlyhint": True}, False),
    ],
)
def test_only_a_hint_that_is_true_says_so(annotations, may):
    assert says_repeatable(annotations) is may


@pytest.mark.requirement("LIVE-005")
def test_calls_and_reads_go_through_the_sidecar_where_they_may_be_repeated_and_nothing_else_does():
    methods = ("tools/call", "resources/read", "prompts/get", "completion/complete")
    assert [Inspection(repeats=True).takes(method) for method in methods] == [True, True, False, False]
    assert [Inspection(secrets=Mode.FLAG).takes(method) for method in methods] == [True, False, True, False]
    assert not any(Inspection().takes(method) for method in methods)
