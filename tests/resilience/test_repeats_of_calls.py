"""A replica that dies at any byte: what may be repeated is; nothing else runs twice, and its agent hears why."""

import contextlib

import pytest

from resilience.conftest import OPEN, gateway
from servers.launch import wait_for
from servers.moody_server import TOOLS, MoodyServer, ask, call

pytestmark = [pytest.mark.long, pytest.mark.slow]
REPEATING = {**OPEN, "pins": {"mode": "enforce"}, "repeat": {"calls": "hinted"}}
BYTES = (0, 180)
"""Bytes of an answer after which a replica is killed: nothing, and all but the end."""


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
    """Call a tool; return the answer."""
    with running.client("bob") as client:
        return client.post(running.url("repeats"), **call(tool, text))


def back(running, replica):
    """Start a replica again, and wait until it gets calls."""
    replica.start()
    seen = len(replica.executed)
    wait_for(lambda: play(running, "look", "back") and len(replica.executed) > seen, lambda: "it gets no calls")


def ran(running, text):
    return sum(replica.executed.count(text) for replica in running.servers["repeats"])


@pytest.mark.requirement("LIVE-004")
@pytest.mark.parametrize("byte", BYTES)
def test_a_call_that_may_be_repeated_is_answered_by_the_other_replica(running, byte):
    for dying in running.servers["repeats"]:
        dying.dies_at = byte
        for number in range(100):
            answer = play(running, "look", f"{byte} {number}")
            assert answer.status_code == 200, answer.text
            assert answer.json()["result"]["content"]
            if dying.dead.is_set():
                break
        assert dying.dead.is_set()
        back(running, dying)


@pytest.mark.requirement("LIVE-004")
@pytest.mark.parametrize("byte", BYTES)
def test_a_call_that_may_not_be_repeated_runs_once_and_its_agent_hears_that_it_may_have_run(running, byte):
    dying = running.servers["repeats"][0]
    dying.dies_at = byte
    for number in range(100):
        answer = play(running, "note", text := f"once {byte} {number}")
        assert ran(running, text) == 1
        if dying.dead.is_set():
            break
        assert answer.status_code == 200, answer.text
    back(running, dying)
    assert answer.status_code == 502
    assert "may have run, and was not repeated" in answer.json()["error"]["message"]


@pytest.mark.requirement("LIVE-004")
def test_in_the_call_lane_too_an_agent_hears_that_its_call_may_have_run(kind):
    with contextlib.closing(MoodyServer()) as replica, gateway(kind, {"calls": [replica]}) as running:
        replica.dies_at = 0
        with running.client("bob") as client:
            answer = client.post(running.url("calls"), **call("look", "x"))
    assert (answer.status_code, replica.executed) == (502, ["x"])
    error = answer.json()["error"]
    assert (answer.json()["id"], error["data"]) == (1, {"mayHaveRun": True})
    assert "may have run, and was not repeated" in error["message"]


@pytest.mark.requirement("LIVE-005")
def test_a_tool_that_changes_its_hints_is_not_repeated_by_them(running):
    replicas = running.servers["repeats"]
    for replica in replicas:
        replica.tools = [{**TOOLS[0], "annotations": {"readOnlyHint": True}}, {**TOOLS[1], "annotations": {}}]
    with running.client("bob") as client:
        client.post(running.url("repeats"), **ask("tools/list"))
    for tool in ("note", "look"):
        for replica in replicas:
            replica.dies_at = 90
        answer = play(running, tool, f"changed {tool}")
        assert answer.status_code != 200
        assert ran(running, f"changed {tool}") <= 1
        for replica in replicas:
            if replica.dead.is_set():
                replica.start()
            replica.dies_at = None
        wait_for(lambda: play(running, "unknown", "x").status_code == 400, lambda: "the gateway does not answer")
    for replica in replicas:
        replica.tools = TOOLS
