"""A real authorization server gives machines opaque and bound tokens; the gateway asks it, and proofs are checked."""

import pytest

from e2e.harness import modern
from e2e.machines import machines_issuer, post
from e2e.tokens import token_gateway
from node import tools
from servers.launch import wait_for
from tokens.kit import Kit
from tokens.proofs import proof

pytestmark = pytest.mark.skipif(tools.node() is None or tools.package("oidc-provider") is None, reason=tools.MISSING)


@pytest.fixture(scope="module")
def issuer():
    with machines_issuer() as url:
        yield url


@pytest.fixture(scope="module")
def gateway(kind, issuer):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TESTS_SECRET", "gateway-secret-0123456789")
        patch.setenv("MCP_SIDECAR_ISSUER_CLIENTS", f"{issuer} gateway env:TESTS_SECRET")
        issuers = [{"issuer": issuer, "introspect": True, "introspection_seconds": 1}]
        with token_gateway(kind, issuer, issuers=issuers) as running:
            yield running


def token_of(issuer, gateway, client, headers=None):
    form = {"grant_type": "client_credentials", "resource": gateway.url, "scope": "mcp"}
    answer = post(issuer, "/token", client, headers, **form)
    assert answer.status_code == 200, answer.text
    return answer.json()


def send(gateway, authorization, **headers):
    asked = modern("good")
    with gateway.client() as client:
        named = asked["headers"] | {"Authorization": authorization} | headers
        return client.post(gateway.url, json=asked["json"], headers=named)


@pytest.mark.requirement("AUTH-102")
def test_an_opaque_token_calls_until_it_is_revoked_there(issuer, gateway):
    token = token_of(issuer, gateway, "opaque")["access_token"]
    assert token.count(".") == 0
    wait_for(lambda: send(gateway, f"Bearer {token}").status_code == 200, lambda: send(gateway, f"Bearer {token}").text)
    assert post(issuer, "/token/revocation", "opaque", token=token).status_code == 200
    wait_for(lambda: send(gateway, f"Bearer {token}").status_code == 401, lambda: send(gateway, f"Bearer {token}").text)
    assert "not active" in send(gateway, f"Bearer {token}").text


@pytest.mark.requirement("AUTH-104")
@pytest.mark.parametrize("client", ["machine", "opaque"])
def test_a_bound_token_calls_with_its_proof_and_not_without(issuer, gateway, client):
    kit = Kit(issuer=issuer, resource=gateway.url)
    given = token_of(issuer, gateway, client, {"DPoP": proof(kit, "", url=f"{issuer}/token", ath=None)})
    assert given["token_type"] == "DPoP"
    token = given["access_token"]

    def good():
        return send(gateway, f"DPoP {token}", DPoP=proof(kit, token))

    wait_for(lambda: good().status_code == 200, lambda: good().text)
    for refused in (
        send(gateway, f"Bearer {token}"),
        send(gateway, f"DPoP {token}"),
        send(gateway, f"DPoP {token}", DPoP=proof(kit, token, key="ES384")),
    ):
        assert refused.status_code == 401
