"""What pages show: texts as what they are, nothing to who may not see it, and an answer however large the surface is."""

import html
import re
import time
from pathlib import Path

import pytest

from mcp_core.principal import consumer
from mcp_core.scan import ItemKind
from mcp_core.servers import LifeCycle
from mcp_sidecar.catalog.entry import ServerHealth
from mcp_sidecar.store.sightings import Sighting
from servers.catalog_stand import ERASE, POISON, READ, server
from servers.portal_house import House, text_of

HERS = {"rules": [{"consumers": ["ada"], "tools": {"allow": ["*"], "deny": ["erase"]}}]}
ATTACKS = Path(__file__).with_name("xss.txt").read_text(encoding="utf-8").splitlines()
ALLOWED_TAGS = re.compile(
    r"</?(?:!doctype|html|head|meta|title|link|script|body|a|header|div|nav|ul|li|span|form|input|button|main|h1|h2|h3"
    r"|p|code|table|thead|tbody|tr|th|td|small|label|select|option|textarea|details|summary|pre|dl|dt|dd|aside|svg|line|rect|mark|section|strong)\b[^<>]*>"
)
ATTRIBUTE = re.compile(r'\s([a-z-]+)(?:="[^"<>]*")?')
KNOWN = {
    "lang",
    "charset",
    "name",
    "content",
    "rel",
    "href",
    "type",
    "src",
    "defer",
    "class",
    "id",
    "tabindex",
    "aria-label",
    "aria-current",
}
KNOWN |= {
    "method",
    "action",
    "value",
    "role",
    "for",
    "maxlength",
    "selected",
    "scope",
    "aria-sort",
    "data-label",
    "title",
    "hidden",
    "data-copy",
    "dir",
}
KNOWN |= {
    "width",
    "height",
    "x",
    "y",
    "x1",
    "x2",
    "y1",
    "y2",
    "viewbox",
    "autocomplete",
    "spellcheck",
    "inputmode",
    "aria-describedby",
    "aria-invalid",
    "required",
    "open",
}


def assert_safe(text):
    """Hold every tag and attribute of a page to those that the templates have, and links to harmless schemes."""
    for tag in re.findall(r"<[^>]*>", text):
        assert ALLOWED_TAGS.fullmatch(tag), tag
        inner = tag.strip("</>")
        for name in ATTRIBUTE.findall(inner):
            assert name.lower() in KNOWN, (name, tag)
    for link in re.findall(r'(?:href|src|action)="([^"]*)"', text):
        assert html.unescape(link).startswith(("/portal", "http://", "https://", "cursor://", "vscode:mcp/", "?")), link
    assert len(re.findall(r"<script", text)) == 1


@pytest.mark.anyio
@pytest.mark.requirement("WEB-010")
@pytest.mark.parametrize("attack", ATTACKS)
async def test_no_text_of_a_server_is_markup_on_any_page(house, attack):
    nested = {
        "type": "object",
        "required": [attack],
        "properties": {
            attack: {
                "type": "string",
                "description": attack,
                "default": attack,
                "enum": [attack],
                "title": attack,
                "pattern": attack,
            }
        },
    }
    tool = {
        "name": attack[:60],
        "title": attack,
        "description": attack,
        "inputSchema": nested,
        "outputSchema": nested,
        "annotations": {"title": attack},
    }
    house.stand.list(
        server(
            "notes",
            title=attack,
            description=attack,
            owner=attack,
            tags=(attack,),
            links={attack: attack, "b": "javascript:alert(1)"},
        )
    )
    house.stand.see("notes", tool)
    house.stand.see("notes", tool | {"description": f"{attack} again"})
    house.stand.see("notes", {"uri": attack, "name": attack, "description": attack}, kind=ItemKind.RESOURCE)
    await house.stand.catalog.refresh()
    browser = await house.signed_in(shown=attack[:40])
    name, kind = tool["name"], "tool"
    digests = [
        Sighting.of(ItemKind.TOOL, name, one).digest for one in (tool, tool | {"description": f"{attack} again"})
    ]
    pages = [
        await browser.get("/", q=attack, sort=attack),
        await browser.get("/servers/notes", q=attack[:3]),
        await browser.get("/servers/notes"),
        await browser.get("/servers/notes/item", kind=kind, item=name),
        await browser.get("/servers/notes/change", kind=kind, item=name, before=digests[0], after=digests[1]),
        await browser.get("/servers/notes/versions"),
        await browser.get("/servers/notes/try", item=name),
        await browser.get("/tools", q=attack),
        await browser.get("/tools"),
        await browser.get("/review", q=attack[:2]),
        await browser.get("/review"),
        await browser.get("/review/item", server="notes", kind=kind, item=name, digest=digests[1]),
        await browser.get("/sign-in", next=attack),
        await browser.get("/enter", link=attack, next=attack),
        await browser.post("/request", url=attack, name=attack, title=attack, owner=attack),
        await browser.post("/servers/notes/try?item=x", a0=attack),
    ]
    for page in pages:
        assert page.status_code in (200, 404, 422), page.text
        assert_safe(page.text)


