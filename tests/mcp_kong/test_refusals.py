"""A caller may be refused so often in a minute; then it hears 429. What is allowed is not counted."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest
from kong_side import ANN, ANNS_HEADERS, CONFIG, KongSide
from test_old_transport import sealed

from mcp_kong import guard as guards
from mcp_kong.guard import Guard
from mcp_kong.refusals import Refusals

HEADERS = {"content-type": "application/json", "mcp-protocol-version": "2025-11-25"}
BOB = {"id": "c-2", "username": "bob", "tags": []}
LIMITED = CONFIG | {"limits": {"refusals": 2}}
ANY_METHOD = {"id": "r-2", "methods": None}


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The guard's monotonic clock, which the test moves."""
    clock = SimpleNamespace(now=1_000_030.5)
    monkeypatch.setattr(guards.time, "monotonic", lambda: clock.now)
    return clock


def send(guard, name="shut", consumer=ANN, headers=HEADERS, message=None, **request):
    called = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}}
    known = ANNS_HEADERS if consumer is ANN else {}
    side = KongSide(
        json.dumps(called if message is None else message).encode(), headers | known, consumer=consumer, **request
    )
    guard.access(side.pdk)
    return side


@pytest.mark.requirement("GUARD-042")
def test_the_refusal_behind_the_limit_says_when_to_come_back():
    guard = Guard(LIMITED)
    assert [send(guard).exit[0] for _ in range(2)] == [200, 200]
    side = send(guard)
    status, body, headers = side.exit
    assert (status, headers["Retry-After"]) == (429, "50")
    assert json.loads(body)["error"]["code"] == -32004
    assert json.loads(body)["id"] == 1
    said = dict(side.arguments("log.set_serialize_value"))["mcp"]
    assert (said["outcome"], said["reason"]) == ("limited", "too-many")
    assert (said["refusals"], said["principal"], said["name"]) == (3, "ann", "shut")


@pytest.mark.requirement("GUARD-042")
def test_what_is_allowed_passes_meanwhile_and_is_not_counted():
    guard = Guard(LIMITED)
    assert all(send(guard, "open").exit is None for _ in range(5))
    assert [send(guard).exit[0] for _ in range(3)] == [200, 200, 429]
    assert send(guard, "open").exit is None


@pytest.mark.requirement("GUARD-042")
def test_one_caller_does_not_use_up_anothers():
    guard = Guard(LIMITED)
    assert [send(guard).exit[0] for _ in range(3)][-1] == 429
    assert send(guard, consumer=BOB).exit[0] == 200
    assert send(guard, consumer=None).exit[0] == 200


@pytest.mark.requirement("GUARD-042")
def test_where_nobody_authenticates_an_address_is_a_caller():
    guard = Guard(LIMITED)
    sides = [send(guard, consumer=None) for _ in range(3)]
    assert [side.exit[0] for side in sides] == [200, 200, 429]
    assert "client.get_forwarded_ip" in sides[0].names()


@pytest.mark.requirement("GUARD-042")
def test_a_new_minute_begins_anew(clock):
    guard = Guard(LIMITED)
    assert [send(guard).exit[0] for _ in range(3)][-1] == 429
    clock.now += 60
    assert send(guard).exit[0] == 200


@pytest.mark.requirement("GUARD-042")
@pytest.mark.parametrize(
    ("headers", "message", "status"),
    [
        pytest.param({"mcp-affinity": "x"}, None, 400, id="a header"),
        pytest.param({}, [], 400, id="no message"),
        pytest.param({"mcp-session-id": "guess"}, None, 200, id="a session and a denied name"),
    ],
)
def test_every_kind_of_refusal_counts(headers, message, status):
    guard = Guard(LIMITED)
    sides = [send(guard, headers=HEADERS | headers, message=message) for _ in range(3)]
    assert [side.exit[0] for side in sides] == [status, status, 429]


@pytest.mark.requirement("GUARD-042")
def test_notifications_that_nobody_knows_and_what_the_operator_must_mend_do_not_count():
    guard = Guard(LIMITED)
    note = {"jsonrpc": "2.0", "method": "notifications/vendor"}
    assert [send(guard, message=note).exit[0] for _ in range(5)] == [202] * 5
    listed = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert [send(guard, message=listed, knows_upstreams=False).exit[0] for _ in range(5)] == [503] * 5


@pytest.mark.requirement("GUARD-042")
def test_on_the_transport_of_2024_11_05_the_limit_answers_the_post_itself():
    guard = Guard(LIMITED)
    headers = {"content-type": "application/json"}
    target = f"/notes/messages?session_id={sealed(opened=time.time())}"
    sides = [send(guard, headers=headers, target=target, route=ANY_METHOD) for _ in range(3)]
    assert [side.exit and side.exit[0] for side in sides] == [None, None, 429]


@pytest.mark.requirement("GUARD-042")
def test_any_number_of_callers_takes_bounded_room():
    now = SimpleNamespace(at=0.0)
    refusals = Refusals(lambda: now.at)
    for number in range(10_000):
        assert refusals.count(str(number))[0] == 1
    assert [refusals.count(str(number))[0] for number in range(10_000, 10_003)] == [1, 2, 3]
    assert refusals.count("5")[0] == 2
    now.at = 59.9
    assert refusals.count("5") == (3, 1)
    now.at = 60.0
    assert refusals.count("5") == (1, 60)
