"""Programs that write what no program should, each spoken to as the supervisor does."""

import sys
from contextlib import asynccontextmanager

import anyio
import pytest

from mcp_core.jsonrpc import Request
from mcp_core.stdio import StdioServer
from mcp_sidecar.stdio.program import StdioProgram
from mcp_sidecar.stdio.sessions import StdioSessions

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
            assert not any("NaN" in str(one) for one in session.held)
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
