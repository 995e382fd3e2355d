"""What the gateway itself asks of servers, on real sockets: judged messages, without an agent to answer."""

from __future__ import annotations

import json
import threading
import time
from contextlib import aclosing, asynccontextmanager, closing

import anyio
import pytest

from mcp_sidecar.health.breakers import Breakers
from mcp_sidecar.lane.callers import Call, Callers
from mcp_sidecar.lane.fetch import LateError
from mcp_sidecar.lane.fetched import Began, Failed, Said, Whole
from mcp_sidecar.lane.filtering import Tally
from mcp_sidecar.lane.inspect_lane import InspectLane
from mcp_sidecar.lane.parts import Parts
from mcp_sidecar.logs import Line
from mcp_sidecar.metrics import Metrics
from mcp_sidecar.settings import Settings
from mcp_sidecar.surface.alerts import Alerts
from mcp_sidecar.upstream.internal_route import Upstream

LIST = b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}'


async def nobody(*_arguments):
    """Stand where virtual servers are answered: none of these tests has one."""
    raise AssertionError


@asynccontextmanager
async def lane_to(kong, words, **settings):
    """An inspect lane in this process, whose internal route is `kong`."""
    given = Settings((words.key,), kong_url=f"http://127.0.0.1:{kong.port}", **settings)
    metrics = Metrics()
    async with aclosing(Upstream(given, metrics.repeats)) as upstream:
        with closing(Alerts(metrics.pins)) as alerts:
            parts = Parts.of(given, metrics, upstream, anyio.Event(), None, alerts)
            yield InspectLane(Callers(given.keys), parts, Breakers(given.health.limits, metrics.health, None), nobody)


@pytest.fixture
def call(guard):
    """Return what a guard would ask, as the gateway asks it for itself."""

    def call(server="files", body=LIST, **changes):
        claims, target = guard.says(body, server=server, **changes)
        return Call(claims, target, Tally(claims.terms.view), {"content-type": "application/json"}, body)

    return call


def line():
    return Line(started=time.monotonic())


@pytest.mark.requirement("SIDE-140")
def test_the_lists_of_two_servers_are_merged_in_ten_lines(kong, words, call):
    lists = {"/files": ("read", "secret"), "/notes": ("find", "read")}
    kong.play = lambda request, connection: connection.sendall(words.json_answer(words.result(*lists[request.path])))

    async def merged(lane, servers):
        found = {}

        async def ask(server):
            async with lane.fetch(call(server), line()) as fetched:
                async for part in fetched:
                    found[server] = [tool["name"] for tool in json.loads(part.text)["result"]["tools"]]

        async with anyio.create_task_group() as tasks:
            for server in servers:
                tasks.start_soon(ask, server)
        return [f"{server}.{name}" for server in servers for name in found[server]]

    async def run():
        async with lane_to(kong, words) as lane:
            return await merged(lane, ["files", "notes"])

    assert anyio.run(run) == ["files.read", "notes.find", "notes.read"]


def fetched(kong, words, asked, said=None, **settings):
    """Return all that comes back for a call."""

    async def run():
        async with lane_to(kong, words, **settings) as lane, lane.fetch(asked, said or line()) as fetched:
            return [part async for part in fetched]

    return anyio.run(run)


@pytest.mark.requirement("SIDE-141")
def test_what_is_no_answer_to_the_question_comes_as_a_refusal_and_is_the_last(kong, words, call):
    kong.answers(words.json_answer(words.result("read", id_=8)))
    said = line()
    (failed,) = fetched(kong, words, call(), said)
    assert isinstance(failed, Failed)
    assert (failed.outcome, failed.refusal.id, said.outcome) == ("withheld", 7, "withheld")
    kong.answers(words.json_answer(b"no", status="401 Unauthorized"))
    (refused,) = fetched(kong, words, call())
    assert isinstance(refused, Failed)


@pytest.mark.requirement("SIDE-141")
def test_an_answer_comes_whole_or_event_by_event(kong, words, call):
    kong.answers(words.json_answer(words.result("read", "secret")))
    said = line()
    (whole,) = fetched(kong, words, call(), said)
    assert isinstance(whole, Whole)
    assert json.loads(whole.text)["result"] == {"tools": [{"name": "read"}]}
    assert (said.hidden, said.asked.server, said.outcome) == (1, "files", "filtered")
    note = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}'
    kong.answers(words.stream_answer(b"id: 1\ndata: %s\n\n" % note, b"data: %s\n\n" % words.result("read")))
    began, first, last = fetched(kong, words, call())
    assert (type(began), began.status) == (Began, 200)
    assert (type(first), first.text, first.event.id) == (Said, note, "1")
    assert json.loads(last.text)["result"] == {"tools": [{"name": "read"}]}


@pytest.mark.requirement("SIDE-142")
def test_a_server_that_does_not_answer_in_time_is_one_that_failed(kong, words, call):
    gone = threading.Event()
    kong.play = lambda _request, connection: gone.set() if connection.recv(1) == b"" else None
    said = line()
    with pytest.raises(LateError) as late:
        fetched(kong, words, call(), said, answer_timeout=0.05)
    assert (late.value.failed.outcome, late.value.failed.refusal.id, said.outcome) == ("timeout", 7, "timeout")
    assert gone.wait(30)


@pytest.mark.requirement("SIDE-142")
def test_who_stops_reading_ends_the_request_to_the_server(kong, words, call):
    gone = threading.Event()

    def play(_request, connection):
        connection.sendall(words.stream_answer(b": hello\n\n", end=False))
        if connection.recv(1) == b"":
            gone.set()

    kong.play = play

    async def run():
        async with lane_to(kong, words) as lane:
            asked = call(http_method="GET", method="", id=None, body=b"")
            async with lane.fetch(asked, line()) as fetched:
                async for part in fetched:
                    if isinstance(part, Said):
                        break
            assert await anyio.to_thread.run_sync(gone.wait, 30)

    anyio.run(run)
