"""Flow rules and long outputs of virtual servers, as official clients meet them in both eras."""

import json

import pytest
from mcp_types import ElicitResult

from e2e.harness import KINDS, connect, connect_to
from e2e.virtual import OPEN, start, virtual

MODES = ["legacy", "2026-07-28"]
CONFIG = {
    "flow": {
        "mode": "enforce",
        "labels": [
            {"server": "web", "tools": ["good"], "reads": ["untrusted"]},
            {"server": "web", "tools": ["bad"], "writes": ["external"]},
            {"server": "web", "resources": ["note://public"], "reads": ["private"]},
        ],
    },
    "budget": {"tokens": 100_000, "output": 200},
}


@pytest.fixture(scope="module", params=KINDS)
def running(request):
    desks = [virtual("desk", ["web"], **CONFIG), virtual("other", ["web"], **CONFIG)]
    with start(request.param, {"web": OPEN}, desks) as running:
        yield running


async def read_both(client):
    await client.call_tool("good", {"text": "x"})
    await client.read_resource("note://public")


@pytest.mark.requirement("FLOW-102")
@pytest.mark.anyio
@pytest.mark.parametrize("mode", MODES)
async def test_who_has_read_both_may_not_write_outside(running, mode):
    async with connect(running, "bob", mode, "desk") as client:
        await read_both(client)
        before = running.executed("web")
        for closed in ("bad", "whoami"):
            with pytest.raises(Exception, match="writes outside"):
                await client.call_tool(closed, {"text": "x"} if closed == "bad" else {})
        assert running.executed("web") == before
    async with connect(running, "bob", mode, "other") as client:
        assert not (await client.call_tool("bad", {"text": "x"})).is_error


@pytest.mark.requirement("FLOW-105")
@pytest.mark.anyio
@pytest.mark.parametrize("mode", MODES)
async def test_a_person_is_asked_and_decides(running, mode):
    answers, asked = [{"allow": True}, {"allow": False}], []

    async def elicit(_context, params):
        asked.append(params.message)
        return ElicitResult(action="accept", content=answers.pop(0))

    async with connect_to(running.url("desk"), running.key("ada"), mode, elicitation_callback=elicit) as client:
        await read_both(client)
        assert (await client.call_tool("bad", {"text": "x"})).content[0].text == "bad: x"
        with pytest.raises(Exception, match="writes outside"):
            await client.call_tool("bad", {"text": "x"})
    assert len(asked) == 2
    assert '"text": "x"' in asked[0]


@pytest.mark.requirement("VIRT-411")
@pytest.mark.requirement("VIRT-412")
@pytest.mark.anyio
@pytest.mark.parametrize("mode", MODES)
async def test_a_long_output_is_cut_and_its_caller_reads_the_whole(running, mode):
    long = "word " * 2_000
    async with connect(running, "eve", mode, "desk") as client:
        said = await client.call_tool("good", {"text": long})
        shown, _, link = said.content
        assert len(shown.text) < 2_000
        assert len(said.structured_content["result"]) < 2_000
        text, data = (await client.read_resource(str(link.uri))).contents
        assert text.text == f"good: {long}"
        assert json.loads(data.text) == {"result": f"good: {long}"}
        short = await client.call_tool("good", {"text": "x"})
        assert short.content[0].text == "good: x"
    async with connect(running, "bob", mode, "desk") as client:
        with pytest.raises(Exception, match=r"not found|Unknown resource"):
            await client.read_resource(str(link.uri))
