"""Breakers of a process: what opens one, and what the node's guards and agents hear of it."""

import anyio
import msgspec
import pytest
from anyio.from_thread import start_blocking_portal
from prometheus_client import CollectorRegistry

from mcp_core.health import told
from mcp_core.health.breaker import BreakerLimits, Why
from mcp_sidecar.health.breakers import Breakers, ToldFile
from mcp_sidecar.health.metrics import HealthMetrics
from servers.launch import wait_for

KEYS = (b"k" * 32,)


@pytest.fixture
def breakers(tmp_path):
    file = ToldFile(str(tmp_path / "health"), KEYS, "1")
    return Breakers(BreakerLimits(requests=4, rest=30.0), HealthMetrics(CollectorRegistry()), file)


def fail(breakers, server="notes"):
    for _ in range(4):
        breakers.ended(server, None, failed=True, seconds=None)


@pytest.mark.requirement("BREAK-001")
def test_one_server_s_trouble_refuses_nobody_else(breakers):
    fail(breakers)
    refusal = breakers.refusal("notes")
    assert (refusal.http_status(), refusal.detail, refusal.headers) == (503, "errors", {"Retry-After": "30"})
    assert breakers.refusal("other") is None
    assert set(breakers.closed()) == {"notes"}


@pytest.mark.requirement("BREAK-006")
def test_the_node_s_guards_are_told_and_told_again_when_it_is_over(breakers, tmp_path):
    def closed():
        return told.read_file((tmp_path / "health").read_bytes(), KEYS, msgspec.msgpack.decode)

    with start_blocking_portal() as portal:
        running = portal.start_task_soon(breakers.run)
        portal.call(lambda: breakers.probed("notes", replicas=1, well=0))
        wait_for(lambda: (tmp_path / "health").exists() and "notes" in closed(), lambda: "guards are not told")
        assert closed()["notes"].why is Why.NO_REPLICA
        portal.call(lambda: breakers.probed("notes", replicas=1, well=1, back=True))
        wait_for(lambda: not closed(), lambda: f"guards are told of {closed()}")
        running.cancel()


@pytest.mark.requirement("BREAK-006")
def test_a_file_that_cannot_be_written_stops_nothing(tmp_path):
    file = ToldFile(str(tmp_path / "none" / "health"), KEYS, "1")
    breakers = Breakers(BreakerLimits(), HealthMetrics(CollectorRegistry()), file)

    async def run():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(breakers.run)
            breakers.probed("notes", replicas=1, well=0)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

    anyio.run(run)
    assert breakers.refusal("notes").detail == "no-replica"
