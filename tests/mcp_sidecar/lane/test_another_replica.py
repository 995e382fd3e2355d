"""What any replica can tell is asked of another one where Kong got no answer from the first."""

import json
import re

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_core.principal import consumer
from mcp_core.tasks import Task, TaskSealer

SURFACE = [
    *("initialize", "tools/list", "prompts/list", "resources/list", "resources/templates/list"),
    *("server/discover", "subscriptions/listen"),
]
NO_PEER = b'{"message":"failure to get a peer from the ring-balancer"}'


@pytest.fixture
def fails(kong, words):
    """Let Kong fail so many times, with a status, and answer then. Returns the affinity keys that it was given."""

    def fails(times, status=503, headers="", failing=""):
        failed = words.json_answer(NO_PEER, failing, status=f"{status} x")
        answer = words.json_answer(words.result("a"), headers)
        kong.play = lambda _request, connection: connection.sendall(failed if len(kong.requests) <= times else answer)

    return fails


@pytest.fixture
def counted(words):
    """Return how often a sidecar asked again for a reason, by its own metric."""

    def counted(guard, why):
        metrics = guard.sidecar.get("/metrics", {"authorization": f"Bearer {words.metrics_token}"}).body.decode()
        found = re.search(rf'^mcp_sidecar_repeats_total{{.*"{why}".*}} (.*)$', metrics, re.MULTILINE)
        return 0 if found is None else float(found[1])

    return counted


def affinities(kong):
    return [request.errand.affinity for request in kong.requests]


@pytest.mark.requirement("SIDE-009")
@pytest.mark.parametrize("times", [1, 2])
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
def test_three_replicas_are_asked_and_no_more(guard, kong, fails):
    fails(99)
    answer = guard.ask()
    assert answer.status == 503
    assert "No replica" in answer.json["error"]["message"]
    assert len(kong.requests) == 3


@pytest.mark.requirement("SIDE-042")
def test_all_reasons_to_ask_again_spend_one_budget(start, kong, words, counted):
    guard = start()
    good, failed = words.json_answer(words.result("a"), connection=""), words.json_answer(NO_PEER, status="503 x")

    def closes_what_was_kept_then_fails(_request, connection):
        if len(kong.requests) == 2:
            return None
        connection.sendall(good if len(kong.requests) == 1 else failed)
        return True

    kong.play = closes_what_was_kept_then_fails
    assert guard.ask().status == 200
    assert guard.ask().status == 503
    assert len(kong.requests) == 1 + 3
    assert (counted(guard, "connection-closed"), counted(guard, "nobody-there")) == (1, 1)


@pytest.mark.requirement("SIDE-041")
@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_says_when_to_come_back_is_not_asked_before(guard, kong, fails, status):
    fails(99, status, failing="Retry-After: 7\r\n")
    answer = guard.ask()
    assert (answer.status, answer.headers["retry-after"]) == (status, "7")
    assert len(kong.requests) == 1


@pytest.mark.requirement("SIDE-042")
@pytest.mark.parametrize("repeats", [0, 1])
def test_an_operator_can_have_less_asked_again_or_nothing(start, kong, fails, counted, repeats):
    fails(99)
    guard = start(MCP_SIDECAR_REPEATS=str(repeats))
    assert guard.ask().status == 503
    assert len(kong.requests) == 1 + repeats
    assert counted(guard, "nobody-there") == repeats


@pytest.mark.requirement("TASK-004")
def test_the_task_of_a_subscription_is_of_the_replica_that_answered(guard, kong, words):
    told = {"jsonrpc": "2.0", "method": "notifications/tasks", "params": {"taskId": "up-1", "status": "working"}}
    event = b"data: " + json.dumps(told).encode() + b"\n\n"
    failed = words.json_answer(NO_PEER, status="503 x")
    streamed = words.stream_answer(event, event)
    kong.play = lambda _request, connection: connection.sendall(failed if len(kong.requests) == 1 else streamed)
    listen = {"era": "modern", "version": "2026-07-28", "method": "subscriptions/listen", "affinity": "dead"}
    answer = guard.ask(**listen)
    token = json.loads(answer.body.decode().partition("data: ")[2].partition("\n")[0])["params"]["taskId"]
    task = TaskSealer([words.key], AESGCM, InvalidTag).open(token, "files", consumer("alice"))
    assert task == Task("up-1", affinities(kong)[1])
    assert task.affinity != "dead"


@pytest.mark.requirement("TASK-004")
def test_a_subscription_that_names_a_task_is_asked_of_its_replica_alone(guard, kong, words, fails):
    fails(99)
    token = TaskSealer([words.key], AESGCM, InvalidTag).seal(Task("up-1", "replica-9"), "files", consumer("alice"))
    wanted = {"notifications": {"taskIds": [token]}}
    body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "subscriptions/listen", "params": wanted}).encode()
    guard.ask(body, era="modern", version="2026-07-28", method="subscriptions/listen")
    assert affinities(kong) == ["replica-9"]


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
@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_session_stays_with_the_replica_that_answered(guard, kong, fails, opened, times):
    fails(times, headers="Mcp-Session-Id: upstream-1\r\n")
    token = guard.ask(method="initialize", affinity="first").headers["mcp-session-id"]
    assert opened(token).affinity == affinities(kong)[-1]
    assert (affinities(kong)[-1] == "first") is (times == 0)
