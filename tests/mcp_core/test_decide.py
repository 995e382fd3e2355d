from __future__ import annotations

import pytest
from core_cases import KNOWS_TASKS, LEGACY, META, MODERN, call, legacy, modern, modern_body, note, request, text

from mcp_core.answer import ServerMessages
from mcp_core.decide import Admitted, Caller, GuardTerms, decide_post
from mcp_core.methods import METHODS, SKILL_METHODS, TASK_METHODS, Era, Kind, Lane, ServerKind
from mcp_core.outcome import Reject
from mcp_core.policy import Policy
from mcp_core.principal import NOBODY
from mcp_core.seal import Session
from mcp_core.tasks import Task

POLICY = Policy.from_config(
    {
        "tools": {"allow": ["open", "pub*"], "deny": ["pub_secret"]},
        "prompts": {"allow": ["open"]},
        "resources": {"allow": ["open", "file:///pub/*"], "deny": ["file:///pub/secret"]},
        "methods": {"allow": ["x/*", "notifications/x"]},
    }
)
ENFORCE = GuardTerms(POLICY)
MONITOR = GuardTerms(POLICY, enforce=False)
SESSION = Session("notes", NOBODY, "up", "a1", 0)
TASK = Task("up", "a1")
# method -> the key that names its item
NAMING = {name: one.param for name, one in METHODS.items() if one.kind is not None and name not in SKILL_METHODS}
TASK_NAMING = dict.fromkeys(TASK_METHODS, "taskId")
COMPLETIONS = {
    "a prompt": ("ref/prompt", "name"),
    "a resource template": ("ref/resource", "uri"),
}
ERAS = [Era.LEGACY, Era.MODERN]


def decide(headers, body, guard=ENFORCE, session=None, *, held=True):
    caller = Caller(
        guard.policy.view(NOBODY),
        lambda token: session if token == "s" else None,
        lambda token: TASK if token == "open" else None,
        held=held,
    )
    return decide_post(guard, caller, headers, body)


def ask(era, method, params=None, guard=ENFORCE):
    """Send one well-formed request of an era."""
    params = params or {}
    if era is Era.LEGACY:
        return decide(legacy(), text(request(method, params)), guard)
    name = params.get((NAMING | TASK_NAMING).get(method, ""))
    return decide(modern(method, name if isinstance(name, str) else None), modern_body(method, params), guard)


@pytest.mark.requirement("POL-008")
@pytest.mark.requirement("POL-011")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", [name for name in METHODS if name not in SKILL_METHODS])
def test_each_method_takes_its_lane_in_the_eras_that_define_it(era, name):
    method = METHODS[name]
    if method.notification:
        decision = decide(legacy(MODERN if era is Era.MODERN else "2025-11-25"), text(note(name)))
    else:
        ref = {"ref": {"type": "ref/prompt", "name": "open"}} if name == "completion/complete" else {}
        declared = {"_meta": KNOWS_TASKS} if era is Era.MODERN and name in TASK_NAMING else {}
        decision = ask(era, name, ref | declared | ({method.param: "open"} if method.param else {}))
    if era in method.eras:
        assert isinstance(decision, Admitted), decision
        assert (decision.lane, decision.era, decision.method) == (method.lane, era, name)
        assert decision.name == ("open" if method.param else None)
    else:
        assert isinstance(decision, Reject)
        assert decision.http_status() == (400 if method.notification else 200 if era is Era.LEGACY else 404)


@pytest.mark.requirement("POL-006")
@pytest.mark.parametrize(
    ("era", "method"), [(era, method) for method in NAMING for era in ERAS if era in METHODS[method].eras]
)
@pytest.mark.parametrize("enforced", [True, False], ids=["enforce", "monitor"])
def test_a_denied_item_looks_exactly_like_none(era, method, enforced):
    guard = ENFORCE if enforced else MONITOR
    secret, nothing = (
        ("file:///pub/secret", "file:///no/nothin") if NAMING[method] == "uri" else ("pub_secret", "no_nothing")
    )
    denied, unknown = (ask(era, method, {NAMING[method]: name}, guard) for name in (secret, nothing))
    if not enforced:
        assert isinstance(denied, Admitted)
        assert [one.reason for one in denied.would_refuse] == ["denied-item"]
        return
    assert isinstance(denied, Reject)
    assert isinstance(unknown, Reject)
    assert denied.body().replace(secret.encode(), b"?") == unknown.body().replace(nothing.encode(), b"?")
    assert (denied.http_status(), denied.headers) == (unknown.http_status(), unknown.headers)


