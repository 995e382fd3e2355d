"""What pages show: texts as what they are, nothing to who may not see it, and an end however large a surface is."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mcp_core.pins.states import Pinning
from mcp_core.principal import TOKEN, Principal
from mcp_core.scan import ItemKind
from mcp_sidecar.store.chain import DECIDED
from mcp_sidecar.store.sightings import Sighting
from mcp_sidecar.store.values import ItemId
from servers.catalog_stand import ERASE, POISON, READ, REVIEWS, server
from servers.portal_house import text_of

HERS = {"rules": [{"consumers": ["ada"], "tools": {"allow": ["*"], "deny": ["erase"]}}]}
ATTACKS = Path(__file__).with_name("xss.txt").read_text(encoding="utf-8").splitlines()
TAGS = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "link",
        "script",
        "body",
        "a",
        "header",
        "div",
        "nav",
        "ul",
        "li",
        "span",
        "form",
        "input",
        "button",
        "main",
        "h1",
        "h2",
        "h3",
        "p",
        "code",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "small",
        "label",
        "select",
        "option",
        "textarea",
        "details",
        "summary",
        "pre",
        "dl",
        "dt",
        "dd",
        "aside",
        "svg",
        "line",
        "rect",
        "mark",
        "section",
        "strong",
    ]
)
ATTRIBUTES = frozenset(
    [
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
        "method",
        "action",
        "value",
        "role",
        "for",
        "dir",
        "maxlength",
        "selected",
        "scope",
        "title",
        "hidden",
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
        "required",
        "open",
        "data-label",
        "data-copy",
        "aria-label",
        "aria-current",
        "aria-sort",
        "aria-describedby",
        "aria-invalid",
    ]
)
SCHEMES = ("#main", "/portal", "http://", "https://", "cursor://", "vscode:mcp/")


class Strict(HTMLParser):
    """Holds every tag and attribute of a page to those of the templates, and links to harmless schemes."""

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS, self.get_starttag_text()
        for name, value in attrs:
            assert name in ATTRIBUTES, self.get_starttag_text()
            if name in ("href", "src", "action"):
                assert value.startswith(SCHEMES), self.get_starttag_text()
            if name in ("src", "action") or (tag, name) == ("link", "href"):
                assert value.startswith("/portal/"), self.get_starttag_text()

    def handle_comment(self, data):
        raise AssertionError(data)


def assert_safe(text):
    Strict().feed(text)
    assert text.count("<script") == 1


def of_attack(attack, number):
    """Return a server and its tools, every text of which is an attack."""
    part = {
        "type": "string",
        "description": attack,
        "default": attack,
        "enum": [attack],
        "title": attack,
        "pattern": attack,
    }
    schema = {"type": "object", "required": [attack], "properties": {attack: part}}
    texts = {"title": attack, "description": attack, "annotations": {"title": attack}}
    tool = {"name": attack[:60], **texts, "inputSchema": schema, "outputSchema": schema}
    links = {attack: attack, "b": "javascript:alert(1)"}
    more = {"title": attack, "description": attack, "owner": attack, "tags": (attack,), "links": links}
    return server(f"s{number}", **more), tool, tool | {"description": f"{attack} again"}


@pytest.mark.anyio
@pytest.mark.requirement("WEB-010")
@pytest.mark.parametrize("texts", [ATTACKS[3:6], pytest.param(ATTACKS, marks=pytest.mark.long)], ids=["some", "all"])
async def test_no_text_of_a_server_is_markup_on_any_page(house, texts):
    attacks = [of_attack(attack, number) for number, attack in enumerate(texts)]
    house.stand.list(*(one for one, *_ in attacks))
    for one, first, second in attacks:
        house.stand.see(one.name, first)
        house.stand.see(one.name, second)
    await house.stand.catalog.refresh()
    await house.finder.refresh()
    pages = []
    for attack, (one, *tools) in zip(texts, attacks, strict=True):
        browser = await house.signed_in(shown=attack[:40])
        before, after = (Sighting.of(ItemKind.TOOL, tool["name"], tool).digest for tool in tools)
        here, which = f"/servers/{one.name}", {"kind": "tool", "item": tools[0]["name"]}
        pages += [
            await browser.get("/", q=attack, sort=attack),
            await browser.get(here, q=attack[:3]),
            await browser.get(f"{here}/item", **which),
            await browser.get(f"{here}/change", **which, before=before, after=after),
            await browser.get(f"{here}/versions"),
            await browser.get(f"{here}/try", **which),
            await browser.get("/tools", q=attack),
            await browser.get("/review", q=attack[:2]),
            await browser.get("/review/item", server=one.name, **which, digest=after),
            await browser.get("/sign-in", next=attack),
            await browser.get("/enter", link=attack, next=attack),
            await browser.post("/request", url=attack, name=attack, title=attack, owner=attack),
        ]
    pages += [await browser.get("/"), await browser.get("/tools"), await browser.get("/review")]
    assert len(pages) > 12 * len(texts)
    for page in pages:
        assert page.status_code in (200, 404, 422), page.text
        assert_safe(page.text)


@pytest.mark.anyio
@pytest.mark.requirement("WEB-011")
async def test_hidden_and_look_alike_characters_are_shown_as_what_they_are(house):
    spelled = "".join(chr(0xE0000 + ord(one)) for one in "ignore")
    looks = "\u0440\u0430\u0443\u0440\u0430l"
    house.stand.list(server("notes"))
    house.stand.see(
        "notes",
        {
            "name": "read",
            "description": f"R\u0435ads\u200b a note.\u202e {spelled} {looks} \u0433\u043e\u0434",
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
    house.stand.see("notes", {"name": "bid\u202ei\x1b[2J", "description": "x"})
    await house.stand.catalog.refresh()
    page = await text_of(await house.signed_in(), "/servers/notes/item", kind="tool", item="bid\u202ei\x1b[2J")
    assert "<title>bidU+202EiU+001B[2J - MCP servers</title>" in page
    assert not re.search("[\u202e\x1b]", page)


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
                assert answer.text == nothing
    for browser in (ada, bob, sky):
        answer = await browser.post(
            f"/review/item?server=hers&kind=tool&item=poison&digest={digest}", decision="approved", why="x"
        )
        assert answer.status_code == 404
    hidden = {
        bob: ("servers/hers", "servers/nobodys", "poison"),
        ada: ("servers/nobodys", "hers/item?kind=tools&amp;item=erase", "poison"),
    }
    for browser, words in hidden.items():
        for path in ("/", "/tools", "/tools?q=what+gives+orders", "/?sort=-tools"):
            rows = (await browser.get(path)).text.split("<tbody>")[-1]
            assert [word for word in words if word in rows] == [], path


@pytest.mark.anyio
@pytest.mark.requirement("WEB-301")
@pytest.mark.parametrize(
    ("subject", "signed"),
    [
        ("u9", "u9 of https://login.example"),
        ("u" * 300, Principal(TOKEN, "u" * 300, "https://login.example").seal_key),
    ],
    ids=["as it is", "longer than the store takes"],
)
async def test_a_decision_is_signed_with_the_subject_and_not_with_a_name_that_people_choose(house, subject, signed):
    house.stand.list(server("notes"))
    house.stand.see("notes", POISON)
    await house.stand.catalog.refresh()
    eve = house.of_the_login(subject, "rita", "reviewer")
    digest = Sighting.of(ItemKind.TOOL, "poison", POISON).digest
    path = f"/review/item?server=notes&kind=tool&item=poison&digest={digest}"
    shown = dict(re.findall(r'<input type="hidden" name="(state|reason)" value="([^"]*)">', (await eve.get(path)).text))
    assert (await eve.post(path, decision="rejected", why="x", **shown)).status_code == 200
    history = await house.stand.surfaces.ask(lambda store: store.history(ItemId("notes", ItemKind.TOOL, "poison")))
    assert [one.actor for one in history if one.action == DECIDED] == [signed]


@pytest.mark.anyio
@pytest.mark.requirement("WEB-304")
@pytest.mark.parametrize("part", ["9" * 5000, "-1", "\N{SUPERSCRIPT TWO}", "x"])
async def test_no_part_of_a_text_that_somebody_asks_for_breaks_the_page_of_a_review(house, part):
    house.stand.list(server("notes"))
    house.stand.see("notes", POISON)
    await house.stand.catalog.refresh()
    rita = await house.signed_in()
    digest = Sighting.of(ItemKind.TOOL, "poison", POISON).digest
    await text_of(rita, "/review/item", server="notes", kind="tool", item="poison", digest=digest, part=part)


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
    assert house.stand.tools(REVIEWS, "notes") == {"poison": "rejected"}
    again = dict(re.findall(r'<input type="hidden" name="(state|reason)" value="([^"]*)">', second.text))
    third = await bob.post(path, decision="approved", why="we spoke about it", **again)
    assert third.status_code == 200
    for form in (
        {"decision": "approved", "why": ""},
        {"decision": "open", "why": "x"},
        {"decision": "approved", "why": "x" * 3000},
    ):
        assert (await bob.post(path, **again, **form)).status_code == 422


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
    for level in range(40):
        both = {"anyOf": [deep]} if level < 6 else {}
        deep = {"type": "object", "properties": {"in": deep, "and": both}}
    wide = {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(3000)}}
    house.stand.list(server("notes", description="d" * 50_000, pins=Pinning.OFF))
    tools = [{"name": f"tool_{number}", "description": "Does a thing."} for number in range(500)]
    long = {"name": "long", "description": "word " * 100_000}
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
    paths += ["/servers/notes/item?kind=tool&item=long&part=30", "/servers/notes/item?kind=tool&item=long&part=999999"]
    for path in paths:
        page = await text_of(browser, path)
        assert len(page) < 100_000, (path, len(page))
        assert_safe(page)
