"""The portal on a real catalog and store, and browsers that come to it by Kong, or try to come another way."""

from __future__ import annotations

import re
import secrets
import time
from urllib.parse import urlencode, urlsplit

import httpx
from starlette.applications import Starlette

from mcp_core import one_time
from mcp_core.page_word import Page, PageSigner
from mcp_core.principal import NOBODY, TOKEN, Principal
from mcp_sidecar.portal.portal import Portal
from mcp_sidecar.portal.sessions import PortalSessions
from mcp_sidecar.portal.settings import PREFIX, PortalSettings
from servers.catalog_stand import Stand

KEYS = (b"k" * 32,)
URL = "http://gateway.example"


class House:
    """One portal. Its stand has the servers."""

    def __init__(self, folder, health=None, writer=None, **settings):
        self.stand = Stand(folder, health, writer)
        self.links = folder / "links"
        self.links.mkdir()
        values = {"url": URL, "links": str(self.links), **settings}
        self.kong_url = values.pop("kong_url", "http://127.0.0.1:1")
        self.cut_off = set()
        portal = Portal(
            PortalSettings(**values),
            KEYS,
            kong_url=self.kong_url,
            catalog=self.stand.catalog,
            surfaces=self.stand.surfaces,
            is_cut_off=lambda setting: setting.id in self.cut_off,
        )
        self.finder = portal.finder
        self.app = Starlette(routes=portal.routes())

    def browser(self, **signing):
        return Browser(self.app, **signing)

    def link(self, shown="rita", role="administrator", consumer=None, groups=(), credential=None):
        secret = secrets.token_hex(8)
        link = one_time.OneTime(shown, role, consumer, groups, credential or {})
        (self.links / one_time.file_name(secret)).write_text(one_time.write(link))
        return secret

    async def signed_in(self, **who):
        browser = self.browser()
        answer = await browser.post("/enter", link=self.link(**who))
        assert answer.status_code == 303, answer.text
        return browser

    def of_the_login(self, subject, shown, role, issuer="https://login.example"):
        """Return the browser of somebody whom a provider vouched for."""
        browser = self.browser()
        principal = Principal(TOKEN, subject, issuer)
        browser.client.cookies.set("portal", PortalSessions(KEYS).begin(principal, shown, role=role), path="/portal")
        return browser


class Browser:
    """A browser, and Kong before the portal, which signs what it sends on for the principal that Kong knows."""

    def __init__(self, app, keys=KEYS, principal=NOBODY, shift=0.0):
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL)
        self.signer = PageSigner(keys)
        self.principal = principal
        self.shift = shift

    def word(self, method, url, body=b""):
        parts = urlsplit(url)
        page = Page(method, parts.path, parts.query, body)
        return self.signer.sign(page, self.principal, now=time.time() + self.shift)

    async def get(self, path, *, signed=None, **query):
        url = f"{PREFIX}{path}" + (f"?{urlencode(query)}" if query else "")
        word = self.word("GET", url) if signed is None else signed
        return await self.client.get(url, headers={"mcp-gateway-context": word})

    async def post(self, path, *, headers=None, token=None, **form):
        """Send a form as its page has it: with the token of this session unless another one is given."""
        url = f"{PREFIX}{path}"
        given = await self.token() if token is None else token
        body = urlencode({**({"form_token": given} if given else {}), **form}).encode()
        sent = {
            "mcp-gateway-context": self.word("POST", url, body),
            "content-type": "application/x-www-form-urlencoded",
            "origin": URL,
            **(headers or {}),
        }
        return await self.client.post(url, content=body, headers=sent)

    async def token(self):
        page = await self.get("/request")
        found = re.search(r'name="form_token" value="([^"]+)"', page.text)
        return found[1] if found else ""


async def text_of(browser, path, **query):
    """Return a page's text; it must be there."""
    answer = await browser.get(path, **query)
    assert answer.status_code == 200, answer.text
    return answer.text
