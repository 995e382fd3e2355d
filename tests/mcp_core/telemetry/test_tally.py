"""Exact numbers that add up, and names that are bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_core.telemetry.tally import BOUNDS, BUCKETS, HOUR_MS, OTHER, Counted, Names, fold, key_of, quantile
from mcp_core.telemetry.visit import read
from servers.kong_records import NOW, SAID, logged


def visit(name="good", took=12.5, **said):
    value = logged(said={**SAID, "name": name, **said}, latencies={"request": took, "proxy": 1})
    return read(value, NOW)[0]


@pytest.mark.requirement("TEL-004")
@given(st.lists(st.floats(0, 1_000_000), max_size=30), st.integers(0, 30))
def test_parts_add_up_to_the_whole(times, cut):
    whole, left, right = Counted(), Counted(), Counted()
    for number, took in enumerate(times):
        whole.add(visit(took=took))
        (left if number < cut else right).add(visit(took=took))
    left.merge(right)
    assert left == whole
    assert whole.calls == sum(whole.buckets) == len(times)


@pytest.mark.requirement("TEL-004")
@pytest.mark.parametrize(("seconds", "bucket"), [(0, 0), (0.01, 0), (0.0101, 1), (300, 13), (300.1, 14), (86_400, 14)])
def test_a_request_is_in_the_bucket_of_its_time(seconds, bucket):
    counted = Counted()
    counted.add(visit(took=seconds * 1000))
    assert counted.buckets.index(1) == bucket
    assert len(counted.buckets) == BUCKETS == len(BOUNDS) + 1


@pytest.mark.requirement("TEL-005")
def test_a_million_names_that_do_not_exist_take_no_place_and_are_counted():
    names = Names(items=2, principals=2)
    refused = {"outcome": "refused", "reason": "denied-item", "code": -32602}
    counts = fold([visit(f"made-up-{number}", **refused) for number in range(1000)], names)
    assert [(key.name, one.calls) for key, one in counts.items()] == [(OTHER, 1000)]
    assert [key_of(visit(one), names).name for one in ("a", "b", "c", "a")] == ["a", "b", OTHER, "a"]
    assert key_of(visit("a", **refused), names).name == "a"
    assert names.turned_away == 1001


@pytest.mark.requirement("TEL-005")
def test_principals_methods_and_resources_are_bounded_too():
    names = Names(items=2, principals=1)
    assert [key_of(visit(principal=one), names).principal for one in ("ada", "bob", "ada")] == ["ada", OTHER, "ada"]
    assert key_of(visit(method="made/up"), names).method == OTHER
    assert key_of(visit("note://1", method="resources/read"), names).name == ""
    assert key_of(visit(), names).hour == (NOW - 1000) // HOUR_MS


@pytest.mark.requirement("USE-001")
def test_quantiles_are_those_of_prometheus():
    assert quantile([0] * BUCKETS, 0.5) is None
    assert quantile([100, *[0] * (BUCKETS - 1)], 0.5) == pytest.approx(0.005)
    assert quantile([50, 50, *[0] * (BUCKETS - 2)], 0.95) == pytest.approx(0.019)
    assert quantile([*[0] * (BUCKETS - 1), 7], 0.5) == BOUNDS[-1]
