"""What any replica can tell is asked of another one where Kong got no answer from the first."""

import json

import pytest

SURFACE = [
    *("initialize", "tools/list", "prompts/list", "resources/list", "resources/templates/list"),
    *("server/discover", "subscriptions/listen"),
]
NO_PEER = b'{"message":"failure to get a peer from the ring-balancer"}'


@pytest.fixture
def fails(kong, words):
    """Let Kong fail so many times, with a status, and answer then. Returns the affinity keys that it was given."""

    def fails(times, status=503, headers=""):
        failed = words.json_answer(NO_PEER, status=f"{status} x")
        answer = words.json_answer(words.result("a"), headers)
        kong.play = lambda _request, connection: connection.sendall(failed if len(kong.requests) <= times else answer)

    return fails


def affinities(kong):
    return [request.errand.affinity for request in kong.requests]


@pytest.mark.requirement("SIDE-009")
@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_list_comes_from_another_replica_where_one_does_not_answer(guard, kong, words, fails, status, times):
    fails(times, status)
    answer = guard.ask(affinity="first")
    assert (answer.status, answer.json) == (200, json.loads(words.result("a")))
    assert len(kong.requests) == times + 1
    assert affinities(kong)[0] == "first"
    assert len(set(affinities(kong))) == times + 1
    assert len({request.body for request in kong.requests}) == 1
    assert guard.line()["outcome"] == "passed"


@pytest.mark.requirement("SIDE-009")
@pytest.mark.parametrize("method", SURFACE)
def test_whatever_asks_for_a_surface_is_asked_of_another(guard, kong, fails, method):
    fails(1)
    assert guard.ask(method=method).status == 200
    assert len(kong.requests) == 2


@pytest.mark.requirement("SIDE-009")
def test_four_replicas_are_asked_and_no_more(guard, kong, fails):
    fails(99)
    answer = guard.ask()
    assert answer.status == 503
    assert "No replica" in answer.json["error"]["message"]
    assert len(kong.requests) == 4


@pytest.mark.requirement("SIDE-009")
@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"session": "upstream-1"}, id="of a session"),
        pytest.param({"session": ""}, id="of a session without a name"),
        pytest.param({"method": "tools/call"}, id="a call"),
        pytest.param({"method": "custom/charge"}, id="a method that only the policy knows"),
        pytest.param({"method": "batch"}, id="a batch"),
        pytest.param({"method": "", "http_method": "GET", "id": None}, id="a stream"),
    ],
)
def test_nothing_else_is_asked_twice(guard, kong, fails, status, asked):
    fails(99, status)
    assert guard.ask(**asked).status == status
    assert len(kong.requests) == 1


@pytest.mark.requirement("SIDE-009")
@pytest.mark.parametrize("status", [400, 404, 429, 500, 501])
def test_what_a_server_itself_says_is_its_answer(guard, kong, words, status):
    kong.answers(words.json_answer(b"no", status=f"{status} x"))
    guard.ask()
    assert len(kong.requests) == 1


@pytest.mark.requirement("SIDE-006")
@pytest.mark.requirement("SIDE-009")
@pytest.mark.parametrize("times", [0, 1, 3])
def test_a_session_stays_with_the_replica_that_answered(guard, kong, fails, opened, times):
    fails(times, headers="Mcp-Session-Id: upstream-1\r\n")
    token = guard.ask(method="initialize", affinity="first").headers["mcp-session-id"]
    assert opened(token).affinity == affinities(kong)[-1]
    assert (affinities(kong)[-1] == "first") is (times == 0)