@pytest.mark.requirement("POL-006")
@pytest.mark.parametrize(
    ("era", "method", "code", "status"),
    [
        (Era.LEGACY, "tools/call", -32602, 200),
        (Era.MODERN, "tools/call", -32602, 400),
        (Era.LEGACY, "resources/read", -32002, 200),
        (Era.MODERN, "resources/read", -32602, 400),
    ],
)
def test_an_unknown_item_is_refused_as_its_era_refuses_it(era, method, code, status):
    refusal = ask(era, method, {NAMING[method]: "none"})
    assert isinstance(refusal, Reject)
    assert (refusal.code, refusal.http_status(), refusal.id) == (code, status, 1)


@pytest.mark.requirement("POL-006")
def test_a_refusal_does_not_give_back_a_name_of_any_length():
    for method, key in NAMING.items():
        refusal = ask(Era.LEGACY, method, {key: "n" * 100_000})
        assert isinstance(refusal, Reject)
        assert len(refusal.body()) < 1000


@pytest.mark.requirement("POL-012")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("method", ["tools/call", "prompts/get", "resources/read"])
@pytest.mark.parametrize("name", [None, 7, True, ["open"], {"open": 1}], ids=repr)
def test_a_name_that_is_no_string_is_refused_in_every_mode(era, method, name):
    for guard in (ENFORCE, MONITOR):
        refusal = ask(era, method, {NAMING[method]: name}, guard)
        assert isinstance(refusal, Reject)
        assert refusal.code == -32602


@pytest.mark.requirement("POL-012")
@pytest.mark.parametrize("method", ["tools/call", "prompts/get", "resources/read"])
def test_a_name_under_another_methods_key_is_no_name(method):
    other = "name" if NAMING[method] == "uri" else "uri"
    refusal = ask(Era.LEGACY, method, {other: "open"})
    assert isinstance(refusal, Reject)
    assert refusal.code == -32602


@pytest.mark.requirement("POL-007")
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_denied_member_refuses_the_whole_batch(place):
    batch = [call("open") | {"id": number} for number in range(3)]
    assert isinstance(decide(legacy("2025-03-26"), text(batch)), Admitted)
    batch[place] = call("pub_secret") | {"id": place}
    refusal = decide(legacy("2025-03-26"), text(batch))
    assert isinstance(refusal, Reject)
    assert refusal.id == place


@pytest.mark.requirement("POL-007")
@pytest.mark.requirement("POL-010")
def test_monitor_mode_reports_every_denied_member_of_a_batch():
    batch = text([call("no") | {"id": 1}, call("open") | {"id": 2}, call("pub_secret") | {"id": 3}])
    decision = decide(legacy("2025-03-26"), batch, MONITOR)
    assert isinstance(decision, Admitted)
    assert [one.id for one in decision.would_refuse] == [1, 3]


@pytest.mark.requirement("POL-011")
@pytest.mark.parametrize("members", [["tools/list"], ["ping", "tools/list"], ["tools/list", "ping"], ["x/y", "ping"]])
def test_a_batch_with_one_list_is_inspected(members):
    decision = decide(legacy("2025-03-26"), text([request(name, id_=at) for at, name in enumerate(members)]))
    assert isinstance(decision, Admitted)
    assert (decision.lane, decision.method, decision.name, decision.id) == (Lane.INSPECT, "batch", None, None)


@pytest.mark.requirement("ANS-004")
@pytest.mark.parametrize(
    "message",
    [call("open"), request("ping"), note("notifications/initialized"), {"jsonrpc": "2.0", "id": 4, "result": {}}],
)
def test_where_nothing_holds_answers_to_their_questions_everything_is_inspected(message):
    assert decide(legacy(), text(message)).lane is Lane.CALL
    assert decide(legacy(), text(message), held=False).lane is Lane.INSPECT


@pytest.mark.requirement("ANS-004")
def test_what_the_call_lane_does_not_judge_is_inspected():
    batch = text([request("ping"), request("ping", id_=2)])
    assert decide(legacy("2025-03-26"), batch).lane is Lane.INSPECT
    named = GuardTerms(POLICY, server_messages=ServerMessages(methods=frozenset({"acme/x"})))
    assert decide(legacy(), text(call("open")), named).lane is Lane.INSPECT
    silent = GuardTerms(POLICY, server_messages=ServerMessages(kinds=frozenset({ServerKind.PROGRESS})))
    assert decide(legacy(), text(call("open")), silent).lane is Lane.CALL
    assert ask(Era.MODERN, "tools/call", {"name": "open"}, silent).lane is Lane.INSPECT


