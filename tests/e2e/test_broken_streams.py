"""A stream that broke is resumed where it ended, and what was cancelled ends at the server."""

import asyncio
import contextlib
import json
from urllib.parse import urlsplit

import httpx
import mcp_types as types
import pytest
from mcp.shared.message import ClientMessageMetadata

from e2e.harness import JSON_HEADERS, connect_to
from e2e.relay import relay_to
from e2e.test_sessions import initialize
from e2e.ways import MODERN, MODES, THROUGH_A_GATEWAY


class Progress:
    """Steps that a call reported; `first` is set with the first of them."""

    def __init__(self):
        self.steps = []
        self.first = asyncio.Event()

    async def __call__(self, progress, _total, _message):
        self.steps.append(progress)
        self.first.set()


@contextlib.asynccontextmanager
async def relayed(way, mode, **callbacks):
    """Connect by way of a relay, and give both."""
    parts = urlsplit(way.url)
    async with relay_to(parts.port) as relay:
        url = parts._replace(netloc=f"127.0.0.1:{relay.port}").geturl()
        async with connect_to(url, way.headers(), mode, **callbacks) as client:
            yield relay, client


async def release(way):
    async with way.connect(MODERN) as client:
        await client.call_tool("release")


@pytest.mark.requirement("CLIENT-007")
def test_a_stream_that_the_server_broke_off_is_resumed(way):
    progress = Progress()

    async def run():
        async with way.connect("legacy") as client:
            return await client.call_tool("break_off", progress_callback=progress)

    since = way.mark()
    assert asyncio.run(run()).content[0].text == "whole"
    assert progress.steps == [1, 2, 3, 4, 5]
    resumed = [line[3] for line in way.replica.lines(since) if line[1:3] == ["http", "GET"]]
    assert [headers["last-event-id"] for headers in resumed if "last-event-id" in headers]


@pytest.mark.requirement("CLIENT-007")
def test_a_call_whose_connection_broke_goes_on_and_its_answer_is_resumed(way):
    progress = Progress()

    async def run():
        async with relayed(way, "legacy") as (relay, client), asyncio.TaskGroup() as tasks:
            call = tasks.create_task(client.call_tool("hold", {"label": "one"}, progress_callback=progress))
            await progress.first.wait()
            relay.cut()
            await release(way)
            return await call

    assert asyncio.run(run()).content[0].text == "one"


@pytest.mark.requirement("CLIENT-007")
def test_a_client_that_kept_the_last_event_s_id_resumes_with_it_later(way):
    async def run():
        progress, token = Progress(), asyncio.Queue()
        hold = types.CallToolRequest(params=types.CallToolRequestParams(name="hold", arguments={"label": "two"}))
        async with way.connect("legacy") as client:
            keep = ClientMessageMetadata(on_resumption_token_update=token.put)
            sent = client.session.send_request(hold, types.CallToolResult, None, keep, progress)
            call = asyncio.create_task(sent)
            await progress.first.wait()
            last = await token.get()
            call.cancel()
            await release(way)
            again = ClientMessageMetadata(resumption_token=last)
            return await client.session.send_request(hold, types.CallToolResult, None, again)

    assert asyncio.run(run()).content[0].text == "two"


@pytest.mark.requirement("CLIENT-007")
def test_what_a_get_stream_missed_is_told_once_it_is_back(way):
    heard = asyncio.Queue()

    async def on_message(message):
        await heard.put(message.params.uri)

    async def run():
        since = way.mark()
        async with relayed(way, "legacy", message_handler=on_message) as (relay, client):
            await way.listening(since)
            await client.call_tool("touch", {"uris": ["note://001"]})
            assert await heard.get() == "note://001"
            relay.cut()
            await client.call_tool("touch", {"uris": ["note://secret/041", "note://002", "note://003"]})
            async with asyncio.timeout(20):
                return [await heard.get() for _ in range(2 if way.guarded else 3)]

    missed = ["note://002", "note://003"]
    assert asyncio.run(run()) == (missed if way.guarded else ["note://secret/041", *missed])


def events_of(answer):
    """Give (id, message or None) of each event of a stream as it comes."""
    id_ = None
    for line in answer.iter_lines():
        if line.startswith("id:"):
            id_ = line.removeprefix("id:").strip()
        elif line.startswith("data:"):
            data = line.removeprefix("data:").strip()
            yield id_, json.loads(data) if data else None


@pytest.mark.requirement("CLIENT-007")
@THROUGH_A_GATEWAY
def test_a_list_that_is_replayed_shows_no_more_than_it_did(way):
    listing = {"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {"cursor": "?é 10"}}
    with httpx.Client(headers=JSON_HEADERS | way.headers(), timeout=30, trust_env=False) as client:
        headers = initialize(client, way.url)
        with client.stream("POST", way.url, json=listing, headers=headers) as answer:
            (primed, _), (_, listed) = list(events_of(answer))
        resume = {"Accept": "text/event-stream", "Last-Event-ID": primed}
        with client.stream("GET", way.url, headers=headers | resume) as answer:
            replayed = next(message for _, message in events_of(answer) if message)
    assert replayed == listed
    assert replayed["result"]["tools"]
    assert "secret" not in str(replayed)


@pytest.mark.requirement("CLIENT-008")
@pytest.mark.parametrize("mode", MODES)
def test_a_cancelled_call_is_cancelled_at_the_server(way, mode):
    async def run():
        progress = Progress()
        async with way.connect(mode) as client:
            call = asyncio.create_task(client.call_tool("wait", {"label": mode}, progress_callback=progress))
            await progress.first.wait()
            call.cancel()
            await way.until(["cancelled", mode], since)
            return await client.call_tool("measure", {"text": ""})

    since = way.mark()
    assert asyncio.run(run()).content[0].text.startswith("0 ")


@pytest.mark.requirement("CLIENT-008")
def test_a_modern_client_that_vanishes_cancels_its_call(way):
    async def run():
        progress = Progress()
        async with relayed(way, MODERN) as (relay, client):
            call = asyncio.create_task(client.call_tool("wait", {"label": "gone"}, progress_callback=progress))
            await progress.first.wait()
            relay.cut()
            await way.until(["cancelled", "gone"], since)
            await asyncio.gather(call, return_exceptions=True)

    since = way.mark()
    asyncio.run(run())


@pytest.mark.requirement("CLIENT-008")
@pytest.mark.parametrize("vanishes", [False, True])
def test_a_subscription_ends_at_the_server_when_its_client_leaves(way, vanishes):
    async def run():
        async with relayed(way, MODERN) as (relay, client):
            async with client.listen(tools_list_changed=True) as events:
                id_ = events.subscription_id
                if vanishes:
                    relay.cut()
                    await way.until(["unheard", id_], since)
            await way.until(["unheard", id_], since)

    since = way.mark()
    asyncio.run(run())
