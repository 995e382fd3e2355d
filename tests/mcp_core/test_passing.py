"""What of an agent's headers a server gets: tables of both, and the globs that the configuration may say instead."""

from __future__ import annotations

import pytest

from mcp_core import methods, passing
from mcp_core.passing import HIDDEN_HEADERS, Hidden

SECRET = [
    *("authorization", "proxy-authorization", "x-authorization", "cookie", "cookie2", "x-api-key", "api-key", "apikey"),
    *(
        "x-auth-token",
        "x-access-token",
        "token",
        "private-token",
        "x-vault-token",
        "x-amz-security-token",
        "x-csrf-token",
    ),
    *("x-apikey", "x-goog-api-key", "dd-api-key", "dd-application-key", "ocp-apim-subscription-key", "x-functions-key"),
    *("x-client-secret", "x-secret", "x-password", "x-secret-key", "x-auth", "x-auth-request-email", "x-jwt", "dpop"),
    *("x_api_key", "x-auth_token", "cf-access-jwt-assertion", "x-amzn-oidc-data", "x-forwarded-user", "remote-user"),
]
OPEN = [
    *("x-tenant", "accept-language", "baggage", "x-request-id", "traceparent", "tracestate", "user-agent", "accept"),
    *("content-type", "idempotency-key", "x-partition-key", "x-session", "last-event-id", "mcp-method", "mcp-name"),
    *("mcp-protocol-version", "mcp-param-token", "mcp-param-api-key", "mcp-param-secret", "x-author", "x-keyword"),
]


@pytest.mark.requirement("HTTP-040")
@pytest.mark.parametrize("name", SECRET)
def test_credentials_and_claims_are_hidden(name):
    assert Hidden().hides(name)
    assert not passing.passes(name, Hidden())


@pytest.mark.requirement("HTTP-040")
@pytest.mark.parametrize("name", OPEN)
def test_all_else_passes(name):
    assert passing.passes(name, Hidden())


@pytest.mark.requirement("HTTP-040")
@pytest.mark.parametrize(
    "name",
    [
        *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection", "expect"),
        *("host", "content-length", "accept-encoding", "origin", "via", "x-real-ip", "x-forwarded-for"),
        *("x_forwarded_for", "x-forwarded-anything", "mcp-session-id", "mcp-affinity", "mcp_affinity"),
        *("mcp-gateway-context", "mcp-gateway-session", "mcp-gateway-target", "x-consumer-id"),
        *("x-credential-identifier", "x-anonymous-consumer", "x-kong-request-debug", "kong-debug", "x-original-url"),
    ],
)
def test_what_is_for_one_hop_or_the_gateway_passes_whatever_is_hidden(name):
    for hidden in (Hidden(), Hidden([])):
        assert not passing.passes(name, hidden)


@pytest.mark.requirement("HTTP-040")
def test_the_configuration_may_hide_less_and_more():
    assert passing.passes("authorization", Hidden([]))
    assert passing.passes("authorization", Hidden(["x-own"]))
    assert not passing.passes("x-own", Hidden(["X-Own"]))
    assert not passing.passes("x-own-thing", Hidden(["x-*-thing"]))


@pytest.mark.requirement("HTTP-040")
def test_no_glob_takes_off_what_the_protocol_needs_and_a_name_does():
    everything = Hidden(["*"])
    for name in (methods.VERSION_HEADER, "mcp-param-a", "accept", "content-type", "content-length", "host"):
        assert not everything.hides(name)
    assert everything.hides("x-any")
    assert Hidden(["mcp-param-a"]).hides("mcp-param-a")


@pytest.mark.requirement("HTTP-040")
def test_what_is_remembered_of_names_is_right_and_bounded():
    hidden = Hidden()
    for _ in range(2):
        for number in range(2000):
            assert hidden.hides(f"x-{number}-token")
            assert not hidden.hides(f"x-{number}")
    assert hidden.hides("x" * 5000 + "-token")
    assert len(hidden._known) <= 1024


def test_the_default_is_written_in_lower_case():
    assert [name.lower() for name in HIDDEN_HEADERS] == list(HIDDEN_HEADERS)
