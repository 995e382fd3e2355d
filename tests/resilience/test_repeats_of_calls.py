"""A replica that dies at any byte: what may be repeated is; nothing else runs twice, and its agent hears why."""

import contextlib

import pytest

from resilience.conftest import OPEN, gateway
from servers.launch import wait_for
from servers.moody_server import TOOLS, MoodyServer, ask, call

pytestmark = pytest.mark.slow
REPEATING = {**OPEN, "pins": {"mode": "enforce"}, "repeat": {"calls": "hinted"}}
HEAD_AND_BODY = (0, 1, 15, 17, 60, 90, 140, 180)
"""Bytes of an answer after which a replica dies: nothing, the status line, the head, some of the body."""


@pytest.fixture(scope="module")
def running(kind):
    with contextlib.ExitStack() as stack:
        servers = {"repeats": [MoodyServer(), MoodyServer()]}
        for replica in servers["repeats"]:
            stack.callback(replica.close)
        started = stack.enter_context(gateway(kind, servers, REPEATING))
        with started.client("bob") as client:
            wait_for(
                lambda: len(client.post(started.url("repeats"), **ask("tools/list")).json()["result"]["tools"]) == 2,
                lambda: "the tools are not approved",
            )
        yield started


def play(running, tool, text):
    """Call a tool with both replicas set to die at one byte of their next answer; return the answer."""
    with running.client("bob") as client:
        return client.post(running.url("repeats"), **call(tool, text))


@pytest.mark.requirement("LIVE-004")
@pytest.mark.parametrize("byte", HEAD_AND_BODY)
def test_a_call_that_may_be_repeated_is_answered_by_the_other_replica(running, byte):
    one, other = running.servers["repeats"]
    for dying in (one, other):
        dying.cut_at = byte
        # Kong asks the one or the other: each of some calls is answered, whoever it met.
        for number in range(4):
            answer = play(running, "look", f"{byte} {number}")
            assert answer.status_code == 200, answer.text
            assert answer.json()["result"]["content"]
        dying.cut_at = None


@pytest.mark.requirement("LIVE-004")
@pytest.mark.parametrize("byte", HEAD_AND_BODY)
def test_a_call_that_may_not_be_repeated_runs_once_and_its_agent_hears_that_it_may_have_run(running, byte):
    replicas = running.servers["repeats"]
    for replica in replicas:
        replica.cut_at = byte
    answer = play(running, "note", f"once {byte}")
    for replica in replicas:
        replica.cut_at = None
    assert answer.status_code >= 500
    error = answer.json()["error"]
    assert "may have run, and was not repeated" in error["message"]
    ran = [text for replica in replicas for text in replica.executed if text == f"once {byte}"]
    assert len(ran) == 1


@pytest.mark.requirement("LIVE-005")
def test_a_tool_that_says_otherwise_than_was_approved_is_repeated_no_more(running):
    replicas = running.servers["repeats"]
    changed = [{**one, "annotations": {"readOnlyHint": True}} for one in TOOLS]
    for replica in replicas:
        replica.tools = changed
    with running.client("bob") as client:
        # What only claims to be harmless now was not approved so: it is hidden until somebody has read it.
        answer = client.post(running.url("repeats"), **ask("tools/list")).json()
        assert [one["name"] for one in answer["result"]["tools"]] == ["look"]
        for replica in replicas:
            replica.cut_at = 0
        answer = client.post(running.url("repeats"), **call("note", "lies"))
        for replica in replicas:
            replica.cut_at, replica.tools = None, TOOLS
    assert answer.json()["error"]["message"] == "Unknown tool: note"
    assert all("lies" not in replica.executed for replica in replicas)
