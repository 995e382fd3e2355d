"""The audit log's chain, and events of OCSF."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_core.telemetry.chain import START, head_of, link, prove
from mcp_core.telemetry.ocsf import event, matters, terms
from mcp_core.telemetry.visit import read
from servers.kong_records import NOW, SAID, logged

REQUIRED = {"activity_id", "actor", "api", "category_uid", "class_uid", "metadata", "severity_id", "src_endpoint"}
REQUIRED |= {"time", "type_uid"}
"""Of class 6003 in version 1.6.0 of the schema."""
REFUSED = {"outcome": "refused", "reason": "denied-item", "code": -32602, "detail": "no-allow"}


def told(person=lambda name: name, **said):
    return event(read(logged(said={**SAID, **said}), NOW)[0], "0.2.0", person)


def lines(count):
    found, head = [], START
    for number in range(count):
        line, head = link(head, f'{{"n":{number}}}')
        found.append(line)
    return found, head


@pytest.mark.requirement("AUD-001")
def test_an_event_says_who_did_what_to_what_and_how_it_ended():
    one = told(**REFUSED)
    assert one.keys() >= REQUIRED
    assert (one["class_uid"], one["type_uid"], one["category_uid"]) == (6003, 600399, 6)
    assert (one["actor"]["user"]["name"], one["api"]["operation"], one["api"]["service"]["name"]) == (
        "ada",
        "tools/call",
        "notes",
    )
    assert one["resources"] == [{"name": "good", "type": "tool"}]
    assert (one["status_id"], one["status"], one["status_detail"], one["severity_id"]) == (
        2,
        "refused",
        "denied-item",
        3,
    )
    assert told()["status_id"] == 1
    assert told(principal=None).keys() >= REQUIRED


@pytest.mark.requirement("AUD-002")
def test_persons_are_kept_hashed_or_dropped():
    hashed, dropped = told(lambda name: f"p-{len(name)}"), told(lambda _: None)
    assert (hashed["actor"]["user"]["name"], hashed["src_endpoint"]) == ("p-3", {"uid": "p-8"})
    assert dropped.keys() >= REQUIRED
    assert "'ada'" not in str(hashed) + str(dropped)
    assert "10.0.0.9" not in str(hashed) + str(dropped)


@pytest.mark.requirement("AUD-001")
def test_what_is_routine_is_no_decision():
    outcomes = ["passed", "filtered", "refused", "limited", "withheld", "would-refuse", "unavailable", "flagged"]
    found = [outcome for outcome in outcomes if matters(read(logged(said={**SAID, "outcome": outcome}), NOW)[0])]
    assert found == ["refused", "limited", "withheld", "would-refuse", "unavailable", "flagged"]


@pytest.mark.requirement("AUD-005")
def test_an_event_can_be_found_by_what_stands_in_it():
    assert dict(terms(told(**REFUSED))) == {
        "request": "a" * 32,
        "server": "notes",
        "method": "tools/call",
        "item": "good",
        "principal": "ada",
        "outcome": "refused",
        "reason": "denied-item",
        "error": "-32602",
    }


@pytest.mark.requirement("AUD-003")
def test_a_whole_chain_holds_from_its_beginning_and_from_a_signed_head():
    found, head = lines(10)
    proof = prove(found, {10: head.hash})
    assert (proof.problem, proof.lines, proof.first, proof.last) == (None, 10, 1, head)
    fourth = head_of(found[3])[0]
    assert prove(found[4:], {4: fourth.hash}).problem is None
    assert prove([], {}).problem is None


@pytest.mark.requirement("AUD-003")
@given(st.integers(0, 9), st.integers(0, 200), st.sampled_from(["change", "drop", "swap", "double", "insert"]))
def test_whatever_is_done_to_a_line_is_found(number, at, how):
    found, head = lines(10)
    changed = list(found)
    line = bytearray(found[number])
    line[at % len(line)] ^= 1
    if how == "change":
        changed[number] = bytes(line)
    elif how == "drop":
        del changed[number]
    elif how == "swap":
        changed[number], changed[number - 1] = changed[number - 1], changed[number]
    elif how == "double":
        changed.insert(number, found[number])
    else:
        changed.insert(number, link(head_of(found[number])[0], '{"n":"x"}')[0])
    assert prove(changed, {10: head.hash}).problem is not None


@pytest.mark.requirement("AUD-003")
def test_an_end_that_is_cut_off_and_a_beginning_that_nobody_signed_are_missed():
    found, head = lines(10)
    assert "line 8 is missing" in prove(found[:7], {10: head.hash}).problem
    assert prove(found[:7], {}).problem is None  # until the next head is signed, an end can be cut off
    assert "gone" in prove(found[4:], {}).problem
    anew, _ = lines(9)
    assert "written anew" in prove(found, {9: "0" * 64}).problem
    assert prove(anew, {9: head_of(anew[8])[0].hash}).problem is None
