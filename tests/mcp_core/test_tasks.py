from __future__ import annotations

import copy
import json

import pytest
from core_cases import KNOWS_TASKS, META, call, legacy, modern, request, text
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_core import tasks
from mcp_core.decide import Admitted, Caller, GuardTerms, decide_endpoint_post, decide_post
from mcp_core.methods import META_RELATED_TASK, TASKS_EXTENSION, Lane
from mcp_core.outcome import Reject
from mcp_core.policy import Policy
from mcp_core.principal import NOBODY, consumer
from mcp_core.seal import SessionSealer
from mcp_core.tasks import Task, TaskSealer

KEY, OLD_KEY = b"k" * 32, b"o" * 32
SEALER = TaskSealer([KEY], AESGCM, InvalidTag)
TASK = Task("up-1", "a1")
ANN, BOB = consumer("ann"), consumer("bob")
OWN = SEALER.seal(TASK, "notes", ANN)
BOBS = SEALER.seal(TASK, "notes", BOB)
ELSEWHERE = SEALER.seal(TASK, "files", ANN)
POLICY = Policy.from_config({"tools": {"allow": ["open"]}})
CALLER = Caller(POLICY.view(NOBODY), open_task=lambda token: SEALER.open(token, "notes", ANN), held=True)
FOREIGN = [BOBS, ELSEWHERE, OWN[:-2], OWN + "A", "up-1", "", "caf\xe9", None, 7, [OWN]]


def decide(headers, message, decide=decide_post):
    return decide(GuardTerms(POLICY), CALLER, headers, text(message))


def related(token):
    return {META_RELATED_TASK: {"taskId": token}}


@pytest.mark.requirement("TASK-001")
def test_a_sealed_id_opens_for_its_principal_on_its_server_alone():
    assert SEALER.open(OWN, "notes", ANN) == TASK
    for server, principal in (("notes", BOB), ("notes", NOBODY), ("files", ANN)):
        assert SEALER.open(OWN, server, principal) is None
    assert "up-1" not in OWN


@pytest.mark.requirement("TASK-001")
def test_a_task_has_one_id_and_keys_rotate():
    assert SEALER.seal(TASK, "notes", ANN) == OWN
    assert len({OWN, BOBS, ELSEWHERE, SEALER.seal(Task("up-2", "a1"), "notes", ANN)}) == 4
    old = TaskSealer([OLD_KEY], AESGCM, InvalidTag).seal(TASK, "notes", ANN)
    assert TaskSealer([KEY, OLD_KEY], AESGCM, InvalidTag).open(old, "notes", ANN) == TASK
    assert SEALER.open(old, "notes", ANN) is None


@pytest.mark.requirement("TASK-001")
def test_an_id_for_one_purpose_is_none_for_another():
    assert SessionSealer([KEY], AESGCM, InvalidTag).open(OWN, "notes", ANN, now=0, max_age=60) is None


@pytest.mark.requirement("TASK-002")
@pytest.mark.parametrize("method", ["tasks/get", "tasks/result", "tasks/cancel", "tasks/update"])
def test_a_task_of_ones_own_is_inspected_and_any_other_does_not_exist(method):
    asks = [(legacy("2025-11-25"), {}, 200), (modern(method, OWN), {"_meta": KNOWS_TASKS}, 400)]
    for headers, meta, status in asks:
        if method == ("tasks/result" if meta else "tasks/update"):
            continue
        admitted = decide(headers, request(method, {"taskId": OWN} | meta))
        assert isinstance(admitted, Admitted), admitted
        assert (admitted.lane, admitted.name) == (Lane.INSPECT, OWN)
        for token in FOREIGN:
            named = modern(method, token if isinstance(token, str) and token.isascii() else None)
            refusal = decide(named if meta else headers, request(method, {"taskId": token} | meta))
            assert isinstance(refusal, Reject)
            assert refusal.code in ((-32602, -32020) if meta else (-32602,))
            assert refusal.http_status() == status
        assert isinstance(decide(headers, request(method, meta)), Reject)


