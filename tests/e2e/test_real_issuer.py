"""A real authorization server, the official client and the gateway: they find each other by the gateway's URL alone."""

import asyncio
import contextlib
import threading

import httpx2
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

from e2e.harness import modern
from e2e.issuer import CALLBACK, MACHINE, Browser, Issuer, Memory
from e2e.tokens import token_gateway
from node import tools
from servers.launch import wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(tools.node() is None or tools.package("oidc-provider") is None, reason=tools.MISSING),
]
STEP_UP = {"scope_rules": [{"scopes": ["notes:write"], "tools": ["report"]}], "denial": "challenge"}


@pytest.fixture(scope="module")
def issuer():
    issuer = Issuer("RS256", "ES256")
    yield issuer
    issuer.stop()


@pytest.fixture(scope="module")
def gateway(kind, issuer):
    with token_gateway(kind, issuer.url, **STEP_UP) as running:
        yield running


@contextlib.asynccontextmanager
async def connect(gateway, auth, mode):
    async with (
        httpx2.AsyncClient(auth=auth, timeout=30, trust_env=False, verify=False) as http,
        Client(streamable_http_client(gateway.url, http_client=http), mode=mode) as client,
    ):
        yield client


def person(gateway, browser, memory):
    metadata = OAuthClientMetadata(
        client_name="agent of the tests",
        redirect_uris=[CALLBACK],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
        application_type="native",
    )
    return OAuthClientProvider(gateway.url, metadata, memory, browser.go, browser.came_back)


@pytest.mark.requirement("AUTH-006")
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_a_person_logs_in_with_nothing_but_the_gateways_url(gateway, mode):
    browser, memory = Browser(), Memory()

    async def work():
        async with connect(gateway, person(gateway, browser, memory), mode) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            return names, await client.call_tool("good", {"text": "x"})

    since = gateway.mark()
    names, good = asyncio.run(work())
    assert {"good", "report"} <= set(names)
    assert not good.is_error
    (asked,) = browser.asked
    assert asked["client_id"] == [memory.client.client_id]
    assert asked["resource"] == [gateway.url]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["scope"][0].split()[0] == "mcp"
    assert not any("authorization" in headers for headers in gateway.posts(since))


@pytest.mark.requirement("AUTH-005")
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_an_agent_steps_up_for_what_a_call_needs(gateway, mode):
    browser, memory = Browser(), Memory("agent")

    async def work():
        async with connect(gateway, person(gateway, browser, memory), mode) as client:
            calls = ("good", {"text": "x"}), ("report", {"steps": 1}), ("report", {"steps": 1})
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    assert [result.content for result in asyncio.run(work()) if result.is_error] == []
    first, second = ({*asked["scope"][0].split()} & {"mcp", "notes:write"} for asked in browser.asked)
    assert (first, second) == ({"mcp"}, {"mcp", "notes:write"})


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_a_machine_comes_in_by_client_credentials(gateway, issuer, mode):
    async def work():
        auth = ClientCredentialsOAuthProvider(gateway.url, Memory(), *MACHINE, scope="mcp", issuer=issuer.url)
        async with connect(gateway, auth, mode) as client:
            return await client.call_tool("good", {"text": "x"})

    assert not asyncio.run(work()).is_error


@pytest.mark.requirement("AUTH-003")
def test_a_token_for_another_resource_of_the_same_issuer_opens_nothing(gateway, issuer):
    with gateway.client(issuer.token("https://gateway.example/other/mcp")) as client:
        answer = client.post(gateway.url, **modern("good"))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.requirement("AUTH-014")
def test_a_real_issuer_rotates_its_keys_while_calls_run_and_goes_and_comes_back(kind):
    issuer = Issuer("RS256")
    try:
        with token_gateway(kind, issuer.url) as gateway:
            _rotate(issuer, gateway)
    finally:
        issuer.stop()


def _rotate(issuer, gateway):
    over, seen = threading.Event(), []
    tokens = [issuer.token(gateway.url)]

    def calls():
        while not over.is_set():
            with gateway.client(tokens[-1]) as client:
                seen.append(client.post(gateway.url, **modern("good")).status_code)

    def more():
        wanted = len(seen) + 5
        wait_for(lambda: len(seen) >= wanted, lambda: seen)

    def known(number):
        """Wait until the guards' file holds so many keys: an issuer publishes a key before it signs with it."""
        log = gateway.dev.folder / "sidecar.log"

        def told():
            lines = [line for line in log.read_text().splitlines() if '"keys": ' in line]
            return bool(lines) and f'"keys": {number}' in lines[-1]

        wait_for(told, lambda: log.read_text()[-2000:])

    caller = threading.Thread(target=calls)
    caller.start()
    try:
        issuer.rotate("RS256", "stranger")
        known(2)
        issuer.rotate("stranger", "RS256")
        tokens.append(issuer.token(gateway.url))
        more()
        issuer.stop()
        more()
        issuer.kids = ("stranger",)
        issuer.start()
        known(1)
        tokens.append(issuer.token(gateway.url))
        more()
    finally:
        over.set()
        caller.join()
    assert set(seen) == {200}
    with gateway.client(tokens[0]) as client:
        # Guards look at the file once a second.
        wait_for(lambda: client.post(gateway.url, **modern("good")).status_code == 401, lambda: "it opens still")
