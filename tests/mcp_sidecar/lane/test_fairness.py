"""Turns of servers, and what they do for answers: a short one never waits until long ones are done."""

from __future__ import annotations

import json
import re
import threading

import anyio
import pytest

from mcp_core import results
from mcp_core.policy import Access, View
from mcp_core.scan import Report
from mcp_sidecar.lane.fairness import FairQueue
from mcp_sidecar.lane.filtering import AnswerView, Filter, Filtered, Tally
from mcp_sidecar.lane.inspection import Results

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("RES-008")]
VIEW = View({kind: Access(("*",)) for kind in View({}).access})


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def settled():
    """Let every task that can go on do so."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


async def test_servers_take_turns_whatever_one_of_them_asks_for():
    queue, order = FairQueue(), []

    async def work(server, slices):
        async with queue.turn(server) as turn:
            for number in range(slices):
                order.append(f"{server}{number}")
                if number < slices - 1:
                    await turn.pass_on()

    async with anyio.create_task_group() as tasks, queue.turn("first"):
        for server, slices in (("a", 3), ("a", 3), ("b", 2), ("c", 1)):
            tasks.start_soon(work, server, slices)
            await settled()
        assert queue.is_waited_for
    assert order == ["a0", "b0", "c0", "a0", "b1", "a1", "a1", "a2", "a2"]
    assert not queue.is_waited_for


@pytest.mark.parametrize("called", [False, True])
async def test_whoever_goes_away_keeps_nobody_waiting(called):
    queue, done = FairQueue(), []

    async def wait(server):
        async with queue.turn(server):
            done.append(server)

    async with anyio.create_task_group() as tasks:
        async with queue.turn("first"):
            scope = anyio.CancelScope()

            async def leaver():
                with scope:
                    await wait("goes")

            tasks.start_soon(leaver)
            await settled()
            tasks.start_soon(wait, "stays")
            await settled()
            if not called:
                scope.cancel()
                await settled()
        scope.cancel()
    assert done[-1] == "stays"
    async with queue.turn("again"):
        assert not queue.is_waited_for


class Held:
    """A scanner that stops in every text that says so, until it is let go."""

    def __init__(self):
        self.let_go = threading.Event()
        self.windows = []

    def scan_result(self, *texts):
        self.windows.append(texts[0][:1])
        if texts[0].startswith("x"):
            self.let_go.wait(30)
        return Report()

    def unread(self):
        return Report()


def answer(text):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": text}]}}).encode()


def sight(server, scanner):
    return AnswerView(Tally(VIEW), server, results=Results(scanner, "tools/call", block=True))


async def test_a_short_answer_does_not_wait_for_long_ones_of_others_nor_of_its_own_server():
    filter_, scanner, held = Filter(), Held(), []

    async def long(server):
        held.append(await filter_(answer("x" * 1_500_000), sight(server, scanner)))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for server in ("a", "b", "c", "a"):
                tasks.start_soon(long, server)
            while not scanner.windows:
                await anyio.lowlevel.checkpoint()
            for server in ("a", "d"):
                passed = await filter_(answer("y" * 6_000), sight(server, scanner))
                assert isinstance(passed, Filtered)
            assert not held
            scanner.let_go.set()
    assert [len(one.text) for one in held] == [len(answer("x" * 1_500_000))] * 4


async def test_long_answers_are_read_a_window_at_a_time_by_turns():
    filter_, scanner = Filter(), Held()
    first = threading.Event()

    async def long(server, letter):
        await filter_(answer(letter * 400_000), sight(server, scanner))

    scanner.let_go = first
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(long, "a", "x")
            while not scanner.windows:
                await anyio.lowlevel.checkpoint()
            for server, letter in (("a", "w"), ("b", "y")):
                tasks.start_soon(long, server, letter)
            while not filter_.is_waited_for:
                await anyio.lowlevel.checkpoint()
            first.set()
    in_turn = "".join(scanner.windows)
    assert "xyx" in in_turn
    assert {one: in_turn.count(one) for one in "wxy"} == {"w": 7, "x": 7, "y": 7}
    assert in_turn.index("w") > in_turn.index("y")


async def test_a_server_with_a_long_and_a_huge_answer_has_no_more_turns_than_one_with_one():
    filter_, scanner = Filter(), Held()

    async def scan(server, letter, size):
        await filter_(answer(letter * size), sight(server, scanner))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(scan, "a", "x", 1_500_000)
            while not scanner.windows:
                await anyio.lowlevel.checkpoint()
            for server, letter in (("a", "w"), ("b", "y")):
                tasks.start_soon(scan, server, letter, 400_000)
                await settled()
            scanner.let_go.set()
    in_turn = "".join(scanner.windows)
    while_b_waits = in_turn[in_turn.index("y") : in_turn.rindex("y")]
    assert "w" in while_b_waits
    assert "x" in while_b_waits
    assert re.search("[xw]{2}", while_b_waits) is None


async def test_a_stream_may_hold_long_and_short_texts():
    filter_, scanner = Filter(), Held()
    seen = sight("a", scanner)
    for size in (3_000_000, 10, 100_000, 5_000, 10):
        assert isinstance(await filter_(answer("y" * size), seen), Filtered)


async def test_a_request_that_is_given_up_is_not_scanned_to_its_end():
    filter_, scanner = Filter(), Held()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(filter_, answer("x" * 3_000_000), sight("a", scanner))
        while not scanner.windows:
            await anyio.lowlevel.checkpoint()
        tasks.start_soon(filter_, answer("y" * 100_000), sight("b", scanner))
        while not filter_.is_waited_for:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
        scanner.let_go.set()
    assert scanner.windows.count("x") < 3_000_000 // results.WINDOW
    with anyio.fail_after(20):
        assert isinstance(await filter_(answer("z" * 100_000), sight("a", scanner)), Filtered)