@pytest.mark.requirement("TASK-007")
@pytest.mark.parametrize("token", [OWN, BOBS])
@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel", "tasks/update"])
def test_a_modern_agent_that_does_not_declare_tasks_is_told_so_whatever_the_task(method, token):
    refusal = decide(modern(method, token), request(method, {"taskId": token, "_meta": META}))
    assert isinstance(refusal, Reject)
    assert (refusal.code, refusal.http_status(), refusal.id) == (-32021, 400, 1)
    assert refusal.data == {"requiredCapabilities": {"extensions": {TASKS_EXTENSION: {}}}}


@pytest.mark.requirement("TASK-002")
def test_monitor_mode_opens_no_foreign_task():
    message = request("tasks/get", {"taskId": BOBS})
    assert isinstance(
        decide_post(GuardTerms(POLICY, enforce=False), CALLER, legacy("2025-11-25"), text(message)), Reject
    )


@pytest.mark.requirement("TASK-002")
def test_a_request_belongs_to_ones_own_task_only_and_a_subscription_names_no_other():
    def listen(ids, meta=KNOWS_TASKS):
        wanted = {"notifications": {"taskIds": ids}, "_meta": meta}
        return decide(modern("subscriptions/listen"), request("subscriptions/listen", wanted))

    assert listen([OWN], META).code == listen([], META).code == -32021
    assert isinstance(listen([OWN]), Admitted)
    assert isinstance(listen([]), Admitted)
    for ids in ([OWN, BOBS], [BOBS], "up-1", [None], None, {"0": OWN}):
        assert isinstance(listen(ids), Reject)
    headers = legacy("2025-11-25")
    for token in FOREIGN:
        if token is not None:  # names no task at all
            assert isinstance(decide(headers, call("open", _meta=related(token))), Reject)
    assert isinstance(decide(headers, call("open", _meta=related(OWN))), Admitted)


@pytest.mark.requirement("TASK-003")
@pytest.mark.parametrize(
    ("headers", "message", "lane"),
    [
        (legacy("2025-11-25"), call("open", task={}), Lane.INSPECT),
        (legacy("2025-11-25"), call("open", task=None), Lane.INSPECT),
        (legacy("2025-11-25"), call("open"), Lane.CALL),
        (legacy("2025-11-25"), call("open", _meta=related(OWN)), Lane.INSPECT),
        (legacy("2025-11-25"), request("ping", {"_meta": related(OWN)}), Lane.INSPECT),
        (legacy("2025-11-25"), request("ping", {"_meta": {}}), Lane.CALL),
        (modern("tools/call", "open"), call("open", _meta=KNOWS_TASKS), Lane.INSPECT),
        (modern("tools/call", "open"), call("open", _meta=META), Lane.CALL),
        (legacy("2025-11-25"), {"jsonrpc": "2.0", "id": 1, "result": {"_meta": related(OWN)}}, Lane.INSPECT),
        (legacy("2025-11-25"), {"jsonrpc": "2.0", "id": 1, "result": {"_meta": {}}}, Lane.CALL),
    ],
)
def test_what_may_carry_a_tasks_id_is_inspected(headers, message, lane):
    admitted = decide(headers, message)
    assert isinstance(admitted, Admitted), admitted
    assert admitted.lane is lane


