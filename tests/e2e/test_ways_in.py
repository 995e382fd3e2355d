"""How agents come in at a real provider: by a metadata document of their own, or by an organisation's assertion."""

import asyncio
import contextlib
import time
import uuid

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

from e2e.harness import modern
from e2e.issuer import CALLBACK, Browser, Issuer, Memory
from e2e.test_typescript_logins import LINES, log_in
from e2e.tokens import token_gateway
from node import tools
from tokens.kit import Kit, jwk

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(tools.node() is None or tools.package("oidc-provider") is None, reason=tools.MISSING),
]
STEP_UP = {"scope_rules": [{"scopes": ["notes:write"], "tools": ["report"]}], "denial": "challenge"}
DOCUMENT = "https://agent.example/client.json"
NAMED = {
    "client_name": "agent of the tests",
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "application_type": "native",
}
ORGANISATION = "https://staff.example"
DESK = ("desk", "desk-secret-0123456789")
MODES = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])


@pytest.fixture(scope="module")
def issuer():
    documents = {DOCUMENT: {"client_id": DOCUMENT, **NAMED}}
    identity = {"issuer": ORGANISATION, "jwks": {"keys": [jwk("ES256", alg="ES256"), jwk("RS256", alg="RS256")]}}
    issuer = Issuer("RS256", "ES256", documents=documents, identity=identity)
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


@pytest.mark.requirement("LOGIN-004")
@MODES
def test_a_client_with_a_metadata_document_logs_in_and_steps_up_without_registering(gateway, mode):
    browser, memory = Browser(), Memory()
    auth = OAuthClientProvider(
        gateway.url,
        OAuthClientMetadata(**NAMED),
        memory,
        browser.go,
        browser.came_back,
        client_metadata_url=DOCUMENT,
    )

    async def work():
        async with connect(gateway, auth, mode) as client:
            calls = ("good", {"text": "x"}), ("report", {"steps": 1})
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    assert [result.content for result in asyncio.run(work()) if result.is_error] == []
    assert {asked["client_id"][0] for asked in browser.asked} == {DOCUMENT}
    first, second = ({*asked["scope"][0].split()} & {"mcp", "notes:write"} for asked in browser.asked)
    assert (first, second) == ({"mcp"}, {"mcp", "notes:write"})


@pytest.mark.requirement("LOGIN-004")
@pytest.mark.parametrize("line", LINES)
def test_typescript_clients_do_so_too(gateway, line):
    saw = log_in(gateway, line, cimd=DOCUMENT)
    assert saw["good"]
    assert [asked["client_id"] for asked in saw["asked"]] == [DOCUMENT]


def assertion(issuer, resource, algorithm="ES256", typ="oauth-id-jag+jwt", **changed):
    """Return what the organisation's identity provider writes for a person at the client `desk` (ID-JAG)."""
    kit = Kit(issuer=ORGANISATION, resource=issuer.url)
    said = {"resource": resource, "client_id": "desk", "jti": str(uuid.uuid4()), "exp": int(time.time()) + 60}
    return kit.token(algorithm, header={"typ": typ}, **(said | changed))


@pytest.mark.requirement("LOGIN-005")
@MODES
def test_an_organisations_assertion_lets_its_people_in_without_a_browser(gateway, issuer, mode):
    asked = []

    async def fetch(audience, resource):
        asked.append((audience, resource))
        return assertion(issuer, resource)

    auth = IdentityAssertionOAuthProvider(
        gateway.url, Memory(), *DESK, issuer=issuer.url, assertion_provider=fetch, scope="mcp"
    )

    async def work():
        async with connect(gateway, auth, mode) as client:
            return await client.call_tool("good", {"text": "x"})

    since = gateway.mark()
    assert not asyncio.run(work()).is_error
    assert asked == [(issuer.url, gateway.url)]
    assert not any("authorization" in headers for headers in gateway.posts(since))


def exchanged(issuer, word):
    """Give an assertion to the provider. Returns its answer."""
    data = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": word, "scope": "mcp"}
    return httpx.post(f"{issuer.url}/token", data=data, auth=DESK, trust_env=False, timeout=30)


@pytest.mark.requirement("LOGIN-005")
@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "machine"},
        {"exp": 1},
        {"algorithm": "EdDSA"},
        {"typ": "at+jwt"},
        {"iss": "https://other.example"},
        {"aud": "https://other.example"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_an_assertion_of_anybody_else_or_for_anybody_else_gets_no_token(gateway, issuer, changed):
    answer = exchanged(issuer, assertion(issuer, gateway.url, **changed))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.requirement("LOGIN-005")
def test_an_assertion_counts_once_and_its_token_opens_the_resource_that_it_names_alone(gateway, issuer):
    since = gateway.mark()
    word = assertion(issuer, "https://gateway.example/other/mcp")
    answer = exchanged(issuer, word)
    assert answer.status_code == 200
    assert exchanged(issuer, word).status_code == 400
    with gateway.client(answer.json()["access_token"]) as client:
        assert client.post(gateway.url, **modern("good")).status_code == 401
    assert gateway.posts(since) == []
    good = exchanged(issuer, assertion(issuer, gateway.url)).json()["access_token"]
    with gateway.client(good) as client:
        assert client.post(gateway.url, **modern("good")).status_code == 200


@pytest.mark.requirement("LOGIN-005")
def test_neither_an_assertion_nor_an_id_token_is_a_token_for_the_gateway(gateway, issuer):
    since = gateway.mark()
    of_the_issuer = Kit(issuer=issuer.url, resource=gateway.url)
    for token in (
        assertion(issuer, gateway.url, aud=gateway.url),
        of_the_issuer.token("ES256", header={"typ": "oauth-id-jag+jwt"}, client_id="desk"),
        of_the_issuer.token("ES256", at_hash="x"),
    ):
        with gateway.client(token) as client:
            answer = client.post(gateway.url, json={})
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert gateway.posts(since) == []
