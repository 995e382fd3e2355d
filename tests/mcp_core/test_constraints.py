"""What single arguments of tools may say: refused with what is allowed, in every spelling of tool and key."""

from __future__ import annotations

import pytest
from core_cases import legacy, request, text

from mcp_core.constraints import ConstraintError, read_config
from mcp_core.decide import Admitted, Caller, GuardTerms, decide_post
from mcp_core.methods import Kind, Lane
from mcp_core.outcome import Reject
from mcp_core.policy import Access, Policy, View

STAGE = {"tool": "deploy", "argument": ["stage"], "one_of": ["test", "staging"]}
AMOUNT = {"tool": "transfer", "argument": ["amount"], "minimum": 1, "maximum": 500, "required": True}
TO = {"tool": "send_*", "argument": ["mail", "to"], "pattern": r"[a-z.]{1,40}@acme\.example"}
NOTE = {"tool": "note", "argument": ["text"], "max_length": 5}
ALL = [STAGE, AMOUNT, TO, NOTE]


def call(tool, arguments, *, constraints=ALL, enforce=True, batch=False):
    guard = GuardTerms(Policy({}), enforce=enforce, constraints=read_config(constraints))
    message = request("tools/call", {"name": tool, "arguments": arguments})
    headers = legacy("2025-03-26")
    caller = Caller(View({Kind.TOOL: Access(("*",))}), held=True)
    return decide_post(guard, caller, headers, text([message] if batch else message))


@pytest.mark.requirement("FLOW-008")
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("deploy", {"stage": "test"}),
        ("deploy", {}),
        ("deploy", {"stage": None}),
        ("deploy", {"stage": ["test", "staging"]}),
        ("transfer", {"amount": 1}),
        ("transfer", {"amount": 500.0}),
        ("send_mail", {"mail": {"to": "ada@acme.example"}}),
        ("send_mail", {"mail": {"to": ["ada@acme.example", "bob@acme.example"]}}),
        ("send_mail", {"other": 1}),
        ("note", {"text": "short"}),
        ("other", {"stage": "production", "amount": 1e9}),
    ],
)
def test_a_call_that_fits_takes_the_call_lane(tool, arguments):
    decided = call(tool, arguments)
    assert isinstance(decided, Admitted)
    assert decided.lane is Lane.CALL


@pytest.mark.requirement("FLOW-008")
@pytest.mark.parametrize(
    ("tool", "arguments", "allowed"),
    [
        ("deploy", {"stage": "production"}, "stage is one of 'test', 'staging'"),
        ("deploy", {"stage": "Test"}, "stage is one of"),
        ("deploy", {"stage": {"x": "test"}}, "stage is one of"),
        ("deploy", {"stage": ["test", "production"]}, "stage is one of"),
        ("deploy", {"stage": [["test"]]}, "stage is one of"),
        ("deploy", {"stage": True}, "stage is one of"),
        ("deploy", [], "stage is an object"),
        ("transfer", {"amount": 501}, "at least 1 and is a number of at most 500"),
        ("transfer", {"amount": 0}, "at least 1"),
        ("transfer", {"amount": "5"}, "is a number"),
        ("transfer", {"amount": True}, "is a number"),
        ("transfer", {"amount": 10**250}, "is a number"),
        ("transfer", {}, "amount must be there, and is a number"),
        ("transfer", None, "amount must be there"),
        ("send_mail", {"mail": {"to": "eve@evil.example"}}, "mail.to fits [a-z.]{1,40}@acme"),
        ("send_mail", {"mail": {"to": "ada@acme.example\n"}}, "mail.to fits"),
        ("send_mail", {"mail": {"to": "eve@evil.example,ada@acme.example"}}, "mail.to fits"),
        ("send_mail", {"mail": "ada@acme.example"}, "mail.to is an object"),
        ("note", {"text": "longer"}, "has 5 characters at most"),
    ],
)
def test_a_call_that_does_not_is_refused_with_what_is_allowed(tool, arguments, allowed):
    refused = call(tool, arguments)
    assert isinstance(refused, Reject)
    assert refused.code == -32602
    assert allowed in refused.message
    assert isinstance(call(tool, arguments, batch=True), Reject)


@pytest.mark.requirement("FLOW-009")
@pytest.mark.parametrize("tool", ["DEPLOY", "Deploy", "\uff44eploy", "deploy ", "deploy\0", "dep\u200bloy\0"])
def test_another_spelling_of_the_tool_is_held_too(tool):
    assert isinstance(call(tool, {"stage": "production"}), Reject)


@pytest.mark.requirement("FLOW-009")
@pytest.mark.parametrize("key", ["Stage", "STAGE", "s_tage", "stage\0", " stage"])
def test_another_spelling_of_the_key_is_refused(key):
    refused = call("deploy", {"stage": "test", key: "production"})
    assert isinstance(refused, Reject)
    assert "is spelled 'stage', once" in refused.message
    assert isinstance(call("deploy", {key: "production"}), Reject)


@pytest.mark.requirement("FLOW-008")
def test_monitor_mode_tells_and_lets_pass():
    decided = call("deploy", {"stage": "production"}, enforce=False)
    assert isinstance(decided, Admitted)
    assert [one.reason for one in decided.would_refuse] == ["constraint"]


@pytest.mark.requirement("FLOW-010")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"pattern": "(a+)+"}, "pattern"),
        ({"pattern": ".*"}, "pattern"),
        ({"pattern": 5}, "pattern"),
        ({"minimum": "1"}, "minimum: write a number"),
        ({"maximum": True}, "maximum: write a number"),
        ({"one_of": [{}]}, "one_of: write a list"),
        ({"one_of": "test"}, "one_of: write a list"),
        ({"required": 1}, "required"),
        ({}, "it holds nothing"),
        ({"required": False}, "it holds nothing"),
        ({"unknown": 1}, "write an object"),
        ({"argument": []}, "argument: write a list of keys"),
        ({"tool": ""}, "tool: write the name"),
    ],
)
def test_what_cannot_be_held_is_refused_where_it_is_written(more, said):
    with pytest.raises(ConstraintError, match=said):
        read_config([{"tool": "x", "argument": ["a"], **more}])


@pytest.mark.requirement("FLOW-010")
def test_what_kong_writes_for_nothing_is_nothing():
    for nothing in (None, {}, []):
        assert read_config(nothing) == ()
    unset = {"pattern": None, "one_of": {}, "minimum": None, "maximum": 5, "max_length": None, "required": False}
    assert len(read_config([{"tool": "x", "argument": ["a"], **unset}])) == 1
