"""Which requests are counted already."""

from itertools import count, islice

import pytest

from bench.measure import least
from mcp_sidecar.telemetry.known import KnownIds

pytestmark = pytest.mark.requirement("TEL-008")


def test_the_latest_ids_are_known_and_no_more_than_one_batch_beyond_them():
    known = KnownIds(10)
    for first in range(0, 30, 4):
        known.add([str(number) for number in range(first, min(first + 4, 30))])
        known.add(())
    assert [number for number in range(30) if str(number) in known] == list(range(20, 30))
    assert len(known) == 10
    known.add(["x"])
    assert ("20" in known, len(known)) == (True, 11)


def test_an_id_costs_as_much_after_many_as_at_first():
    known, ids = KnownIds(20_000), map(str, count())

    def more():
        known.add(list(islice(ids, 400)))

    at_first = least(more, 50, 1)
    least(more, 100, 1)
    assert least(more, 50) < 10 * at_first
