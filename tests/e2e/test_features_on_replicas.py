"""Where a server has replicas, whatever belongs to a session finds the replica that keeps it."""

import asyncio
import json

import mcp_types as types
import pytest

from e2e.harness import connect_to, start
from e2e.ways import FEATURE_POLICY, MODERN
from servers.launch import FEATURES, wait_for

REPLICAS = {"features-1", "features-2"}
MOST = 40
"""Sessions are spread by chance: so many in a row that meet one replica alone are none."""


@pytest.fixture(scope="module")
def replicas(kind):
    with start(kind, {"features": 2}, policy=FEATURE_POLICY, script=FEATURES) as running:
        yield running


def connect(running, mode, **callbacks):
    return connect_to(running.url("features"), running.key("bob"), mode, **callbacks)


def tellers(running, line):
    """Return the names of the replicas that wrote a line."""
    return {
        feature.name for feature in running.servers["features"] if line in [written[1:] for written in feature.lines()]
    }


async def give_name(_context, _params):
    return types.ElicitResult(action="accept", content={"name": "Zoë"})


async def one_session(running, label):
    """Ask, resume and cancel in one session; gives what came back and which replica cancelled the call."""
    started = asyncio.Event()

    async def on_progress(*_):
        started.set()

    async with connect(running, "legacy", elicitation_callback=give_name) as client:
        asked = await client.call_tool("elicit")
        resumed = await client.call_tool("break_off")
        call = asyncio.create_task(client.call_tool("wait", {"label": label}, progress_callback=on_progress))
        await started.wait()
        call.cancel()
        probe = (lambda: tellers(running, ["cancelled", label]), lambda: f"nobody cancelled {label}")
        homes = await asyncio.to_thread(wait_for, *probe)
    return json.loads(asked.content[0].text)["name"]["action"], resumed.content[0].text, homes


@pytest.mark.requirement("CLIENT-001", "CLIENT-007", "CLIENT-008")
def test_answers_resumptions_and_cancellations_of_a_session_find_its_replica(replicas):
    async def run():
        met = set()
        for number in range(MOST):
            action, resumed, homes = await one_session(replicas, f"call {number}")
            assert (action, resumed, len(homes)) == ("accept", "whole", 1)
            met |= homes
            if met == REPLICAS:
                break
        return met

    assert asyncio.run(run()) == REPLICAS


@pytest.mark.requirement("CLIENT-002")
def test_the_rounds_of_a_modern_call_may_meet_any_replica(replicas):
    async def run():
        async with connect(replicas, MODERN, elicitation_callback=give_name) as client:
            for _ in range(MOST):
                answer = await client.call_tool("elicit")
                assert json.loads(answer.content[0].text)["name"]["content"] == {"name": "Zoë"}
                if tellers(replicas, ["round", "elicit", 1]) == tellers(replicas, ["tool", "elicit"]) == REPLICAS:
                    return True
        return False

    assert asyncio.run(run())
