"""Monitor mode lets pass what the policy forbids, only where nothing else is wrong, and tells all of it."""

from __future__ import annotations

import pytest
from core_cases import KNOWS_TASKS, META, call, legacy, modern, modern_body, note, request, text

from mcp_core.decide import MOST_FORGIVEN, Admitted, Caller, GuardTerms, decide_post
from mcp_core.methods import Kind, Lane
from mcp_core.outcome import Reject, RejectKind
from mcp_core.params import read_config
from mcp_core.policy import Policy
from mcp_core.principal import NOBODY
from mcp_core.reasons import Reason

POLICY = Policy.from_config(
    {
        "tools": {"allow": ["open", "shut"]},
        "resources": {"allow": ["note://open", "note://shut"]},
        "methods": {"allow": ["x/*"]},
    }
)
MONITOR = GuardTerms(
    POLICY, enforce=False, param_headers=read_config([{"tool": "evil", "header": "A", "argument": ["a"]}])
)
APPROVED = {"open", "evil", "note://open", "note://evil", "note://bad"}
"""What pins know and left open; all else is closed."""


def closed(_kind: Kind, name: str) -> tuple[Reason, str] | None:
    return None if name in APPROVED else (Reason.UNAPPROVED_ITEM, "quarantined")


def decide(headers, body):
    return decide_post(MONITOR, Caller(POLICY.view(NOBODY), closed=closed), headers, body)


def ask(method, params=None, name=None, **headers):
    return decide(modern(method, name, **headers), modern_body(method, params))


def listen(*uris, **more):
    return ask("subscriptions/listen", {"notifications": {"resourceSubscriptions": list(uris), **more}})


def batch(*messages):
    return decide(legacy("2025-03-26"), text([one | {"id": at} for at, one in enumerate(messages)]))


def related(task):
    return {"_meta": {"io.modelcontextprotocol/related-task": {"taskId": task}}}


# sentence -> what monitor mode must refuse, though the policy alone would refuse it too
HELD = {
    "a listen for a denied and a closed resource": lambda: listen("note://evil", "note://shut"),
    "a listen for a closed and a denied resource": lambda: listen("note://shut", "note://evil"),
    "a listen for a denied resource and a number": lambda: listen("note://evil", 7),
    "a listen for a denied resource and a foreign task": lambda: ask(
        "subscriptions/listen",
        {
            "_meta": KNOWS_TASKS,
            "notifications": {"resourceSubscriptions": ["note://evil"], "taskIds": ["another's"]},
        },
    ),
    "a listen for a hundred denied resources and a closed one": lambda: listen(
        *["note://evil"] * MOST_FORGIVEN, "note://shut"
    ),
    "a denied resource by a method of the other era": lambda: ask("resources/subscribe", {"uri": "note://evil"}),
    "an allowed resource by a method of the other era": lambda: ask("resources/subscribe", {"uri": "note://open"}),
    "a modern method in the legacy era": lambda: decide(legacy(), text(request("server/discover"))),
    "a notification of the other era": lambda: decide(legacy("2026-07-28"), text(note("notifications/initialized"))),
    "a variant of a notification": lambda: decide(legacy(), text(note("notifications/Initialized"))),
    "a call in capitals": lambda: ask("Tools/Call", {"name": "evil"}),
    "a call with a slash": lambda: decide(legacy(), text(request("tools/call/", {"name": "evil"}))),
    "a call in capitals, legacy": lambda: decide(legacy(), text(request("Tools/Call", {"name": "open"}))),
    "the tasks of all agents": lambda: decide(legacy(), text(request("tasks/list"))),
    "a closed tool": lambda: decide(legacy(), text(call("shut"))),
    "a tool that is closed and denied": lambda: decide(legacy(), text(call("nothing"))),
    "a denied tool for a foreign task": lambda: decide(legacy(), text(call("evil", **related("another's")))),
    "a denied tool with a lie in a header": lambda: ask(
        "tools/call", {"name": "evil", "arguments": {"a": "x"}}, "evil", mcp_param_a="y"
    ),
    "a denied tool without the header that repeats its argument": lambda: ask(
        "tools/call", {"name": "evil", "arguments": {"a": "x"}}, "evil"
    ),
    "a denied tool whose legacy call lies in a header": lambda: decide(
        legacy(mcp_param_a="y"), text(call("evil", arguments={"a": "x"}))
    ),
    "a batch of a denied and a closed tool": lambda: batch(call("evil"), call("shut")),
    "a batch of a denied tool and a name that is none": lambda: batch(call("evil"), call(7)),
    "a batch of a denied tool and a variant": lambda: batch(call("evil"), request("Tools/Call", {"name": "open"})),
    "a completion for a denied prompt by a ref in a list": lambda: ask("completion/complete", {"ref": ["evil"]}),
}


@pytest.mark.requirement("POL-010")
@pytest.mark.parametrize("send", HELD.values(), ids=HELD.keys())
def test_what_pins_closed_or_the_protocol_forbids_holds_whatever_else_is_forgiven(send):
    refusal = send()
    assert isinstance(refusal, Reject)
    assert refusal.kind is not RejectKind.POLICY


@pytest.mark.requirement("POL-010")
def test_all_that_is_forgiven_is_told_with_its_name():
    passed = listen("note://evil", "note://open", "note://bad")
    assert isinstance(passed, Admitted)
    assert [(one.reason, one.kind, one.name) for one in passed.would_refuse] == [
        ("denied-item", "policy", "note://evil"),
        ("denied-item", "policy", "note://bad"),
    ]


@pytest.mark.requirement("POL-010")
def test_a_method_that_nobody_defines_is_forgiven_and_inspected():
    for passed in (ask("vendor/search"), decide(legacy(), text(request("vendor/search")))):
        assert isinstance(passed, Admitted)
        assert passed.lane is Lane.INSPECT
        assert [(one.reason, one.name) for one in passed.would_refuse] == [("denied-method", "vendor/search")]


@pytest.mark.requirement("POL-010")
def test_a_subscription_to_any_number_of_resources_tells_of_a_hundred():
    passed = listen(*["note://evil"] * (MOST_FORGIVEN + 1))
    assert isinstance(passed, Admitted)
    assert len(passed.would_refuse) == MOST_FORGIVEN


@pytest.mark.requirement("POL-010")
def test_a_true_header_beside_a_denied_tool_is_forgiven():
    passed = ask("tools/call", {"name": "evil", "arguments": {"a": "x"}, "_meta": META}, "evil", mcp_param_a="x")
    assert isinstance(passed, Admitted)
    assert [one.name for one in passed.would_refuse] == ["evil"]


@pytest.mark.requirement("POL-010")
@pytest.mark.parametrize(
    ("send", "kind"),
    [
        (lambda: decide(legacy(), text(call("shut"))), RejectKind.APPROVAL),
        (lambda: decide(legacy(), text(call("nothing"))), RejectKind.APPROVAL),
        (lambda: decide(legacy(), text(call(7))), RejectKind.PROTOCOL),
        (lambda: decide(legacy(), b"{"), RejectKind.PROTOCOL),
        (lambda: decide(legacy(mcp_session_id="none"), text(call("open"))), RejectKind.PROTOCOL),
    ],
)
def test_a_refusal_says_of_what_kind_it_is(send, kind):
    assert send().kind is kind
