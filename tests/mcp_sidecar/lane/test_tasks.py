"""Task ids in the inspect lane: the server's own on one side, the principal's on the other."""

import json
import threading
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_core.principal import NOBODY, TOKEN, Principal, consumer
from mcp_core.tasks import Task, TaskSealer

STARTED = {"jsonrpc": "2.0", "id": 7, "result": {"resultType": "task", "taskId": "up-1", "status": "working"}}
LAST = "Connection: close\r\n"
"""What is never sent twice must not meet a connection that the other side has just closed."""
CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"open","task":{"ttl":1}}}'


@pytest.fixture
def sealer(words):
    return TaskSealer([words.key], AESGCM, InvalidTag)


def encoded(value):
    return json.dumps(value).encode()


@pytest.mark.requirement("TASK-004")
@pytest.mark.parametrize("enforce", [True, False])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_started_task_gets_an_id_of_its_principal(guard, kong, words, sealer, streamed, enforce):
    event = b"event: message\ndata: " + encoded(STARTED) + b"\n\n"
    kong.answers(words.stream_answer(event, headers=LAST) if streamed else words.json_answer(encoded(STARTED), LAST))
    answer = guard.ask(CALL, method="tools/call", affinity="replica-9", enforce=enforce)
    told = json.loads(answer.body.decode().partition("data: ")[2]) if streamed else answer.json
    token = told["result"]["taskId"]
    assert sealer.open(token, "files", consumer("alice")) == Task("up-1", "replica-9")
    assert told == STARTED | {"result": STARTED["result"] | {"taskId": token}}
    assert kong.requests[0].body == CALL


@pytest.mark.requirement("TASK-004")
def test_the_replica_that_has_the_task_is_asked_by_its_own_id_and_answers_by_the_agents(guard, kong, words, sealer):
    token = sealer.seal(Task("caf\xe9", "replica-9"), "files", consumer("alice"))
    body = encoded({"jsonrpc": "2.0", "id": 7, "method": "tasks/get", "params": {"taskId": token, "x": 1.5}})
    kong.answers(words.json_answer(encoded(STARTED | {"result": {"taskId": "caf\xe9", "status": "completed"}}), LAST))
    answer = guard.ask(body, method="tasks/get", headers={"mcp-name": token, "mcp-method": "tasks/get"})
    (request,) = kong.requests
    assert json.loads(request.body)["params"] == {"taskId": "caf\xe9", "x": 1.5}
    assert (request.headers["mcp-name"], request.errand.affinity) == (["=?base64?Y2Fmw6k=?="], "replica-9")
    assert answer.json["result"]["taskId"] == token


@pytest.mark.requirement("SEAL-006")
def test_the_task_of_a_tokens_subject_is_no_task_of_another(guard, kong, words, sealer):
    ann, bob = (Principal(TOKEN, name, "https://issuer.example") for name in ("ann", "bob"))
    kong.answers(words.json_answer(encoded(STARTED), LAST))
    token = guard.ask(CALL, method="tools/call", principal=ann, affinity="replica-9").json["result"]["taskId"]
    assert sealer.open(token, "files", ann) == Task("up-1", "replica-9")
    for other in (bob, consumer("ann"), NOBODY, replace(ann, issuer="https://other.example")):
        assert sealer.open(token, "files", other) is None
    body = encoded({"jsonrpc": "2.0", "id": 7, "method": "tasks/get", "params": {"taskId": token}})
    guard.ask(body, method="tasks/get", principal=bob)
    assert json.loads(kong.requests[-1].body)["params"]["taskId"] == token  # which is no task of the server


@pytest.mark.requirement("TASK-004")
def test_a_session_stays_on_its_replica_whatever_a_task_says(guard, kong, words, sealer):
    token = sealer.seal(Task("up-1", "replica-9"), "files", consumer("alice"))
    body = encoded({"jsonrpc": "2.0", "id": 7, "method": "tasks/get", "params": {"taskId": token}})
    kong.answers(words.json_answer(encoded(STARTED), LAST))
    guard.ask(body, method="tasks/get", session="s-1", affinity="replica-3")
    assert kong.requests[0].errand.affinity == "replica-3"


@pytest.mark.requirement("TASK-005")
@pytest.mark.parametrize("listed", [True, False])
def test_a_server_offers_its_list_of_tasks_only_where_the_policy_does(guard, kong, words, listed):
    offer = {"jsonrpc": "2.0", "id": 7, "result": {"capabilities": {"tasks": {"list": {}, "cancel": {}}}}}
    kong.answers(words.json_answer(encoded(offer)))
    answer = guard.ask(method="initialize", lists_tasks=listed)
    assert ("list" in answer.json["result"]["capabilities"]["tasks"]) is listed


@pytest.mark.requirement("TASK-006")
@pytest.mark.parametrize("method", ["tools/call", "tasks/result"])
def test_work_may_take_longer_than_an_answer_to_a_list(start, kong, words, method):
    guard = start(MCP_SIDECAR_ANSWER_TIMEOUT="0.2")
    waiting = threading.Event()

    def slow(_request, connection):
        waiting.wait(0.6)
        connection.sendall(words.json_answer(encoded(STARTED), LAST))

    kong.play = slow
    assert guard.ask(CALL, method=method).status == 200


@pytest.mark.requirement("TASK-006")
@pytest.mark.parametrize("method", ["tools/call", "tasks/cancel", "tasks/update"])
def test_what_does_something_is_never_asked_for_twice(guard, kong, words, method):
    kong.answers(words.json_answer(b'{"message":"no"}', LAST, status="503 Service Unavailable"))
    assert guard.ask(CALL, method=method).status == 503
    assert len(kong.requests) == 1
