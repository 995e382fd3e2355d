"""Calls whose replica dies under them: what the gateway repeats is one call of the agent's, in every count."""

import contextlib
from collections import Counter

import pytest

from e2e.harness import KINDS
from e2e.told_counts import TOKEN, audited, metrics, usage
from resilience.conftest import OPEN, gateway
from servers.launch import wait_for
from servers.moody_server import MoodyServer, ask, call

pytestmark = pytest.mark.long
REPEATING = {**OPEN, "pins": {"mode": "enforce"}, "repeat": {"calls": "hinted"}}
DEATHS = (0, 180, 0, 180)
"""Bytes of an answer after which the replica is killed, by turns of the two."""


@pytest.fixture(params=KINDS)
def running(request, tmp_path, monkeypatch):
    monkeypatch.setenv("MCP_SIDECAR_METRICS_TOKEN", TOKEN)
    monkeypatch.setenv("MCP_SIDECAR_AUDIT", str(tmp_path / "audit"))
    monkeypatch.setenv("MCP_SIDECAR_AUDIT_EVENTS", "calls")
    with contextlib.ExitStack() as stack:
        servers = {"repeats": [MoodyServer(), MoodyServer()]}
        for replica in servers["repeats"]:
            stack.callback(replica.close)
        more = {"collector": True, "store": str(tmp_path / "store.db")}
        started = stack.enter_context(gateway(request.param, servers, REPEATING, **more))
        with started.client("bob") as client:
            wait_for(
                lambda: len(client.post(started.url("repeats"), **ask("tools/list")).json()["result"]["tools"]) == 2,
                lambda: "the tools are not approved",
            )
        yield started


class Agent:
    """Calls tools, and counts its calls by tool and status."""

    def __init__(self, running):
        self._running = running
        self.calls = Counter()

    def call(self, tool, text):
        with self._running.client("bob") as client:
            status = client.post(self._running.url("repeats"), **call(tool, text)).status_code
        self.calls[tool, status] += 1
        return status

    def call_until_dead(self, replica, byte, tool):
        """Call until a replica was killed by a call, have it run again, and wait until it gets calls."""
        replica.dies_at = byte
        for number in range(100):
            self.call(tool, f"{byte} {number}")
            if replica.dead.is_set():
                break
        assert replica.dead.is_set()
        replica.start()
        seen = len(replica.executed)
        wait_for(lambda: self.call("look", "back") and len(replica.executed) > seen, lambda: "it gets no calls")


@pytest.mark.requirement("TEL-010")
def test_a_call_counts_once_however_often_it_was_tried(running, tmp_path):
    agent = Agent(running)
    replicas = running.servers["repeats"]
    for number, byte in enumerate(DEATHS):
        agent.call_until_dead(replicas[number % 2], byte, "look")
        agent.call_until_dead(replicas[number % 2], byte, "note")
    statuses = Counter((tool, status == 200) for tool, status in agent.calls.elements())
    assert (statuses["look", False], statuses["note", False]) == (0, len(DEATHS))
    # Each death under a call that may be repeated had it run twice: the first time, nobody heard of it.
    assert sum(len(replica.executed) for replica in replicas) == agent.calls.total() + len(DEATHS)
    wait_for(lambda: counted(running).total() >= agent.calls.total(), lambda: str(counted(running)))
    counts = counted(running)
    assert counts["look", "passed"] == statuses["look", True]
    assert counts["note", "passed"] == statuses["note", True]
    # Kong's and the server's ends of a call that broke are told apart; what counts is that it is there, once.
    assert counts["note", "broken"] + counts["note", "unavailable"] == len(DEATHS)
    assert counts.total() == agent.calls.total()
    passed = Counter({("repeats", tool): counts[tool, "passed"] for tool in ("look", "note")})
    wait_for(lambda: metrics(running) == passed, lambda: str(metrics(running)))
    assert audited(tmp_path / "audit", running) == passed


def counted(running):
    """Return how many calls were counted, by tool and outcome."""
    found = Counter()
    for (_, name, _, outcome), calls in usage(running).items():
        found[name, outcome] += calls
    return found
