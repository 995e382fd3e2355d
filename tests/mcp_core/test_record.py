"""What happened to a request, as one value: made of a decision, written into logs, and read back from them."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_core import record
from mcp_core.decide import Caller, GuardTerms, decide_post, decide_stream
from mcp_core.methods import Era, Kind, Lane
from mcp_core.outcome import FORBIDDEN, Reject, RejectKind
from mcp_core.policy import Access, Policy
from mcp_core.principal import NOBODY
from mcp_core.reasons import Ending, Reason
from mcp_core.record import FORMAT, MOST_TEXT, Hop, Record, RefusedBecause, hash_session, of_decision
from mcp_core.seal import Session

HEADERS = {"content-type": "application/json", "mcp-protocol-version": "2025-11-25"}
POLICY = Policy({Kind.TOOL: Access(("open",))})
SESSION = Session("files", NOBODY, "their-session", "a", 0)


def decided(name, *, enforce=True, headers=HEADERS):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}}
    caller = Caller(POLICY.view(NOBODY), lambda _token: SESSION, held=True)
    return decide_post(GuardTerms(POLICY, enforce=enforce), caller, headers, json.dumps(body).encode())


@pytest.mark.requirement("GUARD-103")
def test_an_admitted_request_is_passed_by_its_lane():
    found = of_decision(decided("open", headers=HEADERS | {"mcp-session-id": "sealed"}), "files", "ann")
    assert found == Record(
        Hop.GUARD,
        Ending.PASSED,
        "files",
        "tools/call",
        "open",
        "ann",
        Era.LEGACY,
        Lane.CALL,
        hash_session("files", "their-session"),
    )
    assert "their-session" not in json.dumps(found.to_json())


@pytest.mark.requirement("GUARD-103")
def test_a_refusal_says_why_and_what_monitor_mode_forgives_is_listed():
    refused = of_decision(decided("shut"), "files", refusals=3)
    assert (refused.outcome, refused.reason, refused.refusals) == (Ending.REFUSED, Reason.DENIED_ITEM, 3)
    assert (refused.method, refused.name, refused.refused.kind) == ("tools/call", "shut", RejectKind.POLICY)
    forgiven = of_decision(decided("shut", enforce=False), "files")
    assert (forgiven.outcome, forgiven.reason) == (Ending.WOULD_REFUSE, None)
    assert forgiven.forgiven == (refused.refused,)


@pytest.mark.requirement("GUARD-103")
def test_a_caller_that_was_refused_too_often_is_limited():
    assert of_decision(Reject(FORBIDDEN, "", Reason.TOO_MANY), "files").outcome is Ending.LIMITED


@pytest.mark.requirement("GUARD-103")
def test_the_stream_of_a_session_has_no_method():
    found = of_decision(decide_stream("GET", {}, lambda _token: None), "files")
    assert (found.method, found.lane, found.outcome) == (None, Lane.INSPECT, Ending.PASSED)
    assert "method" not in found.to_json()


@pytest.mark.requirement("GUARD-103")
def test_a_session_is_told_from_another_and_from_that_of_another_server():
    hashes = {hash_session(server, id_) for server in ("a", "b") for id_ in ("1", "2")} | {hash_session("a1", "")}
    assert len(hashes) == 5
    assert all(len(one) == 16 for one in hashes)


def texts():
    return st.none() | st.text(min_size=1, max_size=MOST_TEXT)


REFUSALS = st.builds(
    RefusedBecause,
    st.none() | st.sampled_from(Reason),
    texts(),
    st.none() | st.sampled_from(RejectKind),
    st.none() | st.integers(-40000, 40000),
    texts(),
    texts(),
    texts(),
)
RECORDS = st.builds(
    Record,
    st.sampled_from(Hop),
    st.sampled_from(Ending),
    *[texts()] * 4,
    st.none() | st.sampled_from(Era),
    st.none() | st.sampled_from(Lane),
    texts(),
    st.builds(RefusedBecause, st.none() | st.sampled_from(Reason), cause=texts()),
    st.none() | st.integers(0, 2**53),
    st.lists(REFUSALS, max_size=3).map(tuple),
)


@pytest.mark.requirement("GUARD-103")
@given(RECORDS)
def test_what_was_written_reads_back(found):
    """By way of Kong's serializer: JSON without nulls, in which every number may have come out as a float."""
    read = json.loads(json.dumps(found.to_json()), parse_int=float)
    assert None not in read.values()
    back = Record.from_json(read)
    # A refusal's own method and name are those of its request.
    own = dataclasses.replace(found.refused, method=found.method, name=found.name)
    assert back == dataclasses.replace(found, refused=own)


@pytest.mark.requirement("GUARD-103")
def test_what_a_later_release_wrote_is_read_as_far_as_it_is_known():
    later = {"format": FORMAT, "hop": "guard", "outcome": "refused", "reason": "moonlight", "era": "next", "new": [1]}
    assert Record.from_json(later) == Record(Hop.GUARD, Ending.REFUSED)


@pytest.mark.requirement("GUARD-103")
@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "refused",
        {},
        {"format": 2, "hop": "guard", "outcome": "passed"},
        {"format": 1, "hop": "moon", "outcome": "passed"},
        {"format": 1, "hop": "guard", "outcome": ["passed"]},
        {"format": 1, "hop": "guard"},
    ],
)
def test_what_is_no_record_is_none(value):
    assert Record.from_json(value) is None


@pytest.mark.requirement("GUARD-103")
def test_members_of_another_type_mean_nothing():
    names = ("server", "method", "name", "principal", "session", "reason", "code", "refusals", "kind")
    odd = {name: [0] for name in names}
    found = Record.from_json({"format": 1, "hop": "guard", "outcome": "passed", **odd, "forgiven": {"a": 1}})
    assert found == Record(Hop.GUARD, Ending.PASSED)
    for number in (float("nan"), float("inf"), 1.5, True):
        assert Record.from_json({"format": 1, "hop": "guard", "outcome": "passed", "refusals": number}) == found


@pytest.mark.requirement("GUARD-103")
def test_no_text_is_longer_than_a_log_line_needs():
    long = Record(Hop.GUARD, Ending.PASSED, name="n" * 999)
    assert len(long.to_json()["name"]) == MOST_TEXT
    assert len(Record.from_json(long.to_json() | {"name": "n" * 999}).name) == MOST_TEXT
    assert record.KEY == "mcp"
