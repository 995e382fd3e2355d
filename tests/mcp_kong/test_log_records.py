"""What Kong's log records say of a refusal, and of what monitor mode let through: one value under one key."""

from __future__ import annotations

import json

import pytest
from kong_side import ANN, ANNS_HEADERS, CONFIG, KongSide

from mcp_kong.guard import Guard

LEGACY = {"content-type": "application/json", "mcp-protocol-version": "2025-03-26"} | ANNS_HEADERS
MONITOR = CONFIG | {"mode": "monitor"}


def call(name, id_=1, method="tools/call"):
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": {"name": name}}


def said(config, message, headers=LEGACY, consumer=ANN, *, answers=True):
    """Return what the guard put into the record of one request, under its only key."""
    side = KongSide(json.dumps(message).encode(), headers, consumer=consumer, answers=answers)
    Guard(config).access(side.pdk)
    ((_, value),) = [argument for argument in side.arguments("log.set_serialize_value") if argument[0] == "mcp"]
    return value


@pytest.mark.requirement("GUARD-011")
def test_a_refusal_is_told_with_its_kind_its_name_and_who_asked():
    assert said(CONFIG, call("shut")) == {
        "format": 1,
        "hop": "guard",
        "outcome": "refused",
        "server": "notes",
        "reason": "denied-item",
        "kind": "policy",
        "code": -32602,
        "method": "tools/call",
        "name": "shut",
        "cause": "not-allowed",
        "principal": "ann",
        "refusals": 1,
    }


@pytest.mark.requirement("GUARD-011")
def test_what_has_no_name_and_who_is_nobody_are_left_out():
    told = {"format": 1, "hop": "guard", "outcome": "refused", "server": "notes"}
    told |= {"reason": "batch-empty", "kind": "protocol", "code": -32600, "refusals": 1}
    assert said(CONFIG, [], consumer=None) == told


@pytest.mark.requirement("GUARD-011")
def test_a_refusal_of_headers_says_who_sent_them():
    told = said(CONFIG, call("open"), LEGACY | {"mcp-affinity": "x"})
    assert (told["reason"], told["kind"], told["principal"]) == ("header-own", "protocol", "ann")


@pytest.mark.requirement("POL-010")
@pytest.mark.parametrize(("answers", "lane"), [(True, "call"), (False, "inspect")])
def test_monitor_mode_tells_the_lane_and_who_asked(answers, lane):
    told = said(MONITOR, call("shut"), answers=answers)
    assert (told["principal"], told["lane"]) == ("ann", lane)


@pytest.mark.requirement("POL-010")
def test_monitor_mode_tells_every_refusal_of_a_batch():
    told = said(MONITOR, [call("one", 1), call("open", 2), call("two", 3), call("", 4, "vendor/x")])
    names = [(one["name"], one["reason"], one["kind"], one["code"]) for one in told["forgiven"]]
    assert names == [
        ("one", "denied-item", "policy", -32602),
        ("two", "denied-item", "policy", -32602),
        ("vendor/x", "denied-method", "policy", -32601),
    ]


@pytest.mark.requirement("POL-010")
def test_monitor_mode_tells_nothing_of_what_is_allowed():
    side = KongSide(json.dumps(call("open")).encode(), LEGACY, consumer=ANN)
    Guard(MONITOR).access(side.pdk)
    assert [key for key, _ in side.arguments("log.set_serialize_value") if key == "mcp"] == []


@pytest.mark.requirement("GUARD-102")
def test_of_an_admitted_call_mcp_answers_is_told_what_its_record_needs():
    """The guard itself makes no call of Kong for it, nor one to know who asks."""
    plain = {name: value for name, value in LEGACY.items() if name not in ANNS_HEADERS}
    side = KongSide(json.dumps(call("open")).encode(), plain, consumer=ANN)
    Guard(CONFIG).access(side.pdk)
    assert side.question["server"] == "notes"
    assert "principal" not in side.question
    assert {"client.get_consumer", "log.set_serialize_value"}.isdisjoint(side.names())
    side = KongSide(json.dumps(call("open")).encode(), LEGACY, consumer=ANN)
    Guard(CONFIG | {"rules": [{"groups": ["x"], "tools": {"allow": ["y"]}}]}).access(side.pdk)
    assert side.question["principal"] == "ann"


@pytest.mark.requirement("GUARD-102")
def test_what_the_guard_tells_itself_is_not_told_again():
    side = KongSide(json.dumps(call("shut")).encode(), LEGACY, consumer=ANN)
    Guard(MONITOR).access(side.pdk)
    assert "server" not in side.question
    assert len(side.arguments("log.set_serialize_value")) == 1


@pytest.mark.requirement("GUARD-102")
def test_what_takes_the_inspect_lane_is_told_once():
    told = said(CONFIG, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    assert told == {
        "format": 1,
        "hop": "guard",
        "outcome": "passed",
        "server": "notes",
        "method": "tools/list",
        "principal": "ann",
        "era": "legacy",
        "lane": "inspect",
    }