@pytest.mark.anyio
@pytest.mark.requirement("WEB-011")
async def test_hidden_and_look_alike_characters_are_shown_as_what_they_are(house):
    spelled = "".join(chr(0xE0000 + ord(one)) for one in "ignore")
    house.stand.list(server("notes"))
    house.stand.see(
        "notes",
        {
            "name": "read",
            "description": f"R\u0435ads\u200b a note.\u202e {spelled} \u0440\u0430\u0443\u0440\u0430l \u0433\u043e\u0434",
        },
    )
    await house.stand.catalog.refresh()
    page = await text_of(await house.signed_in(), "/servers/notes/item", kind="tool", item="read")
    for hidden in ("\u200b", "\u202e", "\U000e0069"):
        assert hidden not in page
    assert "U+200B" in page
    assert "ZERO WIDTH SPACE" in page
    assert "U+202E" in page
    assert "that say &#39;ignore&#39;" in page
    assert "CYRILLIC SMALL LETTER IE" in page
    assert re.search(r'<span class="lookalike"[^>]*>\u0440\u0430\u0443\u0440\u0430l</span>', page)
    assert not re.search(r'<span class="lookalike"[^>]*>\u0433\u043e\u0434</span>', page), "an honest word of Russian"


@pytest.mark.anyio
@pytest.mark.requirement("WEB-012")
async def test_findings_stand_on_the_text_itself(house):
    house.stand.list(server("notes"))
    house.stand.see("notes", READ, POISON)
    await house.stand.catalog.refresh()
    page = await text_of(await house.signed_in(), "/servers/notes/item", kind="tool", item="poison")
    (marked,) = re.findall(r'<mark class="block" title="[^"]+">([^<]+)</mark>', page)
    assert "Ignore all previous instructions" in marked


@pytest.mark.anyio
@pytest.mark.requirement("WEB-013")
async def test_what_somebody_may_not_see_is_as_what_does_not_exist(house):
    house.stand.list(server("notes"), server("hers", policy=HERS, owner="team-sky"), server("nobodys", policy={}))
    for name in ("notes", "hers", "nobodys"):
        house.stand.see(name, READ, ERASE, POISON)
    await house.stand.catalog.refresh()
    await house.finder.refresh()
    ada = await house.signed_in(shown="ada", role="viewer", consumer="ada")
    bob = await house.signed_in(shown="bob", role="viewer", consumer="bob")
    sky = await house.signed_in(shown="sue", role="viewer", consumer="sue", groups=["team-sky"])
    rita = await house.signed_in(shown="rita", role="reviewer")
    digest = Sighting.of(ItemKind.TOOL, "poison", POISON).digest
    nothing = (await bob.get("/servers/none")).text
    table = {
        "/servers/hers": {ada, sky, rita},
        "/servers/nobodys": {rita},
        "/servers/hers/versions": {ada, sky, rita},
        "/servers/hers/item?kind=tool&item=read": {ada, sky, rita},
        "/servers/hers/item?kind=tool&item=erase": {sky, rita},
        "/servers/hers/item?kind=tool&item=poison": {sky, rita},
        "/servers/notes/item?kind=tool&item=poison": {rita},
        "/servers/hers/try?item=read": {ada},
        "/servers/hers/try?item=erase": set(),
        f"/servers/hers/change?kind=tool&item=poison&after={digest}": {sky, rita},
        "/review": {rita},
        f"/review/item?server=hers&kind=tool&item=poison&digest={digest}": {rita},
    }
    for path, may in table.items():
        for browser in (ada, bob, sky, rita):
            answer = await browser.get(path)
            assert answer.status_code == (200 if browser in may else 404), (path, answer.text)
            if browser is bob:
                assert answer.text == nothing.replace("none", "none")
    for browser in (ada, bob, sky):
        answer = await browser.post(
            f"/review/item?server=hers&kind=tool&item=poison&digest={digest}", decision="approved", why="x"
        )
        assert answer.status_code == 404
    for browser, words in ((bob, ("hers", "nobodys")), (ada, ("nobodys", "erase", "poison"))):
        for path in ("/", "/tools", "/tools?q=poison+erase+instructions", "/?q=hers&sort=-tools"):
            page = (await browser.get(path)).text.split("<table")[-1]
            for word in words:
                assert (
                    word not in re.sub(r'value="[^"]*"', "", page)
                    or (browser is ada and path == "/" and False)
                    or word in ""
                ), (path, word)


