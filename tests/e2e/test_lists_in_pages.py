"""Long lists arrive page by page, whole for whoever may see all of it, and say how long they may be kept."""

import asyncio
import base64

import pytest

from e2e.ways import MODES
from servers.feature_lists import NOTES, PAGE, PROMPTS


async def pages(asked, items):
    """Return the names on every page of a list."""
    found, cursor = [], None
    while True:
        page = await asked(cursor=cursor, cache_mode="bypass")
        found.append([str(getattr(item, "uri", item.name)) for item in getattr(page, items)])
        cursor = page.next_cursor
        if cursor is None:
            return found


def visible(way, names):
    return [name for name in names if not way.guarded or "secret" not in name]


@pytest.mark.requirement("CLIENT-005")
@pytest.mark.parametrize("mode", MODES)
def test_every_page_arrives_also_those_of_which_nothing_is_left(way, mode):
    async def run():
        async with way.connect(mode) as client:
            return await pages(client.list_resources, "resources")

    expected = [visible(way, NOTES[first : first + PAGE]) for first in range(0, len(NOTES), PAGE)]
    assert expected.count([]) == (2 if way.guarded else 0)
    assert asyncio.run(run()) == expected


@pytest.mark.requirement("CLIENT-005")
@pytest.mark.parametrize("mode", MODES)
def test_an_empty_cursor_is_a_cursor(way, mode):
    async def run():
        async with way.connect(mode) as client:
            return await pages(client.list_prompts, "prompts")

    assert asyncio.run(run()) == [PROMPTS[:PAGE], PROMPTS[PAGE:]]


@pytest.mark.requirement("CLIENT-005")
@pytest.mark.parametrize("mode", MODES)
def test_a_tool_on_a_late_page_can_be_called(way, mode):
    async def run():
        async with way.connect(mode) as client:
            listed = await pages(client.list_tools, "tools")
            called = await client.call_tool("change"), await client.call_tool("change")
        return listed, [one.content[0].text for one in called]

    listed, called = asyncio.run(run())
    assert [name for page in listed for name in page if name.startswith("secret_")] == visible(
        way, ["secret_interview", *(f"secret_{number}" for number in range(20))]
    )
    assert len(listed) == 4
    assert called == ["late", "early"]


@pytest.mark.requirement("CLIENT-014")
@pytest.mark.parametrize("knows", [True, False])
@pytest.mark.parametrize("city", ["Ulm", "Łódź \u2028"])
def test_an_argument_that_is_repeated_in_a_header_reaches_the_server_with_it(way, city, knows):
    async def run():
        async with way.connect("2026-07-28") as client:
            if knows:
                await pages(client.list_tools, "tools")
            return await client.call_tool("travel", {"city": city})

    header = city if city.isascii() else f"=?base64?{base64.b64encode(city.encode()).decode()}?="
    assert asyncio.run(run()).content[0].text == f"{city}: {header}"


@pytest.mark.requirement("CLIENT-006")
def test_a_list_keeps_its_time_to_live_and_is_private_behind_a_gateway(way):
    async def run():
        async with way.connect("2026-07-28") as client:
            tools = await client.list_tools()
            resources = await client.list_resources()
            read = await client.read_resource("note://001")
        return [(one.ttl_ms, one.cache_scope) for one in (tools, resources, read)]

    tools, resources, read = asyncio.run(run())
    ttl, scope = tools
    # What the gateway gives again is good for as long as it was.
    assert 59_000 < ttl <= 60_000 if way.guarded else ttl == 60_000
    assert scope == ("private" if way.guarded else "public")
    assert resources == (5000, "private")
    assert read == (7000, "public")


@pytest.mark.requirement("CLIENT-006")
def test_a_client_that_keeps_a_list_asks_for_it_once(way):
    async def run():
        async with way.connect("2026-07-28") as client:
            return [await client.list_tools() for _ in range(3)]

    since = way.mark()
    first, *others = asyncio.run(run())
    assert others == [first, first]
    asked = [line for line in way.replica.lines(since) if line[1] == "http" and "user-agent" in line[3]]
    # The gateway may give the list of a moment ago, of another test, again.
    assert len(asked) <= 1 if way.guarded else len(asked) == 1
