"""Nobody takes the places of all: streams of one caller, of one server, and of everybody are bounded."""

import contextlib
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from mcp_core.outcome import UNAVAILABLE, Reject
from mcp_sidecar.upstream.shares import LASTING, PLACES, Shares

STREAM = {"http_method": "GET", "method": "", "id": None}
CALL = b'{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "a"}}'
TOLD = b'{"jsonrpc": "2.0", "method": "notifications/initialized"}'
MOST = {"MCP_SIDECAR_OPEN_PER_CALLER": "8", "MCP_SIDECAR_OPEN_PER_SERVER": "12"}


class Streams:
    """Streams that a server never ends, each on a connection of its own."""

    def __init__(self, guard, stack):
        self.guard = guard
        self.stack = stack
        self.open = []

    def ask(self, **changes):
        """Open a stream, and return its status and head; a refusal is read to its end."""
        connection = self.stack.enter_context(contextlib.closing(self.guard.open(**{**STREAM, **changes})))
        answer = connection.getresponse()
        if answer.status == 200:
            self.open.append(connection)
            return 200, None, answer.headers
        return answer.status, json.loads(answer.read()), answer.headers

    def fill(self, count, **changes):
        return [self.ask(**changes)[0] for _ in range(count)]

    def end(self):
        """Go away, as an agent does, and wait until the sidecar has seen it."""
        for connection in self.open:
            connection.close()
        self.open.clear()


@pytest.fixture
def streams(start, kong, words):
    """Start a sidecar with small shares, before a server whose streams last and whose lists are answered."""

    def play(request, connection):
        if request.method == "GET":
            connection.sendall(words.stream_answer(b": open\n\n", end=False))
            connection.recv(1)  # until the sidecar goes away
        else:
            connection.sendall(words.json_answer(words.result("a")))

    kong.play = play
    with contextlib.ExitStack() as stack:
        yield Streams(start(**MOST), stack)


@pytest.mark.requirement("SIDE-070")
def test_one_caller_gets_its_share_and_is_told_so_and_others_get_theirs(streams):
    assert streams.fill(8) == [200] * 8
    status, said, headers = streams.ask()
    assert (status, said["error"]["code"], headers["retry-after"]) == (429, UNAVAILABLE, "5")
    assert said["error"]["message"].startswith("You have 8 streams and calls open here")
    assert streams.guard.line()["reason"] == "share-of-caller"
    assert streams.fill(4, principal="bob") == [200] * 4
    assert streams.guard.ask(CALL, method="tools/call").status == 429
    # What ends by itself has places of its own, and so has the process.
    for principal in ("alice", "bob"):
        assert streams.guard.ask(principal=principal).status == 200
    assert streams.guard.ask(TOLD, method="notifications/initialized", id=None).status == 202
    assert streams.guard.ask(http_method="DELETE", method="", id=None).status == 200
    assert streams.guard.sidecar.get("/livez").status == 200


@pytest.mark.requirement("SIDE-070")
def test_one_server_gets_its_share_and_other_servers_theirs(streams):
    for principal in ("ann", "bob", "eve"):
        assert streams.fill(4, principal=principal) == [200] * 4
    status, said, headers = streams.ask(principal="joe")
    assert (status, said["error"]["code"], headers["retry-after"]) == (503, UNAVAILABLE, "5")
    assert said["error"]["message"].startswith("All 12 places of this server are taken")
    assert streams.ask(principal="joe", server="notes", path="/inspect/notes")[0] == 200
    assert streams.guard.ask(principal="joe").status == 200


@pytest.mark.requirement("SIDE-070")
def test_whom_nothing_tells_apart_have_their_servers_share(streams):
    assert streams.fill(12, principal=None) == [200] * 12
    assert streams.ask(principal=None)[0] == 503


@pytest.mark.requirement("SIDE-070")
def test_places_are_given_back_when_agents_go_away(streams, words):
    for _ in range(3):
        words.until(lambda: streams.ask()[0] == 200)
        assert streams.fill(7)[-1] in (200, 429)
        streams.end()
    words.until(lambda: streams.fill(8) == [200] * 8 or streams.end())
    assert streams.ask()[0] == 429


@pytest.mark.requirement("SIDE-070")
def test_a_request_that_is_refused_for_its_share_keeps_its_id(start, kong, words):
    held = []

    def play(request, connection):
        held.append(request)
        connection.recv(1)

    kong.play = play
    guard = start(MCP_SIDECAR_OPEN_PER_CALLER="1")
    with contextlib.closing(guard.open()):
        words.until(lambda: held)
        answer = guard.ask()
    assert (answer.status, json.loads(answer.body)["id"]) == (429, 7)
    assert "1 requests open" in json.loads(answer.body)["error"]["message"]


@pytest.mark.requirement("SIDE-070")
def test_streams_of_all_leave_places_for_what_ends_by_itself():
    shares = Shares(PLACES, PLACES)
    with contextlib.ExitStack() as stack:
        for number in range(LASTING):
            assert stack.enter_context(shares.take(f"s{number % 9}", f"c{number}", lasting=True)) is None
        refused = stack.enter_context(shares.take("s1", "c", lasting=True))
        assert isinstance(refused, Reject)
        assert (refused.status, refused.reason) == (503, "streams-full")
        for number in range(PLACES - LASTING):
            assert stack.enter_context(shares.take("s1", f"c{number}", lasting=False)) is None
    assert shares.open == 0
    with shares.take("s1", "c", lasting=True) as refused:
        assert refused is None
        assert shares.open == 1


@pytest.mark.requirement("SIDE-070")
def test_a_place_is_given_back_when_a_request_fails():
    shares = Shares(1, 1)
    for _ in range(2):
        with contextlib.suppress(KeyError), shares.take("s", "c", lasting=True) as refused:
            assert refused is None
            raise KeyError
    assert shares.open == 0


@pytest.mark.requirement("SIDE-070")
def test_a_flood_of_streams_stops_neither_livez_nor_the_lists_of_others(streams):
    with ThreadPoolExecutor(50) as pool:
        flood = [pool.submit(streams.ask) for _ in range(400)]
        while not all(one.done() for one in flood):
            assert streams.guard.sidecar.get("/livez").status == 200
            assert streams.guard.ask(principal="bob").status == 200
    statuses = Counter(one.result()[0] for one in flood)
    assert statuses == {200: 8, 429: 392}
