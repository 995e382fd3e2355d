"""Denied beside a wide allowance: whatever an official server makes of another spelling, it is not asked."""

import asyncio

import pytest
from mcp import MCPError

from e2e.harness import KINDS, connect, connect_to, start

POLICY = {
    "tools": {"allow": ["*"], "deny": ["bad"]},
    "resources": {"allow": ["*"], "deny": ["note://secret", "secret://plan*"]},
}
SPELLINGS = [
    *("note://secret:", "note://secret/", "note://SECRET", "NOTE://secret", "note://@secret", "note://u:p@secret"),
    *("note://secret:80", "note://secret?q", "note://secret#f", "note://sec\tret", " note://secret", "note://secret\n"),
    *(
        "secret://pl%61n",
        "secret://%70%6c%61%6e",
        "secret://PLAN",
        "secret://plan?",
        "secret://u@plan",
        "secret:///plan",
    ),
    *("note://s%65cret", "note:\\\\secret", "note://secret/.", "note://\uff53ecret", "note:secret", "note:///secret"),
]
TOOLS = ["BAD", "Bad", "\uff42ad", "bad ", "b\u00adad"]


async def asked(connection, names, ask):
    """Return what came of asking for each name: its text, or the code of the refusal."""
    found = []
    async with connection as client:
        for name in names:
            try:
                found.append(await ask(client, name))
            except MCPError as error:
                found.append(error.error.code)
    return found


async def read(client, uri):
    return (await client.read_resource(uri)).contents[0].text


async def called(client, name):
    return (await client.call_tool(name, {"text": "x"})).content[0].text


@pytest.fixture(scope="module", params=KINDS)
def running(request):
    with start(request.param, {"notes": 1}, policy=POLICY) as running:
        yield running


@pytest.mark.requirement("POL-019")
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_no_spelling_of_a_denied_resource_is_read(running, mode):
    replica = running.servers["notes"][0]
    direct = asyncio.run(asked(connect_to(replica.url, {}, mode), SPELLINGS, read))
    assert {"plan", "PLAN"} <= {*direct}, "the server reads none of the spellings: nothing is tried"
    before = running.executed()
    found = asyncio.run(asked(connect(running, "bob", mode), ["note://public", *SPELLINGS], read))
    assert found[0] == "public"
    assert [one for one in found[1:] if not isinstance(one, int)] == []
    assert running.executed()[len(before) :] == [["resource", "note://public"]]


@pytest.mark.requirement("POL-020")
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_no_spelling_of_a_denied_tool_reaches_the_server(running, mode):
    before = running.executed()
    found = asyncio.run(asked(connect(running, "bob", mode), ["good", *TOOLS], called))
    assert found == ["good: x", *[-32602] * len(TOOLS)]
    assert running.executed()[len(before) :] == [["tool", "good"]]
