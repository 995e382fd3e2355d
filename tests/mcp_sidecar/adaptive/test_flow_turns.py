"""A store that is slow, or hangs, keeps nobody waiting for more than his own questions, and opens nothing."""

import threading

import anyio
import anyio.to_thread
import pytest

from mcp_core.outcome import Reject
from mcp_core.reasons import Reason
from mcp_sidecar.adaptive import flows
from mcp_sidecar.adaptive.flows import AT_ONCE

from flow_desk import legacy  # isort: skip


class Slow:
    """A memory in which nobody has read anything, which it says of `whom` once it is let."""

    def __init__(self):
        self.let = threading.Event()
        self.asked = threading.Semaphore(0)
        self.whom = None

    def read_by(self, _server, caller, _session, _now):
        self.asked.release()
        self.whom = self.whom or caller
        assert caller != self.whom or self.let.wait(60)
        return frozenset()

    def note(self, *_asked):
        pass


@pytest.fixture
def slow():
    slow = Slow()
    yield slow
    slow.let.set()


async def many(desk, count, then, **era):
    """Have a caller call so many times at once, and do `then` once the store was asked; return what it heard."""
    heard = []

    async def use():
        heard.append(await desk.used("send_mail", **era))

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(use)
        await then()
    return heard


@pytest.mark.requirement("FLOW-118")
def test_no_callers_questions_to_the_store_keep_another_waiting(agent, slow):
    async def work(desk):
        async def then():
            assert await anyio.to_thread.run_sync(slow.asked.acquire, True, 60)
            with anyio.fail_after(60):
                assert not isinstance(await desk.used("send_mail", **legacy(), principal="bob"), Reject)
            slow.let.set()

        return await many(desk, AT_ONCE + 2, then, **legacy())

    heard = agent(work, memory=slow)
    assert not any(isinstance(one, Reject) for one in heard)


@pytest.mark.requirement("FLOW-118")
def test_who_waits_too_long_for_the_store_is_refused_as_while_it_is_away(agent, slow, called, monkeypatch):
    monkeypatch.setattr(flows, "TURN_SECONDS", 0.05)

    async def work(desk):
        async def then():
            assert await anyio.to_thread.run_sync(slow.asked.acquire, True, 60)
            said = await desk.used("send_mail", **legacy())
            assert (isinstance(said, Reject), said.reason) == (True, Reason.FLOW_UNKNOWN)
            slow.let.set()

        return await many(desk, 1, then, **legacy())

    heard = agent(work, memory=slow)
    assert not any(isinstance(one, Reject) for one in heard)
    assert len(called) == 1
