from __future__ import annotations

import pytest
from kong_side import ANN, ANNS_HEADERS, POST_ROUTE, KongSide

from clock import Clock
from mcp_core.principal import NOBODY, consumer
from mcp_kong.proofs import SECONDS, HttpMethods, Principals

BOB = {"id": "c-2", "username": "bob", "tags": None}


@pytest.fixture
def clock():
    return Clock(100.0)


@pytest.fixture
def principals(clock):
    return Principals(clock, one_route=True)


def ask(principals, headers=ANNS_HEADERS, consumer=ANN):
    """Return the principal, and whether Kong was asked."""
    side = KongSide(b"", headers, consumer=consumer)
    return principals.of(side.pdk, headers), side.names() == ["client.get_consumer"]


@pytest.mark.requirement("GUARD-002")
def test_kong_is_asked_once_for_the_same_headers(principals):
    ann = consumer("ann", {"readers"})
    assert ask(principals) == (ann, True)
    assert ask(principals) == (ann, False)
    assert ask(principals, ANNS_HEADERS | {"content-length": "9", "mcp-name": "x", "traceparent": "1"}) == (ann, False)


@pytest.mark.requirement("GUARD-002")
def test_an_answer_is_believed_for_seconds_only(principals, clock):
    ask(principals)
    clock.now += SECONDS
    assert ask(principals, consumer=None) == (NOBODY, True)


@pytest.mark.requirement("GUARD-002")
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"apikey": "another"}, id="another credential"),
        pytest.param({"authorization": "Basic x"}, id="one credential more"),
        pytest.param({"cookie": "session=x"}, id="a cookie more"),
        pytest.param({"x-consumer-id": "c-9"}, id="another consumer"),
        pytest.param({"x-consumer-username": "admin"}, id="another name"),
        pytest.param({"x-credential-identifier": "k-9"}, id="another credential's name"),
        pytest.param({"x-anonymous-consumer": "true"}, id="an anonymous consumer"),
        pytest.param({"x-consumer-id": ["c-1", "c-1"]}, id="the consumer twice"),
        pytest.param({"x-anything": "1"}, id="any other header"),
    ],
)
def test_other_headers_prove_nothing(principals, changed):
    ask(principals)
    assert ask(principals, ANNS_HEADERS | changed, consumer=None) == (NOBODY, True)


@pytest.mark.requirement("GUARD-002")
def test_a_header_that_came_twice_is_no_header_that_is_written_like_it(principals):
    twice, alike = ANNS_HEADERS | {"accept": ["a", "b"]}, ANNS_HEADERS | {"accept": "['a', 'b']"}
    ann = consumer("ann", {"readers"})
    assert [ask(principals, twice), ask(principals, twice)] == [(ann, True), (ann, False)]
    assert ask(principals, alike, consumer=None) == (NOBODY, True)
    assert ask(principals, ANNS_HEADERS | {"accept": "('a', 'b')"}, consumer=None) == (NOBODY, True)


@pytest.mark.requirement("GUARD-002")
@pytest.mark.parametrize("missing", ["apikey", "x-consumer-id", "x-credential-identifier"])
def test_fewer_headers_prove_nothing(principals, missing):
    ask(principals)
    fewer = {name: value for name, value in ANNS_HEADERS.items() if name != missing}
    assert ask(principals, fewer, consumer=None) == (NOBODY, True)


@pytest.mark.requirement("GUARD-002")
def test_where_no_auth_plugin_runs_kong_is_always_asked_and_knows_nobody(principals):
    for _ in range(3):
        assert ask(principals, consumer=None) == (NOBODY, True)


@pytest.mark.requirement("GUARD-002")
def test_a_guard_of_several_routes_always_asks(clock):
    principals = Principals(clock, one_route=False)
    ask(principals)
    assert ask(principals, consumer=None) == (NOBODY, True)


@pytest.mark.requirement("GUARD-002")
def test_the_memory_of_proofs_is_bounded(principals):
    for number in range(5000):
        ask(principals, ANNS_HEADERS | {"apikey": str(number)})
    assert len(principals._known) <= 1024


@pytest.mark.requirement("GUARD-002")
@pytest.mark.parametrize(
    ("consumer", "expected"),
    [
        (None, NOBODY),
        ({}, NOBODY),
        (BOB, consumer("bob")),
        ({"id": "c-3", "custom_id": "ann"}, consumer("id:c-3")),
        ({"id": "c-4", "username": None}, consumer("id:c-4")),
        ({"username": ""}, NOBODY),
        (BOB | {"tags": ["group:a", "group:b", "Group:c", "d"]}, consumer("bob", {"a", "b"})),
    ],
)
def test_a_consumer_becomes_a_principal(principals, consumer, expected):
    assert ask(principals, {}, consumer)[0] == expected


def http_method(methods, route, actual="GET"):
    side = KongSide(b"", {}, http_method=actual, route=route)
    return *methods.of(side.pdk), side.names()


@pytest.mark.requirement("GUARD-003")
def test_a_route_for_post_alone_proves_the_method_for_seconds(clock):
    methods = HttpMethods(clock, one_route=True)
    assert http_method(methods, POST_ROUTE, "POST") == ("POST", True, ["router.get_route"])
    assert http_method(methods, POST_ROUTE, "POST") == ("POST", True, [])
    clock.now += SECONDS
    changed = POST_ROUTE | {"methods": ["GET", "POST"]}
    assert http_method(methods, changed, "GET") == ("GET", False, ["router.get_route", "request.get_method"])
    assert http_method(methods, changed, "DELETE") == ("DELETE", False, ["request.get_method"])


@pytest.mark.requirement("GUARD-003")
@pytest.mark.parametrize(
    "route", [None, {}, {"methods": None}, {"methods": []}, {"methods": ["POST", "GET"]}, {"methods": ["GET"]}]
)
def test_any_other_route_proves_nothing(clock, route):
    assert http_method(HttpMethods(clock, one_route=True), route, "GET")[:2] == ("GET", False)


@pytest.mark.requirement("GUARD-003")
def test_a_guard_of_several_routes_always_asks_for_the_method(clock):
    assert http_method(HttpMethods(clock, one_route=False), POST_ROUTE, "PUT") == ("PUT", False, ["request.get_method"])
