"""The portal through a gateway: reached by Kong's route and not beside it, and a tool tried there as the person."""

from __future__ import annotations

import contextlib
import re
import time

import httpx
import pytest

from e2e.harness import KINDS
from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.state import Consumer
from mcp_core.page_word import Page, PageSigner
from mcp_core.principal import consumer
from servers.portal_company import company, listed

pytestmark = [pytest.mark.long, pytest.mark.requirement("WEB-018"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module", params=KINDS)
def running(request, tmp_path_factory):
    with company(tmp_path_factory.mktemp("company")) as folder:
        servers = listed(folder)
        names = [record for _, record in servers]
        people = [Consumer("ada", "adas-key", ("team-notes",))]
        settings = DevSettings([one.server for one, _ in servers], request.param, 0, consumers=people, listed=names)
        with run_dev(settings) as gateway:
            yield gateway


@contextlib.contextmanager
def browser(running, who=1):
    """Return a client that is signed in: 0 as the administrator, 1 as ada."""
    secret = running.portal_links()[who].url.partition("link=")[2]
    with httpx.Client(base_url=f"http://127.0.0.1:{running.port}", trust_env=False, timeout=60) as client:
        assert client.post("/portal/enter", data={"link": secret}).status_code == 303
        yield client


def until_shown(client, path, text):
    """Open a page until the sidecar has seen what it shows."""
    end = time.monotonic() + 60
    while text not in (page := client.get(path).text):
        assert time.monotonic() < end, page
        time.sleep(0.1)
    return page


def token(page):
    return re.search(r'name="form_token" value="([^"]+)"', page)[1]


def test_the_sidecar_answers_no_page_that_did_not_come_by_kong(running):
    with browser(running) as client, httpx.Client(trust_env=False, timeout=60) as beside:
        assert "Servers" in client.get("/portal/").text
        cookie = {"cookie": f"portal={client.cookies['portal']}"}
        for path in ("/portal/", "/portal/sign-in", "/portal/servers/notes", "/portal/review"):
            url = f"http://127.0.0.1:{running.sidecar_port}{path}"
            word = PageSigner([b"k" * 32]).sign(Page("GET", path, "", b""), consumer("ada"), now=time.time())
            for headers in (
                {},
                cookie,
                {**cookie, "mcp-gateway-context": word},
                {**cookie, "x-consumer-username": "ada"},
            ):
                assert beside.get(url, headers=headers).status_code == 403
        forged = {"x-consumer-username": "root", "x-consumer-id": "1", "mcp-gateway-context": "1.e30.AAAA"}
        assert "(viewer)" in client.get("/portal/", headers=forged).text
        assert client.put("/portal/").status_code == 405
        assert client.delete("/portal/servers/notes").status_code == 405


def test_a_tool_is_tried_as_the_person_and_the_gateway_decides(running):
    with browser(running) as client:
        until_shown(client, "/portal/servers/notes", "add_note")
        path = "/portal/servers/notes/try?item=add_note"
        page = client.get(path).text
        keys = dict(re.findall(r'<label for="(a\d+)"><code>(\w+)</code>', page))
        given = {key: {"title": "Milk", "text": "two <b>liters</b>"}.get(name, "") for key, name in keys.items()}
        answer = client.post(path, data={**given, "form_token": token(page)})
        assert answer.status_code == 200, answer.text
        assert "The tool answered." in answer.text
        assert "kept &#39;Milk&#39;" in answer.text
        assert "two &lt;b&gt;liters" in answer.text
        poisoned = "/portal/servers/notes/try?item=search_notes"
        until_shown(client, "/portal/servers/notes", "search_notes")  # ada's group owns it, so she sees that it waits
        assert client.get(poisoned).status_code == 404
        assert client.post(poisoned, data={"a0": "x", "form_token": token(page)}).status_code == 404
        strange = client.post(
            path, data={"arguments": '{"title": "a", "text": "b", "stars": "many"}', "form_token": token(page)}
        )
        assert "says that it failed" in strange.text or "was refused" in strange.text
