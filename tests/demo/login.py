"""The last part of the demo: an agent that has a URL alone logs in at a real provider, steps up, and is refused."""

import contextlib
import logging
import re
import urllib.parse

import httpx
import httpx2
from mcp import Client, MCPError
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

from e2e.harness import JSON_HEADERS, modern
from e2e.issuer import CALLBACK, Memory

_FORM = re.compile(r'<form[^>]*action="([^"]*)"')
_HIDDEN = re.compile(r'name="prompt" value="(\w+)"')
_ABORT = re.compile(r'<a href="([^"]*/abort)"')


class Person:
    """A person at a browser: fills in the provider's own pages, and says yes or no.

    `pages` are the kinds of pages that they saw (login, consent), `asked` the queries with which an agent sent them.
    """

    def __init__(self, name, *, consents=True, tell=lambda _: None):
        self.name, self.consents, self.tell = name, consents, tell
        self.pages, self.asked, self.denied = [], [], False
        self.memory = Memory()
        self._where = None
        self._cookies = httpx.Cookies()

    async def go(self, url):
        """Follow where an agent sends a person, until the person is sent back."""
        self.asked.append(urllib.parse.parse_qs(urllib.parse.urlsplit(url).query))
        async with httpx.AsyncClient(trust_env=False, cookies=self._cookies) as http:
            answer = await http.get(url)
            for _ in range(20):
                if not answer.is_redirect:
                    answer = await self._answer(http, answer.text)
                where = urllib.parse.urljoin(str(answer.url), answer.headers["location"])
                if where.startswith(CALLBACK):
                    self._where, self._cookies = where, http.cookies
                    return
                answer = await http.get(where)
        raise AssertionError("it was never sent back")

    async def _answer(self, http, page):
        form, prompt = _FORM.search(page), _HIDDEN.search(page)
        self.pages.append(prompt[1])
        self.tell(prompt[1])
        if prompt[1] == "consent" and not self.consents:
            return await http.get(_ABORT.search(page)[1])
        return await http.post(form[1], data={"prompt": prompt[1], "login": self.name, "password": "any"})

    async def came_back(self):
        """Return what the person was sent back with."""
        said = urllib.parse.parse_qs(urllib.parse.urlsplit(self._where).query)
        self.denied = "code" not in said
        if self.denied:
            raise PermissionError(said["error"][0])
        return AuthorizationCodeResult(**{name: said[name][0] for name in ("code", "state", "iss") if name in said})


@contextlib.asynccontextmanager
async def connected(url, person):
    """Enter the official client, which logs its person in when the gateway wants that."""
    metadata = OAuthClientMetadata(
        client_name="the demo's agent",
        redirect_uris=[CALLBACK],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
        application_type="native",
    )
    auth = OAuthClientProvider(url, metadata, person.memory, person.go, person.came_back)
    async with (
        httpx2.AsyncClient(auth=auth, timeout=30, trust_env=False, verify=False) as http,
        Client(streamable_http_client(url, http_client=http), mode="2026-07-28") as client,
    ):
        yield client


async def _refused(url, token, line):
    """Call a tool with a token that lacks its scope, as an agent does that does not step up."""
    asked = modern("delete_person")
    headers = {**JSON_HEADERS, **asked["headers"], "Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(url, json=asked["json"], headers=headers)
    told = answer.headers.get("WWW-Authenticate", "").partition(", resource_metadata")[0]
    line("refused", f"delete_person with the token as it is: {answer.status_code} {told}")
    if answer.status_code != 403:
        raise SystemExit("a call without its scope was not refused")


async def show(url, line):
    """Log in, step up for one call, and have one refused. `line` prints who did what."""
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(url, json={})
    line("gateway", f"without a token: {answer.status_code} {answer.headers.get('WWW-Authenticate')}")
    if answer.status_code != 401:
        raise SystemExit("a call without a token was not refused")
    # That a person says no is an error of the flow to the client, which logs it.
    logging.getLogger("mcp.client.auth").setLevel(logging.CRITICAL)
    ann = Person("ann", tell=lambda page: line("ann", f"her browser shows the provider's page for {page}"))
    async with connected(url, ann) as client:
        line("agent", f"logged in for ann; people offers {[tool.name for tool in (await client.list_tools()).tools]}")
        line("agent", f"list_people says: {(await client.call_tool('list_people', {})).content[0].text}")
        await _refused(url, ann.memory.tokens.access_token, line)
        said = await client.call_tool("delete_person", {"name": "ada"})
        wanted = [one for one in ann.asked[-1]["scope"][0].split() if one.startswith("mcp")]
        line("agent", f"delete_person needs {wanted}, which it asks ann for; it says: {said.content[0].text}")
    if ["mcp:write" in one["scope"][0] for one in ann.asked] != [False, True]:
        raise SystemExit("the agent did not step up")
    eve = Person("eve", consents=False)
    try:
        async with connected(url, eve) as client:
            await client.call_tool("list_people", {})
    except* (PermissionError, MCPError):
        line("refused", "eve says no to the agent, which gets no token: nothing is called")
    else:
        raise SystemExit("a person's no did not hold")