@pytest.mark.requirement("POL-011")
def test_an_agents_answer_takes_the_call_lane():
    decision = decide(legacy(), text({"jsonrpc": "2.0", "id": 4, "result": {"action": "accept"}}))
    assert isinstance(decision, Admitted)
    assert (decision.lane, decision.method, decision.name) == (Lane.CALL, "response", None)


@pytest.mark.requirement("POL-008")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "method",
    ["tools/execute", "Tools/Call", "tools/call ", "tools/call\0", "rpc.discover", "tasks/list", "batch", "response"],
)
def test_an_unknown_method_is_not_found(era, method):
    refusal = ask(era, method)
    assert isinstance(refusal, Reject)
    assert (refusal.code, refusal.http_status(), refusal.id) == (-32601, 200 if era is Era.LEGACY else 404, 1)


@pytest.mark.requirement("POL-008")
@pytest.mark.requirement("POL-011")
@pytest.mark.parametrize("era", ERAS)
def test_a_method_that_the_policy_names_is_inspected(era):
    decision = ask(era, "x/search")
    assert isinstance(decision, Admitted)
    assert decision.lane is Lane.INSPECT


@pytest.mark.requirement("POL-008")
@pytest.mark.parametrize("version", [*LEGACY, MODERN])
def test_an_unknown_notification_is_refused_and_a_named_one_passes(version):
    refusal = decide(legacy(version), text(note("notifications/evil")))
    assert isinstance(refusal, Reject)
    assert (refusal.http_status(), refusal.id) == (400 if version == MODERN else 202, None)
    assert isinstance(decide(legacy(version), text(note("notifications/x"))), Admitted)


@pytest.mark.requirement("POL-008")
@pytest.mark.parametrize("method", ["resources/subscribe", "initialize", "ping", "logging/setLevel"])
def test_a_policy_cannot_bring_a_method_into_an_era_that_dropped_it(method):
    guard = GuardTerms(Policy.from_config({"methods": {"allow": ["*"]}, "resources": {"allow": ["*"]}}))
    refusal = ask(Era.MODERN, method, guard=guard)
    assert isinstance(refusal, Reject)
    assert refusal.code == -32601


@pytest.mark.requirement("POL-009")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("type_", "key"), COMPLETIONS.values(), ids=COMPLETIONS.keys())
def test_a_completion_follows_its_prompt_or_resource(era, type_, key):
    argument = {"argument": {"name": "a", "value": "b"}}
    allowed = ask(era, "completion/complete", {"ref": {"type": type_, key: "open"}, **argument})
    denied = ask(era, "completion/complete", {"ref": {"type": type_, key: "shut"}, **argument})
    unknown = ask(era, "completion/complete", {"ref": {"type": type_, key: "none"}, **argument})
    assert isinstance(allowed, Admitted)
    assert isinstance(denied, Reject)
    assert isinstance(unknown, Reject)
    assert denied.body().replace(b"shut", b"none") == unknown.body()


@pytest.mark.requirement("POL-009")
@pytest.mark.parametrize(
    "ref",
    [
        None,
        "open",
        [],
        {},
        {"type": "ref/tool", "name": "open"},
        {"type": "REF/PROMPT", "name": "open"},
        {"name": "open"},
        {"type": "ref/prompt"},
        {"type": "ref/prompt", "name": ["open"]},
        {"type": "ref/prompt", "name": "open", "uri": "file:///pub/secret"},
        {"type": "ref/resource", "uri": "open", "name": "shut"},
        {"type": "ref/prompt", "name": "open", "NAME": "shut"},
    ],
    ids=repr,
)
def test_a_completion_of_nothing_plain_is_refused_in_every_mode(ref):
    for guard in (ENFORCE, MONITOR):
        assert isinstance(ask(Era.LEGACY, "completion/complete", {"ref": ref}, guard), Reject)


@pytest.mark.requirement("POL-010")
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(legacy(), b'{"a":1,"a":1}', id="a duplicate key"),
        pytest.param(legacy(mcp_name="shut"), text(call("open")), id="another name in the header"),
        pytest.param(legacy("2099-01-01"), text(call("open")), id="an unknown revision"),
        pytest.param(legacy(mcp_session_id="another's"), text(call("open")), id="a foreign session"),
        pytest.param({}, text(call("open")), id="no media type"),
    ],
)
def test_monitor_mode_never_passes_what_the_protocol_forbids(headers, body):
    assert isinstance(decide(headers, body, MONITOR), Reject)