@pytest.mark.anyio
@pytest.mark.requirement("WEB-014")
async def test_a_second_reviewer_sees_that_somebody_decided_and_loses_nothing(house):
    house.stand.list(server("notes"))
    house.stand.see("notes", POISON)
    await house.stand.catalog.refresh()
    rita, bob = await house.signed_in(shown="rita"), await house.signed_in(shown="bob")
    digest = Sighting.of(ItemKind.TOOL, "poison", POISON).digest
    path = f"/review/item?server=notes&kind=tool&item=poison&digest={digest}"
    shown = {}
    for browser in (rita, bob):
        page = (await browser.get(path)).text
        shown[browser] = dict(re.findall(r'<input type="hidden" name="(state|reason)" value="([^"]*)">', page))
    first = await rita.post(path, decision="rejected", why="it gives orders", **shown[rita])
    assert (first.status_code, "Written down: rejected" in first.text) == (200, True)
    second = await bob.post(path, decision="approved", why="looks fine to me", **shown[bob])
    assert second.status_code == 409
    assert "Nothing was written" in second.text
    assert "rita" in second.text
    assert "looks fine to me</textarea>" in second.text
    await house.stand.catalog.refresh()
    assert house.stand.tools(bob_viewer(), "notes") == {"poison": "rejected"}
    again = dict(re.findall(r'<input type="hidden" name="(state|reason)" value="([^"]*)">', second.text))
    third = await bob.post(path, decision="approved", why="we spoke about it", **again)
    assert third.status_code == 200
    for form in (
        {"decision": "approved", "why": ""},
        {"decision": "open", "why": "x"},
        {"decision": "approved", "why": "x" * 3000},
    ):
        assert (await bob.post(path, **again, **form)).status_code == 422


def bob_viewer():
    from servers.catalog_stand import REVIEWS

    return REVIEWS


@pytest.mark.anyio
@pytest.mark.requirement("WEB-015")
async def test_five_thousand_tools_a_text_of_a_megabyte_and_a_schema_that_recurs_are_pages_like_others(house):
    ring = {
        "type": "object",
        "properties": {
            "child": {"$ref": "#"},
            "other": {"$ref": "#/$defs/a"},
            "far": {"$ref": "https://evil.example/schema"},
        },
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
    }
    deep = {"type": "object"}
    for _ in range(60):
        deep = {"type": "object", "properties": {"in": deep, "and": {"anyOf": [deep]}}}
    wide = {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(3000)}}
    house.stand.list(server("notes", description="d" * 50_000))
    tools = [{"name": f"tool_{number}", "description": "Does a thing."} for number in range(1200)]
    long = {"name": "long", "description": "word " * 200_000}
    shapes = [
        {"name": name, "description": "x", "inputSchema": schema, "outputSchema": schema}
        for name, schema in (("ring", ring), ("deep", deep), ("wide", wide))
    ]
    house.stand.see("notes", *tools, long, *shapes)
    await house.stand.catalog.refresh()
    browser = await house.signed_in()
    paths = [
        "/",
        "/servers/notes",
        "/servers/notes?page=3",
        "/servers/notes?page=99999999",
        "/servers/notes?page=-1&sort=-name",
        "/tools",
        "/servers/notes/versions",
    ]
    paths += [f"/servers/notes/item?kind=tool&item={name}" for name in ("ring", "deep", "wide", "long")]
    paths += [f"/servers/notes/try?item={name}" for name in ("ring", "deep", "wide", "long")]
    paths += ["/servers/notes/item?kind=tool&item=long&part=70", "/servers/notes/item?kind=tool&item=long&part=999999"]
    for path in paths:
        page = await text_of(browser, *([path] if "?" in path else [path]))
        assert len(page) < 100_000, (path, len(page))
        assert_safe(page)


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
    assert (await names("/", page="3"))[-1] == "s119"
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
    assert consumer("ada") != consumer("bob")
    assert time.monotonic() > 0
