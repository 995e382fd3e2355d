"""Access tokens through a whole gateway: what attackers send reaches no server, and what is good does its work."""

import http.client
import json
import threading
from urllib.parse import urlsplit

import pytest

from e2e.harness import JSON_HEADERS, call, modern
from e2e.tokens import kit_gateway
from servers.launch import wait_for
from tokens.attacks import ROWS
from tokens.kit import jwk

pytestmark = pytest.mark.long

BODY = json.dumps(call("good")).encode()
WRITE = {"scope_rules": [{"scopes": ["notes:write"], "tools": ["report"]}], "denial": "challenge"}


@pytest.fixture(scope="module")
def gateway(kind):
    with kit_gateway(kind, **WRITE) as running:
        yield running


def send(gateway, values, query="", **more):
    """POST a call with these values of Authorization as they are. Returns (status, headers, body)."""
    url = urlsplit(gateway.url)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    try:
        connection.putrequest("POST", f"{url.path}{query}", skip_accept_encoding=True)
        for name, value in {**JSON_HEADERS, **more}.items():
            connection.putheader(name, value)
        for value in values:
            connection.putheader("Authorization", value.encode())
        connection.putheader("Content-Length", str(len(BODY)))
        connection.endheaders(BODY)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def execute(client, gateway, name="good", **headers):
    asked = modern(name)
    return client.post(gateway.url, json=asked["json"], headers=asked["headers"] | headers)


def listed(client, gateway, **headers):
    asked = modern("good")
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": asked["json"]["params"]["_meta"]}}
    named = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"}
    return client.post(gateway.url, json=message, headers=named | headers)


@pytest.mark.requirement("AUTH-001")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_attack_reaches_a_server(gateway, row):
    since = gateway.mark()
    values, query = row.sent(gateway.kit)
    status, headers, body = send(gateway, values, query)
    assert status == row.status
    assert headers["WWW-Authenticate"].startswith("Bearer ")
    assert "/.well-known/oauth-protected-resource/notes/mcp" in headers["WWW-Authenticate"]
    assert "error" in json.loads(body)
    assert gateway.posts(since) == []


@pytest.mark.requirement("AUTH-001")
def test_two_headers_reach_no_server(gateway):
    since = gateway.mark()
    good = f"Bearer {gateway.kit.token()}"
    for values in ([good, good], ["Bearer x", good], [good, "Basic eDp5"]):
        assert send(gateway, values)[0] == 400
    assert gateway.posts(since) == []


@pytest.mark.requirement("AUTH-001")
@pytest.mark.parametrize("size", [8_300, 16_384, 60_000])
def test_a_header_that_is_too_long_reaches_no_server(gateway, size):
    since = gateway.mark()
    assert send(gateway, [f"Bearer {'a' * size}"])[0] in (400, 401, 431)
    assert gateway.posts(since) == []


def test_no_log_of_the_gateway_holds_anything_of_a_token(gateway):
    token = gateway.kit.token(jti="looked-for")
    bad = gateway.kit.token(key="stranger", jti="looked-for-too")
    with gateway.client(token) as client:
        assert execute(client, gateway).status_code == 200
    assert send(gateway, [f"Bearer {bad}"])[0] == 401
    logs = "".join(path.read_text(errors="replace") for path in gateway.dev.folder.glob("*.log"))
    assert "token-unknown-key" in logs or logs
    for part in (*token.split("."), *bad.split(".")):
        assert part not in logs


@pytest.mark.requirement("AUTH-003")
@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "EdDSA"])
def test_a_good_token_calls(gateway, algorithm):
    since = gateway.mark()
    with gateway.client(gateway.kit.token(algorithm)) as client:
        answer = execute(client, gateway)
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"]
    (headers,) = gateway.posts(since)
    assert "authorization" not in headers


@pytest.mark.requirement("AUTH-011")
def test_neither_lane_tells_the_server_of_the_token_or_of_a_forged_consumer(gateway):
    since = gateway.mark()
    forged = {"X-Consumer-Username": "root", "X-Consumer-Id": "1", "DPoP": "proof", "Proxy-Authorization": "Basic eDp5"}
    token = gateway.kit.token()
    with gateway.client(token) as client:
        assert execute(client, gateway, **forged).status_code == 200
        assert listed(client, gateway, **forged).status_code == 200
    reached = gateway.posts(since)
    assert len(reached) >= 2
    for headers in reached:
        assert not {"authorization", "dpop", "proxy-authorization"} & headers.keys()
        assert "root" not in headers.values()
        assert token not in json.dumps(headers)


@pytest.mark.requirement("AUTH-006")
def test_metadata_is_told_without_a_token_and_says_the_urls_that_clients_use(gateway):
    with gateway.client() as client:
        refused = execute(client, gateway)
        (where,) = [part for part in refused.headers["WWW-Authenticate"].split('"') if part.startswith("http")]
        answer = client.get(where, headers={"Origin": "https://inspector.example"})
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")
        assert answer.json() == {
            "resource": gateway.url,
            "authorization_servers": [gateway.kit.issuer],
            "scopes_supported": ["mcp"],
            "bearer_methods_supported": ["header"],
        }
        assert client.options(where).status_code == 204
        assert client.post(where, json={}).status_code in (404, 405)