@pytest.mark.requirement("POL-010")
@pytest.mark.parametrize("era", ERAS)
def test_monitor_mode_reports_what_it_would_refuse(era):
    decision = ask(era, "tools/call", {"name": "pub_secret"}, MONITOR)
    assert isinstance(decision, Admitted)
    assert [(one.reason, one.code) for one in decision.would_refuse] == [("denied-item", -32602)]
    assert ask(era, "tools/call", {"name": "open"}, MONITOR).would_refuse == ()


def test_a_session_is_opened_or_not_found():
    opened = decide(legacy(mcp_session_id="s"), text(call("open")), session=SESSION)
    closed = decide(legacy(mcp_session_id="t"), text(call("open")), session=SESSION)
    assert isinstance(opened, Admitted)
    assert opened.session == SESSION
    assert isinstance(closed, Reject)
    assert (closed.http_status(), closed.id) == (404, 1)


@pytest.mark.requirement("POL-006")
def test_a_retry_of_a_multi_round_trip_call_is_authorised_anew():
    params = {"name": "pub_secret", "requestState": "opaque", "inputResponses": {}, "_meta": META}
    refusal = decide(modern("tools/call", "pub_secret"), text(request("tools/call", params)))
    assert isinstance(refusal, Reject)
    assert refusal.reason == "denied-item"


def test_every_kind_is_named_by_some_method():
    assert {METHODS[name].kind for name in NAMING} == {Kind.TOOL, Kind.PROMPT, Kind.RESOURCE}


def listen(uris, **more):
    return ask(Era.MODERN, "subscriptions/listen", {"notifications": {"resourceSubscriptions": uris} | more})


@pytest.mark.requirement("POL-015")
def test_a_subscription_names_allowed_resources_only():
    assert isinstance(listen(["open", "file:///pub/x"]), Admitted)
    assert isinstance(ask(Era.MODERN, "subscriptions/listen"), Admitted)
    denied, unknown = listen(["open", "file:///pub/secret"]), listen(["open", "nix"])
    assert (denied.code, denied.message) == (-32602, "Unknown resource: file:///pub/secret")
    assert (unknown.code, unknown.message) == (-32602, "Unknown resource: nix")


@pytest.mark.requirement("POL-015")
@pytest.mark.parametrize(
    "notifications",
    [[], "x", {"resourceSubscriptions": "open"}, {"resourceSubscriptions": [1]}, {"ResourceSubscriptions": ["nix"]}],
    ids=str,
)
def test_a_subscription_that_cannot_be_read_is_refused(notifications):
    refusal = ask(Era.MODERN, "subscriptions/listen", {"notifications": notifications}, MONITOR)
    assert (refusal.code, refusal.http_status()) == (-32602, 400)


@pytest.mark.requirement("POL-016")
@pytest.mark.parametrize("era", ERAS)
def test_names_that_fit_no_header_are_refused_in_monitor_mode_too(era):
    for guard in (ENFORCE, MONITOR):
        assert isinstance(ask(era, "tools/call", {"name": "x" * 8193}, guard), Reject)
        assert isinstance(ask(era, "x/" + "x" * 255, guard=guard), Reject)


@pytest.mark.requirement("POL-017")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "method",
    ["Tools/Call", "tools/call ", "tools/call\0x", "tools/call/", "/tools/call", "tools/Li\u017ft", "Tasks/List"],
)
def test_no_variant_of_a_known_method_passes_as_one_that_the_policy_names(era, method):
    policy = Policy.from_config({"methods": {"allow": ["*"]}})
    for params in ({"name": "hidden"}, {}):
        refusal = ask(era, method, params, GuardTerms(policy))
        assert isinstance(refusal, Reject)
        assert refusal.code in (-32601, -32020)
    assert isinstance(ask(era, "tasks/list", {}, GuardTerms(policy)), Admitted)
    assert isinstance(ask(era, "vendor/search", {}, GuardTerms(policy)), Admitted)


@pytest.mark.requirement("ENV-006")
def test_an_empty_version_is_no_version_of_a_batch_either():
    refusal = decide(legacy(""), text([request("ping")]))
    assert isinstance(refusal, Reject)
    assert refusal.http_status() == 400


@pytest.mark.requirement("POL-015")
def test_a_subscription_holds_no_key_that_could_be_taken_for_its_resources():
    for key in ("__proto__", "resource_subscriptions", "ResourceSubscriptions", "taskids"):
        assert isinstance(listen(["open"], **{key: ["hidden"]}), Reject)
