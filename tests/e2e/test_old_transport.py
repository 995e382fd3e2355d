"""Agents and servers of 2024-11-05, whose transport has a stream and a message endpoint, work through the gateway."""

import asyncio
import contextlib
import http.server
import json
import queue
import threading
from urllib.parse import urljoin

import httpx
import pytest
from mcp import ClientSession, MCPError
from mcp.client.sse import sse_client

from e2e.harness import JSON_HEADERS, call, start
from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.servers import parse_server

pytestmark = pytest.mark.long

WAIT = 15


@pytest.fixture(scope="module")
def old(kind):
    with start(kind, {"old": 2}, options=("--sse",)) as running:
        yield running


@contextlib.asynccontextmanager
async def connect(running, name):
    """Enter the official client of the old transport."""
    async with (
        sse_client(running.url("old"), headers=running.key(name)) as streams,
        ClientSession(*streams) as session,
    ):
        await session.initialize()
        yield session


class Stream:
    """A stream of the old transport, opened by hand: the endpoint that it announced, and its messages."""

    def __init__(self, running, name):
        self._running = running
        self.client = httpx.Client(headers=JSON_HEADERS | running.key(name), timeout=WAIT, trust_env=False)
        self._answer = None

    def __enter__(self):
        request = self.client.build_request("GET", self._running.url("old"), headers={"Accept": "text/event-stream"})
        self._answer = self.client.send(request, stream=True)
        assert self._answer.status_code == 200
        self._lines = self._answer.iter_lines()
        self.endpoint = self.event("endpoint")
        return self

    def __exit__(self, *_):
        self._answer.close()
        self.client.close()

    def event(self, kind):
        """Return the data of the next event, which is of this kind."""
        named = None
        for line in self._lines:
            if line.startswith("event: "):
                named = line.removeprefix("event: ")
            elif line.startswith("data: "):
                assert named == kind
                return line.removeprefix("data: ")
        raise AssertionError("the stream has ended")

    def post(self, message, client=None, endpoint=None):
        url = f"http://127.0.0.1:{self._running.dev.port}{endpoint or self.endpoint}"
        return (client or self.client).post(url, json=message)

    def initialize(self):
        hello = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
        answer = self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
        assert (answer.status_code, answer.content) == (202, b"")
        told = json.loads(self.event("message"))
        assert self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}).status_code == 202
        return told


@pytest.mark.requirement("OLD-001")
def test_the_official_client_sees_and_does_what_the_policy_allows(old):
    async def run():
        async with connect(old, "bob") as session:
            tools = [tool.name for tool in (await session.list_tools()).tools]
            prompts = [prompt.name for prompt in (await session.list_prompts()).prompts]
            called = await session.call_tool("good", {"text": "é" * 20_000})
            read = await session.read_resource("note://public")
        return tools, prompts, called.content[0].text, read.contents[0].text

    tools, prompts, called, read = asyncio.run(asyncio.wait_for(run(), WAIT))
    assert tools == ["good", "read_note", "whoami", "report"]
    assert prompts == ["greet"]
    assert called == "good: " + "é" * 20_000
    assert read == "public"


@pytest.mark.requirement("OLD-004")
@pytest.mark.requirement("OLD-006")
def test_what_the_policy_forbids_is_answered_on_the_stream_and_reaches_no_server(old):
    async def run():
        async with connect(old, "bob") as session:
            refusals = []
            for asked in (session.call_tool("bad", {"text": "x"}), session.read_resource("note://secret")):
                with pytest.raises(MCPError) as caught:
                    await asked
                refusals.append((caught.value.error.code, caught.value.error.message))
            return refusals, (await session.call_tool("good", {"text": "x"})).content[0].text

    refusals, after = asyncio.run(asyncio.wait_for(run(), WAIT))
    assert refusals == [(-32602, "Unknown tool: bad"), (-32002, "Resource not found")]
    assert after == "good: x"
    assert not [what for what in old.executed("old") if what in (["tool", "bad"], ["resource", "note://secret"])]


@pytest.mark.requirement("OLD-001")
def test_a_stream_and_its_messages_stay_on_one_replica(old):
    seen = set()
    # Chance says which replica a stream meets: twelve are not always of both.
    for at in range(60):
        with Stream(old, "bob") as stream:
            assert stream.initialize()["result"]["protocolVersion"] == "2024-11-05"
            names = set()
            for number in range(3):
                assert stream.post(call("whoami", arguments={}) | {"id": number}).status_code == 202
                names.add(json.loads(stream.event("message"))["result"]["content"][0]["text"])
            assert len(names) == 1
            seen |= names
        if at >= 12 and len(seen) == 2:
            break
    assert seen == {"old-1", "old-2"}


@pytest.mark.requirement("OLD-002")
def test_nobody_elses_endpoint_and_no_other_uri_is_served(old):
    with Stream(old, "bob") as bob, Stream(old, "ada") as ada:
        bob.initialize()
        cut, path = bob.endpoint[:-1], bob.endpoint.partition("?")[0]
        for endpoint in (cut, path, f"{path}?", f"{path}?session_id=x", f"{bob.endpoint}&x=1"):
            assert bob.post(call("good"), endpoint=endpoint).status_code == 404
        assert bob.post(call("good"), client=ada.client).status_code == 404
        assert bob.post(call("good"), endpoint="/old/mcp").status_code in (404, 405)
        assert bob.post(call("good")).status_code == 202
        assert "good: x" in bob.event("message")


@pytest.mark.requirement("OLD-004")
@pytest.mark.parametrize(
    "body", [b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"good","name":"bad"}}']
)
def test_messages_are_read_as_strictly_as_any(old, body):
    before = old.executed("old")
    with Stream(old, "bob") as stream:
        stream.initialize()
        url = f"http://127.0.0.1:{old.dev.port}{stream.endpoint}"
        assert stream.client.post(url, content=body).status_code == 400
    assert old.executed("old") == before


class Relative(http.server.BaseHTTPRequestHandler):
    """A server whose stream at /v1/sse announces a relative endpoint, and echoes there what is sent to that."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        if self.path == "/v1/sse":
            self.wfile.write(b"event: endpoint\ndata: messages?sessionId=1\n\n")
            self.wfile.write(b"event: message\ndata: " + self.server.answers.get(timeout=WAIT) + b"\n\n")

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        there = self.path == "/v1/messages?sessionId=1"
        self.send_response(202 if there else 404)
        self.send_header("content-length", "0")
        self.end_headers()
        if there:
            self.server.answers.put(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": {}}).encode())

    def log_message(self, *_arguments):
        """Write nothing."""


@pytest.mark.requirement("OLD-003")
def test_a_server_that_announces_a_relative_endpoint_is_served(kind):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relative)
    server.answers = queue.Queue()
    threading.Thread(target=server.serve_forever).start()
    try:
        servers = [parse_server(f"rel=http://127.0.0.1:{server.server_port}/v1/sse")]
        with (
            run_dev(DevSettings(servers, kind, port=0)) as dev,
            httpx.Client(timeout=WAIT, trust_env=False) as client,
            client.stream("GET", dev.url("rel"), headers={"accept": "text/event-stream"}) as stream,
        ):
            data = (line.removeprefix("data: ") for line in stream.iter_lines() if line.startswith("data: "))
            url = urljoin(dev.url("rel"), next(data))
            ping = {"jsonrpc": "2.0", "id": 7, "method": "ping"}
            assert client.post(url, json=ping, headers=JSON_HEADERS).status_code == 202
            assert json.loads(next(data)) == {"jsonrpc": "2.0", "id": 7, "result": {}}
    finally:
        server.shutdown()
        server.server_close()
