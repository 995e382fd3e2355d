"""Who comes in: by Kong alone, once by a link, never by another site's form, and out again for good."""

import os
import re

import pytest

from mcp_core import one_time
from mcp_core.page_word import MAX_BODY, Page, PageSigner
from mcp_core.principal import NOBODY, consumer
from mcp_sidecar.portal.paper import HEADERS
from mcp_sidecar.portal.sessions import PortalSessions
from mcp_sidecar.portal.settings import PortalSettings
from mcp_sidecar.portal.visitors import local
from mcp_sidecar.surface.viewers import ViewerRole
from servers.catalog_stand import READ, server
from servers.portal_house import KEYS, URL, House

PAGES = ("/", "/tools", "/servers/notes", "/servers/notes/item?kind=tool&item=read", "/servers/notes/versions")
PAGES += ("/servers/notes/change?kind=tool&item=read&after=0", "/servers/notes/try?item=read", "/request", "/review")
PAGES += ("/review/item?server=notes&kind=tool&item=read&digest=00000000",)
FORMS = ("/servers/notes/try?item=read", "/request", "/review/item?server=notes&kind=tool&item=read", "/sign-out")


@pytest.mark.requirement("WEB-001")
def test_a_word_is_good_for_one_request_and_some_seconds():
    signer, page = PageSigner(KEYS), Page("GET", "/portal/", "q=a", b"")
    word = signer.sign(page, consumer("ada", ["sky"]), now=1000)
    assert signer.verify(word, page, now=1001) == consumer("ada", ["sky"])
    assert signer.verify(signer.sign(page, NOBODY, now=1000), page, now=1001) is NOBODY
    others = [
        Page("POST", "/portal/", "q=a", b""),
        Page("GET", "/portal", "q=a", b""),
        Page("GET", "/portal/", "", b""),
    ]
    for other in (*others, Page("GET", "/portal/", "q=a", b"x")):
        assert signer.verify(word, other, now=1001) is None
    for wrong in (
        "",
        "1",
        "1.",
        "1.a.b",
        word[:-1],
        f"2.{word[2:]}",
        word + "x",
        PageSigner([b"x" * 32]).sign(page, NOBODY, now=1000),
    ):
        assert signer.verify(wrong, page, now=1001) is None
    assert signer.verify(word, page, now=1031) is None
    assert signer.verify(word, page, now=900) is None


@pytest.mark.anyio
@pytest.mark.requirement("WEB-001")
async def test_nobody_comes_in_beside_kong(house):
    browser = await house.signed_in()
    for path in (*PAGES, "/sign-in", "/enter", "/static/portal.css", "/none"):
        for word in (
            "",
            "x",
            house.browser(keys=(b"x" * 32,)).word("GET", f"/portal{path}"),
            browser.word("GET", "/portal/other"),
        ):
            answer = await browser.get(path, signed=word)
            assert answer.status_code == 403, path
            assert "through the gateway alone" in answer.text
    late = house.browser(shift=-100)
    late.client.cookies = browser.client.cookies
    assert (await late.get("/")).status_code == 403


@pytest.mark.anyio
@pytest.mark.requirement("WEB-002")
async def test_whoever_is_not_signed_in_is_shown_where_to_sign_in_and_comes_back(house):
    house.stand.list(server("notes"))
    await house.stand.catalog.refresh()
    browser = house.browser()
    for path in PAGES:
        answer = await browser.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/portal/sign-in?next=%2Fportal")
    for path in FORMS:
        assert (await browser.post(path, token="x")).status_code == 401
    for path in ("/none", "/servers", ""):
        assert (await browser.get(path)).status_code == 303


@pytest.mark.anyio
@pytest.mark.requirement("WEB-003")
async def test_a_link_signs_in_once_and_looking_at_it_uses_nothing_up(house):
    browser, secret = house.browser(), house.link(shown="ada")
    for _ in range(2):
        page = await browser.get("/enter", link=secret)
        assert page.status_code == 200
        assert not browser.client.cookies
    answer = await browser.post("/enter", link=secret, token="", next="/portal/tools?q=a")
    assert (answer.status_code, answer.headers["location"]) == (303, "/portal/tools?q=a")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/portal" in cookie
    again = await house.browser().post("/enter", link=secret, token="")
    assert again.status_code == 403
    assert "was used" in again.text
    for guess in ("", "x", "../links", "a" * 500):
        assert (await house.browser().post("/enter", link=guess, token="")).status_code == 403


@pytest.mark.anyio
@pytest.mark.requirement("WEB-303")
async def test_a_link_that_nobody_used_for_a_quarter_of_an_hour_signs_nobody_in(house):
    for age, status in ((16, 403), (14, 303)):
        secret = house.link()
        file = house.links / one_time.file_name(secret)
        then = file.stat().st_mtime - age * 60
        os.utime(file, (then, then))
        assert (await house.browser().post("/enter", link=secret, token="")).status_code == status


@pytest.mark.anyio
@pytest.mark.requirement("WEB-003")
async def test_behind_https_the_cookie_is_for_https_alone(tmp_path):
    house = House(tmp_path, url="https://gateway.example")
    answer = await house.browser().post(
        "/enter", link=house.link(), headers={"origin": "https://gateway.example"}, token=""
    )
    assert answer.headers["set-cookie"].startswith("__Secure-portal=")
    assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.anyio
