"""Programs that write what no program should, each spoken to as the supervisor does."""

import asyncio
import os
import signal
import sys
import threading
from contextlib import asynccontextmanager

import anyio
import pytest
from structlog.testing import capture_logs

from mcp_core import loosejson
from mcp_core.jsonrpc import Request
from mcp_core.stdio import StdioServer
from mcp_sidecar.stdio.lines import LineCutter
from mcp_sidecar.stdio.program import LONG_LINE, MOST_NOISE, StdioProgram
from mcp_sidecar.stdio.sessions import StdioSession, StdioSessions
from mcp_sidecar.stdio.turns import LINES, ReadingTurns, lines_of
from mcp_sidecar.stdio.waiting import MOST_BYTES, MOST_QUEUED, WaitingRequest

CALL = Request("mine", "tools/call", {})
FIRST = Request(1, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}})
PROGRAM = """
import json, sys
def say(line):
    sys.stdout.write(line + "\\n")
    sys.stdout.flush()
for line in sys.stdin:
    message = json.loads(line)
    id_, method = message.get("id"), message.get("method")
    good = json.dumps({"jsonrpc": "2.0", "id": id_, "result": {"tools": []}})
    if method == "tools/call":
        CALLED
    elif id_ is not None:
        say(good)
"""
"""Answers everything; what CALLED becomes answers a call."""


def server_that(called, *, shared=False):
    return StdioServer("odd", (sys.executable, "-c", PROGRAM.replace("CALLED", called)), shared=shared)


def play(scene):
    """Run a scene on the loop that local servers run on."""
    anyio.run(scene, backend_options={"use_uvloop": True})


@asynccontextmanager
async def running(called, unasked=lambda *_: None):
    program = StdioProgram(server_that(called), unasked)
    await program.start()
    try:
        yield program
    finally:
        await program.stop()


async def answer_of(program):
    with anyio.fail_after(60):
        return await (await program.ask(CALL, None, 300)).answer()


@pytest.mark.requirement("STDIO-021")
@pytest.mark.parametrize(
    "line",
    [
        '{"jsonrpc":"2.0","method":[]}',
        '{"jsonrpc":"2.0","method":{},"id":[]}',
        '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":[]}}',
        '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":[]}',
        '{"jsonrpc":"2.0","method":"ping","id":{}}',
        '{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"x":NaN}}',
    ],
)
def test_an_odd_line_keeps_nobody_from_a_shared_program(line):
    async def scene():
        sessions = StdioSessions(server_that(f"say({line!r}); say(good)", shared=True))
        try:
            session, _ = await sessions.open(FIRST)
            session.subscribed.add("file:///x")
            with anyio.fail_after(60):
                for _ in range(2):
                    answer = await (await sessions.ask(session, CALL)).answer()
                    assert answer == {"jsonrpc": "2.0", "id": "mine", "result": {"tools": []}}
            assert not session.held
        finally:
            await sessions.close_all()

    play(scene)


@pytest.mark.requirement("STDIO-021")
def test_a_program_whose_words_cannot_be_taken_is_ended_and_nobody_waits():
    def fail(*_):
        raise KeyError

    async def scene():
        async with running("""say('{"jsonrpc":"2.0","method":"x"}')""", fail) as program:
            answer = await answer_of(program)
            assert "wrote what cannot be read" in answer["error"]["message"]
            assert not program.running

    play(scene)


@pytest.mark.requirement("STDIO-021")
@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_an_answer_with_a_number_that_json_has_not_is_an_error(number):
    async def scene():
        async with running(f"say(good.replace('[]', '[{number}]'))") as program:
            answer = await answer_of(program)
            assert answer["id"] == "mine"
            assert "a number that JSON has not" in answer["error"]["message"]

    play(scene)


@pytest.mark.requirement("STDIO-022")
def test_others_get_as_much_time_as_the_reading_of_one_program_takes():
    now, slept = [0.0], []

    async def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    async def scene():
        turns = ReadingTurns(lambda: now[0], sleep)
        for worked in (1.0, 0.001, 0.001, 0.25):
            turns.begin()
            now[0] += worked
            await turns.end()
        now[0] += 0.1  # it said nothing: what it owed is paid
        turns.begin()
        now[0] += 0.001
        await turns.end()

    play(scene)
    assert slept == pytest.approx([1.0, 0, 0, 0.252, 0])


@pytest.mark.requirement("STDIO-022")
def test_others_have_their_turn_after_some_lines_and_after_each_chunk():
    async def scene():
        stream = asyncio.StreamReader()
        stream.feed_data(b"x\n" * (2 * LINES + 1))
        stream.feed_eof()
        at, seen = 0, []

        async def sleep(_seconds):
            seen.append(at)

        async for _ in lines_of(stream, LineCutter(), ReadingTurns(lambda: 0.0, sleep)):
            at += 1
        assert seen == [LINES, 2 * LINES, 2 * LINES + 1]

    play(scene)


