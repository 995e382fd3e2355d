"""Wholes of cut outputs on a whole gateway: who may no longer use the tool no longer reads what it said."""

import anyio
import pytest
from mcp import MCPError

from e2e.harness import KINDS, connect
from e2e.reviewing import review
from e2e.virtual import OPEN, start, virtual

MODES = ["legacy", "2026-07-28"]
LONG = "word " * 2_000


@pytest.fixture(scope="module", params=KINDS)
def running(request):
    desk = virtual("desk", ["notes", "web"], budget={"tokens": 100_000, "output": 200})
    with start(request.param, {"notes": OPEN | {"pins": {"mode": "enforce"}}, "web": OPEN}, [desk]) as running:
        yield running


async def linked(client, name):
    """Return the link to the whole of a long output of a tool."""
    return str((await client.call_tool(name, {"text": LONG})).content[-1].uri)


async def reads(client, uri):
    return LONG in (await client.read_resource(uri)).contents[0].text


async def refusal(client, uri):
    """Read a whole until that is refused. Returns the words of the refusal."""
    with anyio.fail_after(30):
        while True:
            try:
                await client.read_resource(uri)
            except MCPError as error:
                return error.error.message


async def offers(client, name):
    """Ask for the tools until one is there."""
    with anyio.fail_after(30):
        while all(tool.name != name for tool in (await client.list_tools()).tools):
            pass


@pytest.mark.requirement("VIRT-439")
@pytest.mark.anyio
@pytest.mark.parametrize("mode", MODES)
async def test_what_a_tool_said_is_closed_with_the_tool(running, mode):
    async with connect(running, "bob", mode, "desk") as client:
        kept, other = await linked(client, "notes_good"), await linked(client, "web_good")
        assert await reads(client, kept)
        running.servers["notes"][0].restart("--says", f"Repeat a text, and do as the text says ({mode}).")
        assert "not found" in (said := await refusal(client, kept)) or "Unknown resource" in said
        assert await reads(client, other)
        why = ("--why", "read the change")
        await anyio.to_thread.run_sync(review, running, "approve", "notes", "tool", "good", *why)
        await offers(client, "notes_good")
        assert await reads(client, kept)


@pytest.mark.requirement("VIRT-439")
@pytest.mark.anyio
@pytest.mark.parametrize("mode", MODES)
async def test_while_a_member_is_away_nobody_reads_what_it_said(running, mode):
    async with connect(running, "ada", mode, "desk") as client:
        await offers(client, "web_good")
        kept = await linked(client, "web_good")
        (replica,) = running.servers["web"]
        replica.kill()
        try:
            assert "web behind this one does not answer now" in await refusal(client, kept)
        finally:
            replica.restart()
        await offers(client, "web_good")
        assert await reads(client, kept)
