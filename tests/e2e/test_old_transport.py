"""Agents and servers of 2024-11-05, whose transport has a stream and a message endpoint, work through the gateway."""

import asyncio
import contextlib
import json
import subprocess
from pathlib import Path

import httpx
import pytest
from mcp import ClientSession, MCPError
from mcp.client.sse import sse_client

from e2e.harness import JSON_HEADERS, call, start
from node.tools import MISSING, MODULES, node

WAIT = 15
SCRIPT = Path(__file__).parents[1] / "node" / "observe_sse.mjs"


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
@pytest.mark.requirement("OLD-006")
@pytest.mark.skipif(node() is None, reason=MISSING)
def test_the_typescript_client_sees_does_and_is_refused_the_same(old):
    settings = {"modules": str(MODULES), "url": old.url("old"), "headers": old.key("bob")}
    command = [str(node()), str(SCRIPT), json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert seen["tools"] == ["good", "read_note", "whoami", "report"]
    assert (seen["good"], seen["note"]) == ("good: x", "public")
    assert seen["bad"] == {"code": -32602, "message": "MCP error -32602: Unknown tool: bad"}
    assert seen["secret"]["code"] == -32002


@pytest.mark.requirement("OLD-001")
def test_a_stream_and_its_messages_stay_on_one_replica(old):
    seen = set()
    for _ in range(12):
        with Stream(old, "bob") as stream:
            assert stream.initialize()["result"]["protocolVersion"] == "2024-11-05"
            names = set()
            for number in range(3):
                assert stream.post(call("whoami", arguments={}) | {"id": number}).status_code == 202
                names.add(json.loads(stream.event("message"))["result"]["content"][0]["text"])
            assert len(names) == 1
            seen |= names
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
