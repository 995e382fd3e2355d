"""A real authorization server exchanges agents' tokens for servers' own (RFC 8693), and keeps the chain of actors."""

import contextlib

import jwt
import pytest

from e2e.harness import modern
from e2e.machines import machines_issuer, post
from e2e.tokens import token_gateway
from node import tools
from servers.launch import wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.requirement("AUTH-302"),
    pytest.mark.skipif(tools.node() is None or tools.package("oidc-provider") is None, reason=tools.MISSING),
]
NOTES = "https://notes.internal/mcp"
TYPE = "urn:ietf:params:oauth:token-type:access_token"


@pytest.fixture(scope="module")
def issuer():
    with machines_issuer() as url:
        yield url


@contextlib.contextmanager
def exchanging(kind, issuer, resource):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TESTS_SECRET", "gateway-secret-0123456789")
        patch.setenv("MCP_SIDECAR_ISSUER_CLIENTS", f"{issuer} gateway env:TESTS_SECRET")
        policy = {
            "rules": [{"via": ["notes-server"], "tools": {"deny": ["report"]}}],
            "upstream_token": {
                "grant": "exchange",
                "issuer": issuer,
                "resource": resource,
                "scopes": ["mcp"],
                "actor": True,
            },
        }
        with token_gateway(kind, issuer, policy=policy) as running:
            socket = running.dev.folder / "ask.sock"
            wait_for(socket.exists, lambda: (running.dev.folder / "sidecar.log").read_text()[-2000:])
            yield running


@pytest.fixture(scope="module")
def gateway(kind, issuer):
    with exchanging(kind, issuer, NOTES) as running:
        yield running


def token_of(issuer, resource):
    form = {"grant_type": "client_credentials", "resource": resource, "scope": "mcp"}
    return post(issuer, "/token", "machine", **form).json()["access_token"]


def call(gateway, token, name="good"):
    with gateway.client(token) as client:
        return client.post(gateway.url, **modern(name))


def reached(gateway, since):
    """Return the claims of the one token with which the server was asked since."""
    (headers,) = gateway.posts(since)
    return headers["authorization"].removeprefix("Bearer "), jwt.decode(
        headers["authorization"].removeprefix("Bearer "), options={"verify_signature": False}
    )


def passed_on(issuer, given, resource):
    """Exchange the token that a server was given for one with which it calls another one, as who acts."""
    own = post(issuer, "/token", "notes-server", grant_type="client_credentials").json()["access_token"]
    form = {"subject_token": given, "subject_token_type": TYPE, "actor_token": own, "actor_token_type": TYPE}
    grant = "urn:ietf:params:oauth:grant-type:token-exchange"
    answer = post(issuer, "/token", "notes-server", grant_type=grant, resource=resource, scope="mcp", **form)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def test_the_chain_of_actors_reaches_servers_that_servers_call_and_rules_know_who_acts(gateway, issuer):
    agents, since = token_of(issuer, gateway.url), gateway.mark()
    assert call(gateway, agents).status_code == 200
    given, first = reached(gateway, since)
    assert given != agents
    assert (first["sub"], first["aud"], first["act"]) == ("machine", NOTES, {"sub": "gateway"})
    # The server calls another one, through the gateway again.
    theirs, since = passed_on(issuer, given, gateway.url), gateway.mark()
    assert call(gateway, theirs).status_code == 200
    _, second = reached(gateway, since)
    chain = {"sub": "gateway", "act": {"sub": "notes-server", "act": {"sub": "gateway"}}}
    assert (second["sub"], second["act"]) == ("machine", chain)
    since = gateway.mark()
    assert "Unknown tool" in call(gateway, theirs, "report").text
    assert gateway.posts(since) == []
    assert call(gateway, agents, "report").status_code == 200


def test_the_token_that_a_server_was_given_opens_nothing_at_the_gateway(gateway, issuer):
    since = gateway.mark()
    assert call(gateway, token_of(issuer, gateway.url)).status_code == 200
    given, _ = reached(gateway, since)
    since = gateway.mark()
    assert call(gateway, given).status_code == 401
    assert gateway.posts(since) == []


def test_what_the_provider_does_not_exchange_reaches_no_server(kind, issuer):
    with exchanging(kind, issuer, "https://closed.internal/mcp") as gateway:
        since = gateway.mark()
        refused = call(gateway, token_of(issuer, gateway.url))
        assert (refused.status_code, "gives none for you" in refused.text) == (403, True)
        assert gateway.posts(since) == []