@pytest.mark.requirement("STDIO-022")
def test_a_long_line_is_parsed_apart_from_the_loop(monkeypatch):
    threads, load = [], loosejson.load

    def noted(line, limits):
        threads.append(threading.current_thread() is threading.main_thread())
        return load(line, limits)

    async def scene():
        monkeypatch.setattr(loosejson, "load", noted)
        async with running(f"say(good); say(good.replace('[]', '[' + '1,' * {LONG_LINE // 2} + '1]'))") as program:
            await answer_of(program)
            await answer_of(program)

    play(scene)
    assert threads[:3] == [True, False, True]


@pytest.mark.requirement("STDIO-022")
def test_a_program_that_writes_no_messages_on_and_on_is_ended():
    async def scene():
        noise = f"sys.stdout.write('x\\n' * {MOST_NOISE})"
        async with running(f"{noise}; say(good)") as program:
            assert "result" in await answer_of(program)
        async with running(f"{noise}; say(''); say(good)") as program:
            answer = await answer_of(program)
            assert "lines that are no messages" in answer["error"]["message"]

    play(scene)


@pytest.mark.requirement("STDIO-022")
def test_nothing_reads_what_an_orphan_writes_after_its_keeper_was_killed():
    message = '{"jsonrpc":"2.0","method":"notifications/message"}'
    orphan = f"import os; os.fork() and os._exit(0); os.setsid()\nwhile True: print({message!r})"

    async def scene():
        code = f"import subprocess; subprocess.Popen([sys.executable, '-c', {orphan!r}]).wait(); say(good)"
        async with running(code) as program:
            await answer_of(program)
            os.kill(program._process.pid, signal.SIGKILL)
            with anyio.fail_after(60):
                await asyncio.wait(program._tasks)
            assert not program.running

    play(scene)


NOTE = {"jsonrpc": "2.0", "method": "notifications/message"}


@pytest.mark.requirement("STDIO-023")
def test_what_waits_for_an_answer_holds_no_more_bytes_than_may_be_and_the_answer_always():
    async def scene():
        asked = WaitingRequest(1, None, None)
        for number in range(5):
            asked.add({**NOTE, "params": number}, MOST_BYTES // 2)
        asked.end({"id": 1})
        assert [(await asked.next()).get("params") for _ in range(3)] == [0, 1, None]
        asked = WaitingRequest(2, None, None)
        for number in range(5):  # what was taken makes room
            asked.add({**NOTE, "params": number}, MOST_BYTES)
            assert (await asked.next())["params"] == number

    play(scene)


@pytest.mark.requirement("STDIO-023")
def test_a_session_that_does_not_listen_holds_the_newest_that_may_be():
    async def scene():
        session = StdioSession(None)
        for number in range(5):
            session.push({**NOTE, "params": number}, MOST_BYTES // 2)
        stream = session.listen()
        session.push({**NOTE, "params": 5}, 1)  # beyond
        session.hang_up()
        assert [one and one["params"] for one in [await stream.get() for _ in range(3)]] == [3, 4, None]
        session.push({**NOTE, "params": 6}, MOST_BYTES)
        assert len(session.held) == 1

    play(scene)


@pytest.mark.requirement("STDIO-023")
def test_a_programs_messages_are_weighed_as_it_wrote_them():
    heard = []
    line = '{"jsonrpc":"2.0","method":"notifications/message", "params":{}}'

    async def scene():
        async with running(f"say({line!r}); say(good)", lambda *one: heard.append(one)) as program:
            await answer_of(program)

    play(scene)
    assert heard == [({**NOTE, "params": {}}, len(line))]


@pytest.mark.requirement("STDIO-023")
def test_a_program_that_asks_and_reads_nothing_has_no_more_answers_waiting_than_may_be():
    async def scene():
        async with running("say(good)") as program:
            for number in range(2 * MOST_QUEUED):
                program.reply({"jsonrpc": "2.0", "id": number, "result": {}})
            assert len(program._later) == MOST_QUEUED

    play(scene)


@pytest.mark.requirement("STDIO-024")
@pytest.mark.parametrize(
    "line",
    [
        '{"jsonrpc":"2.0","id":99,"result":"secret"}',
        '{"jsonrpc":"1.0","id":99,"result":"secret"}',
        '[7,{"jsonrpc":"2.0","id":99,"result":"secret"}]',
        '{"jsonrpc":"2.0","id":99,"result":"secret"',
        ' {"jsonrpc":"2.0","id":99,"result":["secret",NaN]}',
        'x{"jsonrpc":"2.0","id":99,"result":"secret"}',
    ],
)
def test_of_a_line_that_may_hold_a_result_the_log_has_the_size_alone(line):
    async def scene():
        async with running(f"say('[info] ready'); say({line!r}); say(good)") as program:
            await answer_of(program)

    with capture_logs() as lines:
        play(scene)
    assert "secret" not in str(lines)
    assert [one["bytes"] for one in lines if one["event"] != "the local program ended"][1:] in (
        [len(line)],
        [len(line)] * 2,
    )
    assert lines[0]["text"] == "[info] ready"
