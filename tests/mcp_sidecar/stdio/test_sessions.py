"""Sessions of a local server over time, and lines of a program as they are cut."""

import sys
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_core.jsonrpc import Request
from mcp_core.stdio import ProcessLimits, StdioServer
from mcp_sidecar.stdio.lines import LineCutter, TooLongLine
from mcp_sidecar.stdio.program import StdioProgram
from mcp_sidecar.stdio.sessions import RestartWait, StdioSessions

PROGRAM = Path(__file__).parents[2] / "servers" / "stdio_server.py"
FIRST = Request(1, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}})


@pytest.mark.requirement("STDIO-007")
def test_a_program_that_does_not_start_is_left_alone_longer_each_time_up_to_a_minute():
    now = [0.0]
    wait = RestartWait(lambda: now[0])
    assert wait.seconds == 0
    found = []
    for _ in range(9):
        wait.failed()
        found.append(wait.seconds)
        now[0] += wait.seconds
    assert found == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    wait.started()
    wait.failed()
    assert wait.seconds == 1


@pytest.mark.requirement("STDIO-001")
def test_a_session_that_nobody_uses_ends_with_its_program_and_others_stay():
    async def play():
        server = StdioServer("local", (sys.executable, str(PROGRAM)), limits=ProcessLimits(idle=0))
        sessions = StdioSessions(server)
        first = Request(1, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}})
        idle, _ = await sessions.open(first)
        listening, _ = await sessions.open(first)
        listening.listen()
        try:
            await sessions.close_idle()
            assert sessions.find(idle.id) is None
            assert not idle.program.running
            assert sessions.find(listening.id) is listening
            await sessions.close(listening)
            assert sessions.find(listening.id) is None
        finally:
            await sessions.close_all()

    anyio.run(play)


@pytest.mark.requirement("STDIO-003")
@given(st.lists(st.binary(max_size=40).filter(lambda one: b"\n" not in one and b"\r" not in one)), st.integers(1, 30))
def test_lines_are_the_same_however_their_bytes_come_and_none_is_held_beyond_its_bound(lines, step):
    sent = b"".join(one + b"\n" for one in lines)
    cutter = LineCutter(most=20, ends=4)
    found = [one for at in range(0, len(sent), step) for one in cutter.feed(sent[at : at + step])]
    assert len(found) == len(lines)
    for line, cut in zip(lines, found, strict=True):
        if len(line) > 20:
            assert isinstance(cut, TooLongLine)
            assert cut.size == len(line)
            assert len(cut.ends) <= 8 + step
            assert cut.ends.startswith(line[:4])
            assert cut.ends.endswith(line[-4:])
        else:
            assert cut == line


def scene_of(play, **options):
    """Run a scene with the sessions of a server, on the loop that local servers run on."""

    async def scene():
        sessions = StdioSessions(StdioServer("local", (sys.executable, str(PROGRAM)), **options))
        try:
            with anyio.fail_after(60):
                await play(sessions)
        finally:
            await sessions.close_all()

    anyio.run(scene, backend_options={"use_uvloop": True})


@pytest.mark.requirement("STDIO-025")
def test_a_program_that_is_being_ended_counts_until_it_is_gone(monkeypatch):
    gate = anyio.Event()
    stop = StdioProgram.stop

    async def held(program, why=""):
        program._end(why)
        await gate.wait()
        await stop(program, why)

    async def play(sessions):
        monkeypatch.setattr(StdioProgram, "stop", held)
        session, _ = await sessions.open(FIRST)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sessions.close, session)
            await anyio.wait_all_tasks_blocked()
            assert sessions.find(session.id) is None
            refused, answer = await sessions.open(FIRST)
            assert refused is None
            assert "1 sessions are open" in answer["error"]["message"]
            gate.set()
        opened, _ = await sessions.open(FIRST)
        assert opened.program.running

    scene_of(play, limits=ProcessLimits(sessions=1))


