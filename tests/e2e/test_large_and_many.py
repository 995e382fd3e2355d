"""The largest argument passes and a larger one reaches nobody; two hundred open streams disturb no one."""

import asyncio
import contextlib
import hashlib
import json

import httpx
import pytest
from mcp import MCPError

from e2e.harness import JSON_HEADERS, modern
from e2e.ways import MODERN, MODES, THROUGH_A_GATEWAY
from mcp_core.jsonrpc import DEFAULT_LIMITS

pytestmark = pytest.mark.long

STREAMS = 100
"""Of each kind: calls that go on, and GET streams of sessions."""


@pytest.mark.requirement("CLIENT-009")
@pytest.mark.parametrize("mode", MODES)
def test_an_argument_of_almost_four_mebibytes_passes_unchanged(way, mode):
    text = 'é"\\\n😀' * 300_000
    text += "x" * (DEFAULT_LIMITS.body - 1000 - len(json.dumps(text, ensure_ascii=False).encode()))

    async def run():
        async with way.connect(mode) as client:
            return await client.call_tool("measure", {"text": text})

    assert asyncio.run(run()).content[0].text == f"{len(text)} {hashlib.sha256(text.encode()).hexdigest()}"


@pytest.mark.requirement("CLIENT-009")
@pytest.mark.parametrize("mode", MODES)
@THROUGH_A_GATEWAY
def test_a_larger_argument_is_refused_and_reaches_no_server(way, mode):
    async def run():
        async with way.connect(mode) as client:
            with pytest.raises(MCPError):
                await client.call_tool("measure", {"text": "x" * DEFAULT_LIMITS.body})
            return await client.call_tool("measure", {"text": ""})

    since = way.mark()
    assert asyncio.run(run()).content[0].text.startswith("0 ")
    assert way.written(since, "tool") == [["tool", "measure"]]


def body_of(size):
    """Return a stateless call of `measure` of exactly so many bytes, and its headers."""
    request = modern("measure")
    request["json"]["params"]["arguments"]["text"] = ""
    rest = len(json.dumps(request["json"]).encode())
    request["json"]["params"]["arguments"]["text"] = "x" * (size - rest)
    return json.dumps(request["json"]).encode(), request["headers"]


@pytest.mark.requirement("CLIENT-009")
@THROUGH_A_GATEWAY
def test_the_last_byte_decides(way):
    with httpx.Client(headers=JSON_HEADERS | way.headers(), timeout=30, trust_env=False) as client:
        since = way.mark()
        body, headers = body_of(DEFAULT_LIMITS.body)
        assert client.post(way.url, content=body, headers=headers).status_code == 200
        assert way.written(since, "tool") == [["tool", "measure"]]
        since = way.mark()
        body, headers = body_of(DEFAULT_LIMITS.body + 1)
        assert client.post(way.url, content=body, headers=headers).status_code == 413
    assert not [line for line in way.replica.lines(since) if line[1:3] == ["http", "POST"]]


class Agent:
    """A legacy session with an open GET stream; `heard` is what came on it."""

    def __init__(self, number):
        self.uri = f"note://{number}"
        self.heard = asyncio.Queue()

    async def on_message(self, message):
        await self.heard.put(message.params.uri)

    async def hear(self, client):
        await client.call_tool("touch", {"uris": [self.uri]})
        return await self.heard.get() == self.uri


async def hold(way, label, opened):
    """Call a tool that reports once and then waits for its release."""
    async with way.connect(MODERN) as client:
        called = await client.call_tool("hold", {"label": label}, progress_callback=opened)
    return called.content[0].text


async def ask(way, mode):
    """Do what a client without long streams does."""
    async with asyncio.timeout(30), way.connect(mode, "ada") as client:
        tools = (await client.list_tools()).tools
        return len(tools), (await client.call_tool("measure", {"text": ""})).content[0].text


async def hold_streams(way):
    """Hold all streams open while others ask; gives the labels of the calls, who heard its own, and what others got."""
    opened = asyncio.Semaphore(0)

    async def on_progress(*_):
        opened.release()

    agents = [Agent(number) for number in range(STREAMS)]
    since = way.mark()
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(hold(way, str(number), on_progress)) for number in range(STREAMS)]
        sessions = [
            await stack.enter_async_context(way.connect("legacy", message_handler=agent.on_message)) for agent in agents
        ]
        for _ in calls:
            await opened.acquire()
        await way.until(["stream", "GET"], since, STREAMS)
        others = [await ask(way, mode) for mode in MODES for _ in range(5)]
        assert not any(call.done() for call in calls)
        heard = [await agent.hear(client) for agent, client in zip(agents, sessions, strict=True)]
        await sessions[0].call_tool("release")
    return [call.result() for call in calls], heard, others, [agent.heard.qsize() for agent in agents]


@pytest.mark.requirement("CLIENT-010")
def test_two_hundred_open_streams_disturb_nobody(way):
    labels, heard, others, left = asyncio.run(hold_streams(way))
    assert labels == [str(number) for number in range(STREAMS)]
    assert heard == [True] * STREAMS
    assert left == [0] * STREAMS
    assert len(others) == 10
    assert len(set(others)) == 1
