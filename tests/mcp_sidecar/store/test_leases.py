"""Of several sidecars one has a lease, and what it tells stays when another one takes it over."""

import concurrent.futures

import pytest

from mcp_sidecar.store.store import Store

pytestmark = pytest.mark.requirement("HEALTH-007")


def take(store, holder, now, told=None):
    held = store.take_lease("probes", holder, now, 4000, told)
    return held.holder, held.told


def test_one_has_it_until_it_was_not_renewed_in_time(address):
    with_one, with_two = Store(address, migrate=True), Store(address)
    assert take(with_one, "one", 1000) == ("one", "")
    assert take(with_one, "one", 2000, "a") == ("one", "a")
    assert take(with_two, "two", 5999) == ("one", "a")
    assert take(with_two, "two", 6000) == ("two", "a")
    assert take(with_one, "one", 6001, "b") == ("two", "a")
    with_one.close()
    with_two.close()


def test_who_gives_it_up_lets_the_next_one_have_it_and_nobody_else_can(address):
    store = Store(address, migrate=True)
    take(store, "one", 1000, "a")
    store.leave_lease("probes", "two")
    assert take(store, "two", 1001) == ("one", "a")
    store.leave_lease("probes", "one")
    assert take(store, "two", 1002) == ("two", "a")
    store.close()


def test_of_many_who_ask_at_once_one_gets_it(address):
    store = Store(address, migrate=True)
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        holders = list(threads.map(lambda number: take(store, f"sidecar-{number}", 1000)[0], range(16)))
    assert len(set(holders)) == 1
    store.close()
