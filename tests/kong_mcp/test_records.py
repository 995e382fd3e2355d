"""Kong's log records as people read them: who was refused what, by which rule; and what nobody answered."""

# ruff: noqa: E501 - a line that is compared stands on one line

import pytest

from kong_mcp.happenings import Sort
from kong_mcp.policies.source import read_policies
from kong_mcp.records import Called, Records

POLICY = "tools: {allow: [good]}\nrules:\n  - groups: [staff]\n    tools: {deny: [good]}\n"
GUARD = {"format": 1, "hop": "guard", "outcome": "refused"}
REFUSED = GUARD | {"reason": "denied-item", "kind": "policy", "code": -32602, "principal": "bob"}


@pytest.fixture
def records(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return Records(["notes"], read_policies([path]), {"eve": ["staff"]}, " --store S")


def record(status=200, service="mcp-notes", **more):
    headers = {"mcp-method": "tools/call"}
    return {"service": {"name": service}, "request": {"headers": headers}, "response": {"status": status}, **more}


def told(records, tmp_path, one):
    return [(each.sort, each.text.replace(f"{tmp_path}/", "")) for each in records.happenings(one)]


@pytest.mark.requirement("KNOW-006")
@pytest.mark.parametrize(
    ("one", "sort", "text"),
    [
        (
            record(mcp=REFUSED | {"method": "tools/call", "name": "bad", "cause": "not-allowed"}),
            Sort.REFUSAL,
            'notes: refused; bob; tools/call bad; no glob of tools.allow (policy.yaml:1), nor of a rule for this caller, has it; what to do: add "bad" to tools.allow, for everyone',
        ),
        (
            record(mcp=REFUSED | {"method": "tools/call", "name": "good", "cause": "denied", "principal": "eve"}),
            Sort.REFUSAL,
            'notes: refused; eve; tools/call good; rules[0].tools.deny[0] "good" (policy.yaml:4) denies it, as in every spelling, whatever allows it; what to do: take rules[0].tools.deny[0] "good" (policy.yaml:4) out, or narrow it: what denies wins',
        ),
        (
            record(mcp=GUARD | {"reason": "denied-method", "kind": "policy", "method": "x/y", "name": "x/y"}),
            Sort.REFUSAL,
            'notes: refused; nobody known; x/y; MCP defines no such method, and no glob of methods.allow has it (policy.yaml:1); what to do: add "x/y" to methods.allow',
        ),
        (
            # The gateway runs by another policy than the file: it says what it knows.
            record(mcp=REFUSED | {"method": "tools/call", "name": "good", "cause": "denied"}),
            Sort.REFUSAL,
            "notes: refused; bob; tools/call good; denied-item; what to do: the agent's answer says what to send instead",
        ),
        (
            record(mcp=REFUSED | {"reason": "session", "kind": "protocol", "principal": "b\x1b[2J\u202e" + "x" * 999}),
            Sort.REFUSAL,
            f"notes: refused; b\\x1b[2J\\u202e{'x' * 186}...; a request; session; what to do: the agent initializes again",
        ),
        (
            record(mcp=REFUSED | {"reason": "no-snapshot", "kind": "approval", "method": "tools/call", "name": "a"}),
            Sort.REFUSAL,
            "notes: refused; bob; tools/call a; pins: nothing is known to be approved yet; what to do: wait for the sidecar's look",
        ),
        (
            record(
                mcp=GUARD
                | {
                    "outcome": "would-refuse",
                    "forgiven": [{"reason": "denied-item", "kind": "policy", "method": "prompts/get", "name": "p"}],
                }
            ),
            Sort.REFUSAL,
            'notes: would be refused, and passes in monitor mode; nobody known; prompts/get p; no glob of prompts.allow (policy.yaml:1), nor of a rule for this caller, has it; what to do: add "p" to prompts.allow, for everyone',
        ),
        (
            record(200, mcp_answer={"failed": "an answer to another question", "method": "tools/call"}),
            Sort.TROUBLE,
            "notes: answer withheld; tools/call; an answer to another question; what to do: the server's operator must look into what it sends",
        ),
        (
            record(200, mcp_answer={"failed": "an event that is too large", "method": "tools/call"}),
            Sort.TROUBLE,
            "notes: answer withheld; tools/call; an event that is too large; what to do: raise max_event of mcp-answers, if the server is meant to send so much",
        ),
        (
            record(401),
            Sort.REFUSAL,
            "notes: refused by Kong; 401: no key that it knows; what to do: have the agent send its key in the header apikey; --consumer NAME=KEY says which there are",
        ),
        (
            record(503),
            Sort.TROUBLE,
            "notes: no replica answered a call (503); what to do: start the server, or mend its address; it is tried again when its health check passes",
        ),
    ],
)
def test_a_record_is_told_as_people_read_it(records, tmp_path, one, sort, text):
    assert told(records, tmp_path, one) == [(sort, text)]


@pytest.mark.requirement("KNOW-006")
@pytest.mark.parametrize(
    "one",
    [
        record(200),
        record(503, service="mcp-internal-notes"),
        record(503, service="mcp-other"),
        record(401) | {"request": {"headers": {"user-agent": "kong-mcp-dev"}}},
        record(503, upstream_uri="/inspect/notes"),
        {},
        {"service": 7, "request": [], "response": None},
        record(200, mcp=GUARD | {"outcome": "would-refuse", "forgiven": [7]}),
        record(200, mcp=GUARD | {"outcome": "passed"}),
        record(200, mcp=REFUSED | {"format": 2}),
    ],
)
def test_what_is_no_news_is_not_told(records, tmp_path, one):
    assert told(records, tmp_path, one) == []


@pytest.mark.requirement("KNOW-007")
def test_calls_are_counted_by_server_and_the_sidecars_own_are_none(records):
    assert records.called(record(200)) == Called("notes", "tools/call", refused=False)
    assert records.called(record(200, mcp=GUARD | {"reason": "x", "method": "prompts/get"})) == Called(
        "notes", "prompts/get", refused=True
    )
    assert records.called(record(401)) == Called("notes", "tools/call", refused=True)
    assert records.called(record(200, service="mcp-internal-notes")) is None