@pytest.mark.requirement("STDIO-025")
@pytest.mark.parametrize("shared", [False, True])
def test_where_all_places_are_taken_the_least_recently_used_session_makes_room(shared):
    async def play(sessions):
        busy, listening, recent, old, older = [(await sessions.open(FIRST))[0] for _ in range(5)]
        waits = await sessions.ask(busy, Request(2, "tools/call", {"name": "hang"}))
        listening.listen()
        for session, minutes in ((busy, 9), (listening, 8), (old, 5), (older, 6)):
            session.used -= 60 * minutes
        for gone in (older, old):
            opened, _ = await sessions.open(FIRST)
            assert sessions.find(opened.id) is opened
            assert sessions.find(gone.id) is None
        refused, answer = await sessions.open(FIRST)
        assert refused is None
        assert "5 sessions are open" in answer["error"]["message"]
        assert all(sessions.find(one.id) is one for one in (busy, listening, recent))
        assert not waits.ended

    scene_of(play, limits=ProcessLimits(sessions=5), shared=shared)


def subscribe(uri):
    return Request(5, "resources/subscribe", {"uri": uri})


async def answer_of(sessions, session, request):
    return await (await sessions.ask(session, request)).answer()


@pytest.mark.requirement("STDIO-026")
def test_subscriptions_with_a_shared_program_are_bounded_and_hold_once_it_took_them():
    async def play(sessions):
        session, _ = await sessions.open(FIRST)
        for uri in ("x" * 2049, "refused"):
            assert "error" in await answer_of(sessions, session, subscribe(uri))
        assert session.subscribed == set()
        assert "result" in await answer_of(sessions, session, subscribe("x" * 2048))
        session.subscribed.update(str(number) for number in range(998))
        assert "result" in await answer_of(sessions, session, subscribe("the last"))
        refused = await answer_of(sessions, session, subscribe("one more"))
        assert refused["error"]["code"] == -32602
        assert len(session.subscribed) == 1000
        assert "result" in await answer_of(sessions, session, subscribe("the last"))
        assert "result" in await answer_of(sessions, session, Request(6, "resources/unsubscribe", {"uri": "the last"}))
        assert "result" in await answer_of(sessions, session, subscribe("one more"))
        assert not session.subscribing

    scene_of(play, shared=True)


@pytest.mark.requirement("STDIO-026")
def test_subscriptions_on_their_way_count_and_end_with_the_program():
    async def play(sessions):
        session, _ = await sessions.open(FIRST)
        session.subscribed.update(str(number) for number in range(999))
        waits = await sessions.ask(session, subscribe("hang"))
        assert "error" in await answer_of(sessions, session, subscribe("one more"))
        await sessions.ask(session, Request(7, "tools/call", {"name": "exit"}))
        assert "error" in await waits.answer()
        assert len(session.subscribed) == 999
        assert not session.subscribing

    scene_of(play, shared=True)


@pytest.mark.requirement("STDIO-026")
def test_a_program_started_anew_is_asked_again_while_others_use_it(monkeypatch):
    ask, asked, gate = StdioProgram.ask, [], anyio.Event()

    async def held(program, request, *rest):
        if request.method == "resources/subscribe" and asked:
            await gate.wait()
        if request.method == "resources/subscribe":
            asked.append(request.params["uri"])
        return await ask(program, request, *rest)

    async def play(sessions):
        monkeypatch.setattr(StdioProgram, "ask", held)
        session, _ = await sessions.open(FIRST)
        await answer_of(sessions, session, subscribe("file:///a"))
        await answer_of(sessions, session, Request(7, "tools/call", {"name": "exit"}))
        answer = await answer_of(sessions, session, Request(8, "tools/call", {"name": "good"}))
        assert "result" in answer
        assert asked == ["file:///a"]
        gate.set()
        await anyio.wait_all_tasks_blocked()
        assert asked == ["file:///a"] * 2

    scene_of(play, shared=True)


@pytest.mark.requirement("STDIO-025")
@pytest.mark.parametrize("shared", [False, True])
def test_a_session_is_in_use_until_its_answer_comes(shared):
    async def play(sessions):
        session, _ = await sessions.open(FIRST)
        waits = await sessions.ask(session, Request(2, "tools/call", {"name": "hang"}))
        session.used -= 600
        waits.end({"jsonrpc": "2.0", "id": 2, "result": {}})
        (session.program or sessions._shared).waiting.clear()
        refused, _ = await sessions.open(FIRST)
        assert refused is None
        assert sessions.find(session.id) is session

    scene_of(play, limits=ProcessLimits(sessions=1), shared=shared)
