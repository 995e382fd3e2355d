"""Lists of servers and tools: filtered, sorted, in pages, and searched by what a tool does."""

import re

import pytest

from mcp_core.servers import LifeCycle
from mcp_sidecar.catalog.entry import ServerHealth
from servers.catalog_stand import ERASE, READ, server
from servers.portal_house import House, text_of

HERS = {"rules": [{"consumers": ["ada"], "tools": {"allow": ["*"], "deny": ["erase"]}}]}


@pytest.mark.anyio
@pytest.mark.requirement("WEB-016")
async def test_lists_are_filtered_sorted_and_in_pages(tmp_path):
    house = House(tmp_path, lambda name: ServerHealth(2, 1) if name == "s7" else ServerHealth())
    servers = [
        server(f"s{number}", title=f"Server {number:03}", owner="team-a" if number % 2 else "team-b", tags=("blue",))
        for number in range(120)
    ]
    servers[5] = server("s5", title="Old one", life_cycle=LifeCycle.DEPRECATED, successor="s6")
    house.stand.list(*servers)
    await house.stand.catalog.refresh()
    browser = await house.signed_in()

    async def names(path, **query):
        return re.findall(r'href="/portal/servers/(s\d+)"', await text_of(browser, path, **query))

    assert len(await names("/")) == 50
    assert (await names("/", page="3", sort="name"))[-1] == "s119"
    assert (await names("/", sort="-name"))[0] == "s119"
    assert await names("/", q="old") == await names("/", life="deprecated") == ["s5"]
    assert await names("/", state="ill") == ["s7"]
    assert await names("/", q="nothing fits this") == []
    assert "Its successor is" in await text_of(browser, "/servers/s5")
    assert 'aria-sort="ascending"' in await text_of(browser, "/", sort="owner")
    await house.stand.surfaces.aclose()


@pytest.mark.anyio
@pytest.mark.requirement("WEB-017")
async def test_tools_are_found_by_what_they_do_among_those_that_somebody_may_use(house):
    rain = {"name": "get_forecast", "description": "Says whether it will rain tomorrow."}
    house.stand.list(server("notes"), server("hers", policy=HERS))
    house.stand.see("notes", READ, ERASE)
    house.stand.see("hers", rain)
    await house.stand.catalog.refresh()
    before = await text_of(await house.signed_in(role="viewer", consumer="ada"), "/tools", q="forecast")
    assert "being made" in before
    await house.finder.refresh()
    ada = await house.signed_in(shown="ada", role="viewer", consumer="ada")
    bob = await house.signed_in(shown="bob", role="viewer", consumer="bob")
    rows = re.findall(r'<td class="name"><a[^>]*>([^<]+)</a>', await text_of(ada, "/tools", q="will it rain"))
    assert rows[0] == "get_forecast"
    assert "get_forecast" not in await text_of(bob, "/tools", q="will it rain")
