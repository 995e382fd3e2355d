"""A provider that refuses what MCP clients must send, behind the gateway's own metadata: official clients log in."""

import asyncio

import httpx
import pytest

from demo.login import Person, connected
from e2e.test_typescript_logins import LINES, log_in
from e2e.tokens import token_gateway
from node import tools
from tokens.refusing import APPLICATION, CLIENT, PREFIX, Refusing

pytestmark = [pytest.mark.long, pytest.mark.requirement("LOGIN-007")]


@pytest.fixture(scope="module")
def provider():
    provider = Refusing()
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def gateway(kind, provider):
    facade = {
        "authorization_endpoint": f"{provider.base}/authorize",
        "token_endpoint": f"{provider.base}/token",
        "scope_prefix": PREFIX,
        "client_id": CLIENT,
    }
    issuer = {"issuer": provider.issuer, "audiences": [APPLICATION], "types": ["JWT"], "facade": facade}
    step_up = {"scope_rules": [{"scopes": ["notes:write"], "tools": ["report"]}], "denial": "challenge"}
    with token_gateway(kind, provider.issuer, issuers=[issuer], **step_up) as running:
        yield running


def test_the_python_client_logs_in_and_steps_up(gateway, provider):
    person, since = Person("ann"), len(provider.asked)

    async def work():
        async with connected(gateway.url, person) as client:
            calls = ("good", {"text": "x"}), ("report", {"steps": 1})
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    reached = gateway.mark()
    assert [result.content for result in asyncio.run(work()) if result.is_error] == []
    assert not any("authorization" in headers for headers in gateway.posts(reached))
    asked = provider.asked[since:]
    assert [path for path, _ in asked] == ["/authorize", "/token"] * 2
    assert not [said for _, said in asked if "resource" in said]
    assert [said["resource"] for said in person.asked] == [[gateway.url]] * 2
    assert PREFIX + "notes:write" in asked[2][1]["scope"].split()


@pytest.mark.skipif(tools.node() is None, reason=tools.MISSING)
@pytest.mark.parametrize("line", LINES)
def test_typescript_clients_log_in(gateway, line):
    saw = log_in(gateway, line)
    assert saw["good"]
    assert saw["client"] == CLIENT


def test_the_document_names_the_gateway_and_only_what_is_asked_for_is_handed_on(gateway, provider):
    origin = gateway.url.removesuffix("/notes/mcp")
    with httpx.Client(trust_env=False, timeout=30) as client:
        told = client.get(f"{origin}/.well-known/oauth-protected-resource/notes/mcp").json()
        assert told["authorization_servers"] == [gateway.url]
        found = client.get(f"{origin}/.well-known/oauth-authorization-server/notes/mcp")
        assert (found.status_code, found.json()["issuer"]) == (200, gateway.url)
        assert found.headers["Access-Control-Allow-Origin"] == "*"
        since = len(provider.asked)
        token = f"{gateway.url}/oauth/token"
        for form in (
            {"grant_type": "password", "username": "ann", "password": "x"},
            {"grant_type": "authorization_code", "code": "x", "resource": "https://other.example/mcp"},
        ):
            assert client.post(token, data=form).status_code == 400
        assert client.post(token, json={"grant_type": "authorization_code"}).status_code == 400
        assert client.get(f"{gateway.url}/oauth/authorize?scope=mcp&resource=https://other.example").status_code == 400
        assert client.get(token).status_code in (404, 405)
        assert len(provider.asked) == since
        answer = client.post(token, data={"grant_type": "authorization_code", "code": "x", "resource": gateway.url})
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant"})
        assert len(provider.asked) == since + 1
