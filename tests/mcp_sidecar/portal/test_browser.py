"""The portal in a real Chromium, by a real gateway: by keyboard, on phone and desktop, light and dark."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest

from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.state import Consumer

pytest.importorskip("playwright.sync_api")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from servers.portal_company import company, listed

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SHOTS = os.environ.get("PORTAL_SCREENSHOTS")
"""The folder that `make portal-screenshots` fills."""
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH: apt-get install chromium"),
    pytest.mark.requirement("WEB-030"),
    pytest.mark.timeout(600),
]
SECONDS = 60_000
DESKTOP, PHONE = {"width": 1180, "height": 760}, {"width": 390, "height": 844}
PICTURE = {"width": 980, "height": 520}
PAGES = {
    "servers": "/",
    "server": "/servers/notes",
    "tool": "/servers/notes/item?kind=tool&item=read_note",
    "versions": "/servers/notes/versions",
    "tools": "/tools?q=write+something+down",
    "try": "/servers/notes/try?item=add_note",
    "review": "/review",
    "request": "/request",
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with company(tmp_path_factory.mktemp("company")) as files:
        kind = "kong" if shutil.which("kong") else "devkit"
        servers = listed(files)
        settings = DevSettings(
            [one.server for one, _ in servers],
            kind,
            0,
            consumers=[Consumer("ada", "adas-key", ("team-notes",))],
            listed=[record for _, record in servers],
        )
        with run_dev(settings) as running:
            yield running


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-lcd-text"])
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(chromium, gateway, who=0, **how):
    """Sign somebody in, and fail where a page asks another host for anything, or a script of a text runs."""
    context = chromium.new_context(viewport=DESKTOP, **how)
    context.set_default_timeout(SECONDS)
    page = context.new_page()
    strange = []
    home = f"http://127.0.0.1:{gateway.port}/"
    page.on("request", lambda request: strange.append(request.url) if not request.url.startswith(home) else None)
    page.on("dialog", lambda dialog: (strange.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: strange.append(str(error)))
    page.goto(gateway.portal_links()[who].url)
    page.get_by_role("button", name="Sign in").press("Enter")
    expect(page.get_by_role("heading", name="Servers", exact=True)).to_be_visible(timeout=SECONDS)
    yield page
    assert strange == []
    context.close()


def go(page, path, heading=None):
    base = page.url.split("/portal")[0]
    page.goto(f"{base}/portal{path}")
    if heading:
        expect(page.get_by_role("heading", name=heading).first).to_be_visible(timeout=SECONDS)


def wait_for(page, path, text):
    """Open a page until it shows what the sidecar is still to see."""
    base = page.url.split("/portal")[0]
    page.goto(f"{base}/portal{path}")
    for _ in range(120):
        if page.get_by_text(text).first.is_visible():
            return
        page.wait_for_timeout(500)
        page.reload()
    raise AssertionError(f"{text} never came to {path}")


def test_somebody_finds_a_tool_and_tries_it_by_keyboard_alone(chromium, gateway):
    with opened(chromium, gateway, who=1) as page:
        wait_for(page, "/servers/notes", "add_note")
        go(page, "/")
        page.keyboard.press("/")
        page.keyboard.type("notebook")
        page.keyboard.press("Enter")
        link = page.get_by_role("link", name="Notebook of the company")
        link.focus()
        page.keyboard.press("Enter")
        page.get_by_role("link", name="add_note").focus()
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Try it").focus()
        page.keyboard.press("Enter")
        page.get_by_label("text").focus()
        page.keyboard.type("milk")
        page.get_by_label("title").focus()
        page.keyboard.type("Shopping")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text("The tool answered.", timeout=SECONDS)
        expect(page.locator("#answer")).to_contain_text("kept 'Shopping'")


def test_a_reviewer_rejects_a_poisoned_tool(chromium, gateway):
    with opened(chromium, gateway) as page:
        wait_for(page, "/review", "search_notes")
        page.get_by_role("link", name="search_notes").press("Enter")
        page.get_by_label("Why").fill("It sends a private key away.")
        page.get_by_role("button", name="Reject").press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Written down: rejected", timeout=SECONDS)
        go(page, "/servers/notes/item?kind=tool&item=search_notes", "search_notes")
        expect(page.get_by_text("A reviewer rejected this version")).to_be_visible()


@pytest.mark.long
@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("colors", ["light", "dark"])
def test_nothing_keeps_anybody_out_and_no_page_is_wider_than_its_window(chromium, gateway, colors, size):
    with opened(chromium, gateway, color_scheme=colors) as page:
        wait_for(page, "/review", "read_note")
        for name, path in PAGES.items():
            page.set_viewport_size(DESKTOP if size == "desktop" else PHONE)
            go(page, path)
            found = Axe().run(page).response["violations"]
            serious = [
                (one["id"], [node["html"] for node in one["nodes"]][:3])
                for one in found
                if one["impact"] in ("serious", "critical")
            ]
            assert serious == [], (name, serious)
            width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert width <= 0, (name, width)
            if SHOTS and (size, colors) in (("desktop", "light"), ("phone", "dark")):
                page.set_viewport_size(PICTURE if size == "desktop" else PHONE)
                page.screenshot(path=str(Path(SHOTS) / f"{name}-{size}-{colors}.png"))


@pytest.mark.long
def test_every_page_works_without_javascript(chromium, gateway):
    with opened(chromium, gateway, java_script_enabled=False) as page:
        for path in PAGES.values():
            go(page, path)
            expect(page.locator("h1")).to_be_visible()
        page.get_by_label("URL of the MCP endpoint").fill("https://mcp.example.com/mcp")
        page.get_by_label("Name", exact=False).nth(0).fill("example")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
