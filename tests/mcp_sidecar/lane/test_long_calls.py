"""Silent streams are kept alive, calls end in their time, and a server hears when nobody waits for its work."""

import contextlib
import json
import threading
from types import SimpleNamespace

import anyio
import pytest
from prometheus_client import Counter

from mcp_core.claims import Target
from mcp_core.methods import Era, Place
from mcp_core.principal import consumer
from mcp_core.question import Asked, Question
from mcp_sidecar.lane.cancelling import Cancels
from mcp_sidecar.upstream.shares import Shares

CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x"}}'
STARTED = b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"started"}}\n\n'
GET = {"http_method": "GET", "method": "", "id": None}
SESSION = {"session": "up-1"}


class Working:
    """A server that begins an answer and works until its connection ends; it writes down what it is told."""

    def __init__(self, kong, words):
        self.begun, self.closed, self.told = threading.Event(), threading.Event(), []
        self.begins = words.stream_answer(STARTED, end=False)
        self._words = words
        kong.play = self.play

    def play(self, request, connection):
        message = json.loads(request.body or b"{}")
        if message.get("method") == "notifications/cancelled":
            self.told.append((message["params"]["requestId"], request.headers.get("mcp-session-id")))
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        connection.sendall(self.begins)
        self.begun.set()
        with contextlib.suppress(OSError):
            connection.settimeout(60)
            connection.recv(1)
        self.closed.set()


@pytest.fixture
def working(kong, words):
    return Working(kong, words)


def counted(guard, words, name):
    text = guard.sidecar.get("/metrics", {"Authorization": f"Bearer {words.metrics_token}"}).body.decode()
    return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(name)), 0.0)


@pytest.mark.requirement("LIVE-107")
@pytest.mark.parametrize("asked", [GET, {"method": "tools/call"}], ids=["a stream", "a call"])
@pytest.mark.usefixtures("working")
def test_a_silent_stream_gets_comments(start, words, asked):
    guard = start(MCP_SIDECAR_KEEP_ALIVE="0.05")
    with contextlib.closing(guard.open(CALL, **asked, **SESSION)) as connection:
        stream = connection.getresponse()
        lines = [stream.readline() for _ in range(6)]
    assert lines == [STARTED.splitlines()[0] + b"\n", b"\n", b":\n", b"\n", b":\n", b"\n"]
    assert counted(guard, words, "mcp_sidecar_keep_alives_total") >= 2


@pytest.mark.requirement("LIVE-108")
@pytest.mark.parametrize("begins", [True, False], ids=["on its stream", "as its answer"])
def test_a_call_ends_when_the_time_of_its_policy_is_up_and_its_server_hears_so(guard, working, words, begins):
    working.begins = words.stream_answer(b"id: 1\n" + STARTED, end=False) if begins else b""
    answer = guard.ask(CALL, method="tools/call", call_seconds=1, **SESSION)
    said = json.loads(answer.body.decode().rpartition("data: ")[2])
    assert answer.status == (200 if begins else 504)
    assert (said["id"], said["error"]["data"]) == (7, {"mayHaveRun": True})
    assert "within 1 s" in said["error"]["message"]
    assert working.told == [(7, ["up-1"])]
    assert working.closed.wait(60)
    assert counted(guard, words, 'mcp_sidecar_cancelled_total{server="files",why="late"}') >= 1


@pytest.mark.requirement("LIVE-108")
def test_what_is_no_call_has_the_time_of_answers(guard, kong, words):
    kong.answers(words.json_answer(words.result("a")))
    assert guard.ask(call_seconds=1).status == 200


@pytest.mark.requirement("LIVE-109")
def test_an_agent_that_leaves_cancels_its_call_at_the_server(guard, working):
    with contextlib.closing(guard.open(CALL, method="tools/call", **SESSION)):
        assert working.begun.wait(60)
    assert guard.line()["outcome"] == "cancelled"
    assert working.told == [(7, ["up-1"])]
    assert working.closed.wait(60)


@pytest.mark.requirement("LIVE-109")
@pytest.mark.parametrize(
    ("begins", "asked"),
    [
        (b"id: 1\n", {**SESSION, "method": "tools/call"}),
        (b"", {"method": "tools/call"}),
        (b"", {"method": "tools/call", "era": "modern", "version": "2026-07-28"}),
        (b"", {**SESSION, "method": "initialize"}),
        (b"", {**SESSION, **GET}),
    ],
    ids=["whose stream it may resume", "without a session", "modern", "that begins", "that listens"],
)
def test_where_the_closed_connection_says_it_or_nothing_is_to_be_said_nothing_is(guard, working, words, begins, asked):
    working.begins = words.stream_answer(begins + STARTED, end=False)
    with contextlib.closing(guard.open(CALL, **asked)) as connection:
        connection.getresponse().readline()
    assert guard.line()["outcome"] == "cancelled"
    assert working.closed.wait(60)
    assert working.told == []


@pytest.mark.requirement("LIVE-110")
def test_an_agent_that_does_not_read_is_cut_off(start, kong, words):
    guard = start(MCP_SIDECAR_SLOW_READER="0.2")
    much = words.chunk(STARTED.replace(b"started", b"x" * 500_000))

    def floods(_request, connection):
        connection.sendall(words.stream_answer(STARTED, end=False))
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(much)

    kong.play = floods
    with contextlib.closing(guard.open(CALL, **GET, **SESSION)):
        assert guard.line()["outcome"] == "cancelled"
    assert counted(guard, words, "mcp_sidecar_slow_readers_total") == 1


class Deaf:
    """A way to a server that takes what it is told, and does not answer while `over` is not set."""

    def __init__(self):
        self.told, self.over = 0, anyio.Event()

    @contextlib.asynccontextmanager
    async def send(self, *_):
        self.told += 1
        await self.over.wait()
        yield


@pytest.mark.requirement("LIVE-302")
def test_telling_a_server_that_work_is_cancelled_holds_a_place_of_the_caller():
    """Else whoever leaves again and again takes the places of all."""
    asked = Question(Era.LEGACY, "2025-11-25", Place.POST, (Asked(7, "tools/call"),))
    claims = SimpleNamespace(
        question=asked, method="tools/call", principal=consumer("ann"), terms=SimpleNamespace(hide=None)
    )
    call, target = SimpleNamespace(claims=claims, headers={}), Target("files", Era.LEGACY, "a1", session="up-1")

    async def leave_thrice():
        way, shares = Deaf(), Shares(of_caller=1, of_server=10)
        cancels = Cancels(way, Counter("cancelled", "Counts", ["server", "why"], registry=None), shares)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancels.tell, call, target, "left")
            await anyio.wait_all_tasks_blocked()
            assert shares.open == 1
            for _ in range(2):
                await cancels.tell(call, target, "left")
            way.over.set()
        assert (way.told, shares.open) == (1, 0)

    anyio.run(leave_thrice)