@pytest.mark.requirement("WEB-003")
async def test_no_session_is_put_under_somebody_and_one_that_ended_is_worth_nothing(house):
    browser = await house.signed_in()
    first = browser.client.cookies["portal"]
    await browser.post("/enter", link=house.link(shown="bob"))
    second = browser.client.cookies["portal"]
    assert first != second
    answer = await browser.post("/sign-out")
    assert answer.headers["location"] == "/portal/sign-in"
    assert "portal" not in browser.client.cookies
    browser.client.cookies.set("portal", second, path="/portal")
    assert (await browser.get("/")).status_code == 303
    for forged in (
        "",
        "x",
        first[:-4],
        PortalSessions([b"x" * 32]).begin(NOBODY, "eve"),
        PortalSessions(KEYS, seconds=-1).begin(NOBODY, "")[::-1],
    ):
        other = house.browser()
        other.client.cookies.set("portal", forged, path="/portal")
        assert (await other.get("/")).status_code == 303


@pytest.mark.anyio
@pytest.mark.requirement("WEB-031")
async def test_who_is_cut_off_is_signed_in_no_more(house):
    browser = await house.signed_in(consumer="rita")
    assert (await browser.get("/")).status_code == 200
    house.cut_off.add("rita")
    assert (await browser.get("/")).status_code == 303
    house.cut_off.clear()
    assert (await browser.get("/")).status_code == 200


@pytest.mark.requirement("WEB-003")
def test_a_session_expires():
    sessions = PortalSessions(KEYS, seconds=60)
    cookie = sessions.begin(NOBODY, "ada")
    assert sessions.read(cookie).shown == "ada"
    sessions._seconds = -1
    assert sessions.read(cookie) is None


@pytest.mark.anyio
@pytest.mark.requirement("WEB-004")
async def test_a_form_of_another_site_or_session_does_nothing(house):
    house.stand.list(server("notes"))
    house.stand.see("notes", READ)
    await house.stand.catalog.refresh()
    browser, other = await house.signed_in(), await house.signed_in(shown="bob")
    theirs = await other.token()
    for path in FORMS:
        for token in ("x", theirs, theirs[::-1], ""):
            assert (await browser.post(path, token=token or "0")).status_code == 403, path
        for headers in (
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
        ):
            answer = await browser.post(path, headers=headers)
            assert answer.status_code == 403, (path, headers)
        assert (await browser.post(path, headers={"content-type": "application/json"})).status_code == 415
        assert (await browser.post(path, headers={"content-type": "text/plain"})).status_code == 415
    assert (await browser.get("/")).status_code == 200, "sign-out was not carried out"
    assert (await browser.get("/sign-out")).status_code == 404


@pytest.mark.anyio
@pytest.mark.requirement("WEB-004")
async def test_a_form_that_is_too_long_or_has_too_many_fields_is_refused(house):
    browser = await house.signed_in()
    assert (await browser.post("/request", title="a" * MAX_BODY)).status_code == 413
    assert (await browser.post("/request", **{f"a{number}": "1" for number in range(3000)})).status_code == 400


@pytest.mark.requirement("WEB-005")
@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/portal//evil.example",
        "/portal/\\evil",
        "javascript:alert(1)",
        "/portal/\r\nSet-Cookie: a=b",
        "/portal",
        "",
        "portal/",
        "/portal/\u2028",
        "/other",
        "http:/portal/",
    ],
)
def test_nobody_is_sent_to_another_place_after_sign_in(path):
    assert local(path) == "/portal/"
    assert local("/portal/servers/notes?q=a") == "/portal/servers/notes?q=a"


@pytest.mark.anyio
@pytest.mark.requirement("WEB-006")
async def test_every_answer_carries_the_same_strict_headers(house):
    house.stand.list(server("notes"))
    house.stand.see("notes", READ)
    await house.stand.catalog.refresh()
    browser = await house.signed_in()
    answers = [await browser.get(path) for path in (*PAGES, "/sign-in", "/none", "/enter", "/static/none")]
    answers += [await browser.post(path, token="x") for path in FORMS]
    answers.append(await browser.get("/", signed=""))
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, answer.request.url
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    for answer in answers:
        assert not re.search(
            r"(?i)<[^>]+\s(on\w+|style)=|<style|<script(?! src=)|https?://(?!gateway|127|HOST)",
            answer.text.split("<main")[0],
        )


@pytest.mark.anyio
@pytest.mark.requirement("WEB-007")
async def test_whom_kong_knows_is_signed_in_and_no_cookie_says_otherwise(house):
    house.stand.list(
        server("notes"), server("hers", policy={"rules": [{"consumers": ["ada"], "tools": {"allow": ["*"]}}]})
    )
    await house.stand.catalog.refresh()
    other = await house.signed_in(shown="rita")
    ada = house.browser(principal=consumer("ada"))
    ada.client.cookies = other.client.cookies
    page = (await ada.get("/")).text
    assert "ada (viewer)" in page
    assert "hers" in page
    assert "Sign out" not in page
    bob = (await house.browser(principal=consumer("bob")).get("/")).text
    assert "hers" not in bob


@pytest.mark.requirement("WEB-008")
def test_roles_are_by_name_and_by_group_and_the_highest_counts():
    settings = PortalSettings(url=URL, roles={"ada": ViewerRole.REVIEWER, "group:ops": ViewerRole.ADMINISTRATOR})
    assert settings.role_of(consumer("ada")) is ViewerRole.REVIEWER
    assert settings.role_of(consumer("ada", ["ops"])) is ViewerRole.ADMINISTRATOR
    assert settings.role_of(consumer("group:ops")) is ViewerRole.VIEWER
    assert settings.role_of(consumer("bob", ["ada"])) is ViewerRole.VIEWER
    assert settings.role_of(NOBODY) is ViewerRole.VIEWER
