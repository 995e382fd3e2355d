"""Usage in both databases: sums that only grow, and batches that are taken once."""

from collections import Counter

import pytest

from mcp_core.telemetry.tally import Counted, UsageKey
from mcp_sidecar.store.usage import UsageBatch, UsageStore

KEY = UsageKey(500_000, "notes", "tools/call", "good", "ada", "modern", "call", "passed", "", "")


def counted(calls=1, bucket=0):
    found = Counted(calls, 0, calls * 1000, calls, calls * 500, calls * 10, calls * 20, 0)
    found.buckets[bucket] = calls
    return found


@pytest.fixture
def usage(address):
    store = UsageStore(address, migrate=True)
    yield store
    store.close()


def batch(*ids, counts=None, at=1000):
    return UsageBatch(ids, at, {KEY: counted(len(ids))} if counts is None else counts)


def rows(usage, first=0, last=10**9):
    return dict(usage.rows_between(first, last))


@pytest.mark.requirement("USE-002")
def test_counts_of_one_key_add_up(usage):
    assert usage.take("node", batch("a", "b"))
    assert usage.take("node", batch("c", counts={KEY: counted(1, bucket=3)}))
    assert usage.take("other", batch("d"))
    total = rows(usage)[KEY]
    assert (total.calls, total.took, total.received, total.buckets[0], total.buckets[3]) == (4, 4000, 80, 3, 1)
    assert usage.totals("node")[KEY._replace(hour=0)].calls == 3


@pytest.mark.requirement("TEL-006")
def test_the_same_batch_is_taken_once_also_by_another_collector(usage):
    assert usage.take("node", batch("a", "b"))
    assert not usage.take("node", batch("a", "b"))
    assert not usage.take("other", batch("a", "b"))
    assert rows(usage)[KEY].calls == 2
    assert usage.take("node", batch("c", at=2000))
    assert usage.taken(10) == ["c", "a", "b"]
    assert usage.taken(2) == ["c", "a"]
    usage.forget_deliveries(2000)
    assert usage.taken(10) == ["c"]


@pytest.mark.requirement("USE-003")
def test_hours_become_days_and_days_one_sum_without_a_person_and_nothing_is_lost(usage):
    day = 24 * 20_000
    keys = [KEY._replace(hour=day + hour, principal=who) for hour in (0, 5, 24, 48) for who in ("ada", "bob")]
    for number, key in enumerate(keys):
        usage.take("node", batch(str(number), counts={key: counted(number + 1)}))
    before = usage.totals("node")
    assert usage.roll_up(day + 49, hours_kept=24, days_kept=2) == 4
    days = Counter()
    for key, one in rows(usage).items():
        days[key.hour - day, key.principal] += one.calls
    assert days == {(0, "ada"): 4, (0, "bob"): 6, (24, "ada"): 5, (24, "bob"): 6, (48, "ada"): 7, (48, "bob"): 8}
    usage.roll_up(day + 24 * 9, hours_kept=24, days_kept=2)
    assert rows(usage) == {}
    assert {key.principal for key in usage.totals("node")} == {""}
    assert (
        sum(total.calls for total in usage.totals("node").values()) == sum(one.calls for one in before.values()) == 36
    )
    assert usage.roll_up(day + 24 * 9, hours_kept=24, days_kept=2) == 0


@pytest.mark.requirement("USE-002")
def test_names_of_any_length_and_letters_are_kept(usage):
    key = KEY._replace(name="\U0001f600" * 256, principal="\ufffd" * 256)
    usage.take("node", batch("a", counts={key: counted()}))
    assert rows(usage)[key].calls == 1
