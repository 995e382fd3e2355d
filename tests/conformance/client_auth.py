"""What the suite's scenarios `auth/*` ask of an agent: it logs in as the official SDK's client does, with a URL alone.

There is no browser: the suite's authorization server sends whoever comes straight back, with a code.
"""

import contextlib
import json
import os
import urllib.parse

import httpx
import httpx2
from client_dpop import BoundOAuthProvider
from client_workload import WorkloadOAuthProvider
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata

CONTEXT = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
CALLBACK = "http://localhost:9/callback"
CIMD = "https://conformance-test.local/client-metadata.json"
"""The client's id where the authorization server takes metadata documents; the suite knows it by this name."""


class Memory:
    """Where the SDK's client keeps what it was given."""

    def __init__(self, client=None):
        self.tokens, self.client = None, client

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class Browser:
    """Goes where it is sent and keeps what it is sent back with."""

    def __init__(self):
        self._said = {}

    async def go(self, url):
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(url)
        where = answer.headers["location"]
        assert where.startswith(CALLBACK), where
        self._said = urllib.parse.parse_qs(urllib.parse.urlsplit(where).query)

    async def came_back(self):
        return AuthorizationCodeResult(**{name: one[0] for name, one in self._said.items() if name != "error"})


def person(url, provider=OAuthClientProvider):
    """Return what logs a person in: registered before where the scenario says so, else as the server will have it."""
    metadata = OAuthClientMetadata(
        client_name="conformance",
        redirect_uris=[CALLBACK],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        application_type="native",
    )
    known = None
    if "client_secret" in CONTEXT:
        known = OAuthClientInformationFull(
            redirect_uris=[CALLBACK], token_endpoint_auth_method="client_secret_basic", **CONTEXT
        )
    browser = Browser()
    return provider(url, metadata, Memory(known), browser.go, browser.came_back, client_metadata_url=CIMD)


async def _issuer(url):
    """Return whom the server names as its issuer: what a person would have written down for a machine."""
    parts = urllib.parse.urlsplit(url)
    where = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{parts.path}"
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(where)).json()["authorization_servers"][0]


async def secret(url):
    issuer = await _issuer(url)
    return ClientCredentialsOAuthProvider(url, Memory(), CONTEXT["client_id"], CONTEXT["client_secret"], issuer=issuer)


async def signed(url):
    who = CONTEXT["client_id"]
    assertion = SignedJWTParameters(
        issuer=who,
        subject=who,
        signing_key=CONTEXT["private_key_pem"],
        signing_algorithm=CONTEXT["signing_algorithm"],
    )
    return PrivateKeyJWTOAuthProvider(
        url, Memory(), who, assertion.create_assertion_provider(), issuer=await _issuer(url)
    )


async def enterprise(url):
    """Come in with an assertion of the organisation's identity provider (ID-JAG)."""

    async def fetch(audience, resource):
        data = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": CONTEXT["idp_id_token"],
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "requested_token_type": "urn:ietf:params:oauth:token-type:id-jag",
            "audience": audience,
            "resource": resource,
        }
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(CONTEXT["idp_token_endpoint"], data=data)
        return answer.json()["access_token"]

    return IdentityAssertionOAuthProvider(
        url,
        Memory(),
        CONTEXT["client_id"],
        CONTEXT["client_secret"],
        issuer=await _issuer(url),
        assertion_provider=fetch,
        token_endpoint_auth_method="client_secret_basic",
    )


async def workload(url):
    return WorkloadOAuthProvider(url, Memory(), CONTEXT["client_id"], CONTEXT["valid_jwt"], issuer=await _issuer(url))


async def holder(url):
    return person(url, BoundOAuthProvider)


@contextlib.asynccontextmanager
async def connect(url, auth, mode):
    async with (
        httpx2.AsyncClient(auth=auth, timeout=30, trust_env=False, verify=False) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


OTHERS = {
    "auth/client-credentials-basic": secret,
    "auth/client-credentials-jwt": signed,
    "auth/enterprise-managed-authorization": enterprise,
    "auth/wif-jwt-bearer": workload,
    "auth/dpop": holder,
    "auth/dpop-nonce": holder,
}


async def log_in(url, mode):
    """Come in, list the tools and call one: steps up on the way where the server wants it."""
    other = OTHERS.get(os.environ["MCP_CONFORMANCE_SCENARIO"])
    auth = person(url) if other is None else await other(url)
    async with connect(url, auth, mode) as client:
        await client.list_tools()
        await client.call_tool("test-tool", {})