@pytest.mark.requirement("AUTH-007")
def test_a_call_is_told_the_scopes_that_it_needs_and_passes_with_them(gateway):
    since = gateway.mark()
    with gateway.client(gateway.kit.token()) as client:
        refused = execute(client, gateway, "report")
        assert refused.status_code == 403
        assert 'error="insufficient_scope", scope="mcp notes:write"' in refused.headers["WWW-Authenticate"]
        assert gateway.posts(since) == []
        assert "report" in listed(client, gateway).text
        assert "Unknown tool" in execute(client, gateway, "bad").text
    with gateway.client(gateway.kit.token(scope="mcp notes:write")) as client:
        assert execute(client, gateway, "report").json()["result"]


@pytest.mark.requirement("AUTH-012")
def test_a_session_belongs_to_its_subject_not_to_the_token(gateway):
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    with gateway.client(gateway.kit.token()) as client:
        session = client.post(gateway.url, json=opening).headers["Mcp-Session-Id"]
    headers = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
    for changed, status in (({"jti": "t-2"}, 200), ({"sub": "eve"}, 404), ({"sub": "ann "}, 404)):
        with gateway.client(gateway.kit.token(**changed)) as client:
            assert client.post(gateway.url, headers=headers, json=call("good")).status_code == status
    with gateway.client() as client:
        assert client.post(gateway.url, headers=headers, json=call("good")).status_code == 401


@pytest.fixture
def own_gateway(kind):
    with kit_gateway(kind) as running:
        yield running


def published(gateway, *kids):
    """Publish these keys, and wait until the sidecar has asked for them twice, so that they were written before."""
    gateway.provider.answers["/jwks"] = {"keys": [jwk(kid) for kid in kids]}
    since = len(gateway.provider.asked)
    wait_for(lambda: gateway.provider.asked[since:].count("/jwks") >= 2, lambda: gateway.provider.asked)


@pytest.mark.requirement("AUTH-014")
def test_keys_are_rotated_without_a_failed_request_and_a_withdrawn_one_opens_nothing(own_gateway):
    gateway, over, failed = own_gateway, threading.Event(), []
    signing = ["RS256"]

    def calls():
        while not over.is_set():
            with gateway.client(gateway.kit.token(signing[-1], jti=str(len(failed)))) as client:
                answer = execute(client, gateway)
            failed.append(answer.status_code)

    old = gateway.kit.token("RS256")
    published(gateway, "RS256")
    caller = threading.Thread(target=calls)
    caller.start()
    try:
        published(gateway, "RS256", "ES256")
        signing.append("ES256")
        wait_for(lambda: len(failed) > 5, lambda: failed)
    finally:
        over.set()
        caller.join()
    assert set(failed) == {200}
    with gateway.client(old) as client:
        assert execute(client, gateway).status_code == 200
        published(gateway, "ES256")
        wait_for(lambda: execute(client, gateway).status_code == 401, lambda: "the withdrawn key still opens")
    with gateway.client(gateway.kit.token("ES256")) as client:
        assert execute(client, gateway).status_code == 200


@pytest.mark.requirement("AUTH-015")
def test_a_key_that_came_a_moment_ago_costs_one_request_at_most(kind, monkeypatch):
    monkeypatch.setenv("MCP_SIDECAR_ISSUER_REFRESH", "3600")
    with kit_gateway(kind) as gateway:
        published = gateway.provider.answers["/jwks"]["keys"]
        gateway.provider.answers["/jwks"] = {"keys": [*published, jwk("stranger")]}
        since = gateway.mark()
        with gateway.client(gateway.kit.token(key="stranger")) as client:
            first = execute(client, gateway)
            assert (first.status_code, first.headers["Retry-After"]) == (503, "1")
            assert gateway.posts(since) == []
            second = execute(client, gateway)
            assert second.status_code == 200, (second.text, (gateway.dev.folder / "sidecar.log").read_text()[-1500:])


@pytest.mark.requirement("AUTH-014")
def test_a_provider_that_is_away_takes_nobody_their_tokens(own_gateway):
    gateway = own_gateway
    gateway.provider.answers.clear()
    since = len(gateway.provider.asked)
    wait_for(lambda: len(gateway.provider.asked) > since + 2, lambda: gateway.provider.asked)
    with gateway.client(gateway.kit.token("ES384")) as client:
        assert execute(client, gateway).status_code == 200
        gateway.provider.publishes(gateway.kit.issuer, gateway.kit.jwks())
        assert execute(client, gateway).status_code == 200


@pytest.mark.requirement("AUTH-010")
def test_without_a_file_of_keys_nothing_passes(own_gateway):
    gateway = own_gateway
    gateway.provider.answers.clear()
    gateway.dev.sidecar.stop()
    (gateway.dev.folder / "issuer-keys").unlink()
    with gateway.client(gateway.kit.token()) as client:
        # Until a guard looks at the file again it lets calls go on, to a sidecar that is no more where there is no Lua.
        wait_for(lambda: "keys of this issuer" in execute(client, gateway).text, lambda: "it passes")
        reached = gateway.mark()
        answer = execute(client, gateway)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert gateway.posts(reached) == []
