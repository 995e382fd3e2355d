"""When so much is under way on a connection that it is time to wait."""

from __future__ import annotations

import pytest

from kong_pluginserver.ledger import EMPTY_REPLY, Ledger

MOST_CALLS, MOST_BYTES = 128, 65536


@pytest.mark.parametrize("sent", [0, 1, 64, MOST_CALLS])
def test_calls_that_are_not_answered_count_whether_they_were_sent_or_not(sent):
    ledger = Ledger()
    for number in range(MOST_CALLS):
        ledger.queue(b"x", EMPTY_REPLY)
        if number + 1 == sent:
            ledger.take_unsent()
    assert not ledger.full
    ledger.queue(b"x", EMPTY_REPLY)
    assert ledger.full
    if sent:
        ledger.settle(b"")
        assert not ledger.full


def test_what_is_sent_takes_no_more_room():
    ledger = Ledger()
    ledger.queue(b"x" * MOST_BYTES, EMPTY_REPLY)
    assert not ledger.full
    ledger.queue(b"x", EMPTY_REPLY)
    assert ledger.full
    ledger.take_unsent()
    assert not ledger.full


def test_what_kong_owes_alone_can_be_too_much():
    ledger = Ledger()
    for _ in range(MOST_CALLS + 1):
        ledger.queue(b"x", EMPTY_REPLY)
    ledger.take_unsent()
    assert ledger.full
    ledger.settle(b"")
    assert not ledger.full