TOLD = [
    {"result": {"taskId": "up-1", "status": "working"}},
    {"result": {"task": {"taskId": "up-1", "status": "working"}}},
    {"result": {"tasks": [{"taskId": "up-1"}, {"taskId": "up-1"}]}},
    {"result": {"content": [], "_meta": related("up-1")}},
    {"method": "notifications/tasks", "params": {"taskId": "up-1"}},
    {"method": "notifications/tasks/status", "params": {"taskId": "up-1"}},
    {"method": "notifications/message", "params": {"_meta": related("up-1")}},
    {"method": "elicitation/create", "id": 1, "params": {"_meta": related("up-1")}},
    {"method": "notifications/subscriptions/acknowledged", "params": {"notifications": {"taskIds": ["up-1"]}}},
]
NOT_TOLD = [
    {"method": "tasks/get", "id": 1, "params": {"taskId": "agents-own"}},
    {"result": {"content": [{"taskId": "text"}], "structuredContent": {"taskId": "data"}}},
    {"result": {"taskId": 7, "task": [], "tasks": {}, "_meta": {META_RELATED_TASK: "x"}}},
    {"error": {"code": 1, "message": "taskId"}},
]


@pytest.mark.requirement("TASK-004")
@pytest.mark.parametrize("message", TOLD, ids=json.dumps)
def test_the_servers_ids_are_sealed_wherever_a_server_tells_them(message):
    told = copy.deepcopy(message)
    assert tasks.seal_ids(told, lambda upstream: f"<{upstream}>")
    assert json.dumps(told) == json.dumps(message).replace("up-1", "<up-1>")


@pytest.mark.requirement("TASK-004")
@pytest.mark.parametrize("message", NOT_TOLD, ids=json.dumps)
def test_an_agents_own_ids_and_plain_data_stay(message):
    told = copy.deepcopy(message)
    assert not tasks.seal_ids(told, lambda upstream: f"<{upstream}>")
    assert told == message


@pytest.mark.requirement("TASK-004")
@pytest.mark.parametrize(
    "message",
    [
        {"method": "tasks/get", "params": {"taskId": OWN}},
        {"method": "tasks/update", "params": {"taskId": OWN, "inputResponses": {}}},
        {"method": "subscriptions/listen", "params": {"notifications": {"taskIds": [OWN]}}},
        {"method": "tools/call", "params": {"name": "open", "_meta": related(OWN)}},
        {"result": {"action": "accept", "_meta": related(OWN)}},
    ],
    ids=lambda message: message.get("method", "answer"),
)
def test_the_server_gets_its_own_ids_back(message):
    sent = copy.deepcopy(message)
    assert tasks.open_ids(sent, lambda token: SEALER.open(token, "notes", ANN)) == [(OWN, TASK)]
    assert json.dumps(sent) == json.dumps(message).replace(OWN, "up-1")


@pytest.mark.requirement("TASK-004")
def test_what_does_not_open_goes_on_as_it_is():
    message = {"result": {"_meta": related("agents-own")}}
    assert tasks.open_ids(message, lambda _token: None) == []
    assert message == {"result": {"_meta": related("agents-own")}}


@pytest.mark.requirement("TASK-005")
def test_the_listing_of_all_tasks_is_refused_and_not_offered():
    assert decide(legacy("2025-11-25"), request("tasks/list")).code == -32601
    offer = {"result": {"capabilities": {"tasks": {"list": {}, "cancel": {}}, "tools": {}}}}
    assert tasks.hide_listing(offer)
    assert offer == {"result": {"capabilities": {"tasks": {"cancel": {}}, "tools": {}}}}
    assert not tasks.hide_listing(offer)
    for other in ({}, {"result": []}, {"result": {"capabilities": {"tasks": []}}}):
        assert not tasks.hide_listing(other)


@pytest.mark.requirement("OLD-004")
def test_a_message_of_the_old_transport_is_inspected_and_only_a_legacy_one_is_taken():
    admitted = decide(legacy(), call("open"), decide_endpoint_post)
    assert isinstance(admitted, Admitted)
    assert admitted.lane is Lane.INSPECT
    assert decide(legacy(), call("shut"), decide_endpoint_post).code == -32602
    assert decide(modern("tools/call", "open"), call("open", _meta=META), decide_endpoint_post).reason == "endpoint"
    held = decide(legacy() | {"mcp-session-id": "x"}, call("open"), decide_endpoint_post)
    assert held.http_status() == 404
