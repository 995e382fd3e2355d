"""What a server gets in Authorization: a token of its own, in every era and lane, and never the agent's."""

import contextlib
import json
import threading

import pytest

from e2e.harness import call, modern
from e2e.tokens import token_gateway
from servers.launch import wait_for
from tokens.kit import Kit
from tokens.provider import Provider

pytestmark = pytest.mark.long

RESOURCE = "https://notes.internal/mcp"
OPENING = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


class Given:
    """A provider that gives tokens, and a gateway that asks it for its server."""

    def __init__(self, provider, gateway):
        self.provider = provider
        self.gateway = gateway
        self.forms = []
        self.answer = lambda number: (
            200,
            {"access_token": f"for-notes-{number}", "token_type": "Bearer", "expires_in": 600},
        )
        provider.gives(self._give)

    def _give(self, form):
        self.forms.append(form)
        return self.answer(len(self.forms))

    def token(self, **changed):
        return self.gateway.kit.token(**changed)

    def call(self, token):
        asked = modern("good")
        with self.gateway.client(token) as client:
            return client.post(self.gateway.url, json=asked["json"], headers=asked["headers"])


@contextlib.contextmanager
def giving(kind, rules=(), **grant):
    with pytest.MonkeyPatch.context() as patch:
        provider = Provider()
        patch.setenv("TESTS_SECRET", "s3cret")
        patch.setenv("MCP_SIDECAR_ISSUER_CLIENTS", f"{provider.url} gateway env:TESTS_SECRET")
        kit = Kit(issuer=provider.url)
        provider.publishes(kit.issuer, kit.jwks(), token_endpoint=f"{provider.url}/token")
        section = {"rules": list(rules), "upstream_token": {"issuer": kit.issuer, "resource": RESOURCE, **grant}}
        try:
            with token_gateway(kind, kit.issuer, kit, provider, section) as gateway:
                given = Given(provider, gateway)
                socket = gateway.dev.folder / "ask.sock"
                wait_for(socket.exists, lambda: (gateway.dev.folder / "sidecar.log").read_text()[-2000:])
                yield given
        finally:
            provider.close()


@pytest.fixture(scope="module")
def given(kind):
    with giving(kind, grant="exchange", scopes=["notes"]) as running:
        yield running


def listing():
    meta = modern("good")["json"]["params"]["_meta"]
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    return message, {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"}


@pytest.mark.requirement("AUTH-103")
def test_in_both_eras_and_lanes_the_server_gets_its_own_token_alone(given):
    token, gateway = given.token(sub="everywhere"), given.gateway
    since = gateway.mark()
    assert given.call(token).status_code == 200
    message, headers = listing()
    with gateway.client(token) as client:
        assert client.post(gateway.url, json=message, headers=headers).status_code == 200
        session = client.post(gateway.url, json=OPENING).headers["Mcp-Session-Id"]
        legacy = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
        assert client.post(gateway.url, headers=legacy, json=call("good")).status_code == 200
        assert (
            client.post(
                gateway.url, headers=legacy, json={"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
            ).status_code
            == 200
        )
    reached = gateway.posts(since)
    assert len(reached) >= 5
    for headers in reached:
        assert headers["authorization"].startswith("Bearer for-notes-")
        assert not any(part in json.dumps(headers) for part in token.split("."))


@pytest.mark.requirement("AUTH-103")
def test_the_agents_token_is_exchanged_once_for_each_principal_and_worker(given):
    token, before = given.token(sub="often"), len(given.forms)
    statuses = []
    callers = [threading.Thread(target=lambda: statuses.append(given.call(token).status_code)) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert statuses == [200] * 8
    forms = given.forms[before:]
    assert 1 <= len(forms) <= 2
    assert forms[0] == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "resource": RESOURCE,
        "scope": "notes",
    }


@pytest.mark.requirement("AUTH-103")
def test_one_principal_never_gets_anothers_token(given):
    since = given.gateway.mark()
    for changed in (
        {"sub": "bob"},
        {"sub": "eve"},
        {"sub": "eve", "scope": "mcp more"},
        {"sub": "eve", "client_id": "z"},
    ):
        assert given.call(given.token(**changed)).status_code == 200
    values = [headers["authorization"] for headers in given.gateway.posts(since)]
    assert len(set(values)) == 4


@pytest.mark.requirement("AUTH-103")
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((400, {"error": "invalid_grant"}), 403),
        ((400, {"error": "invalid_target"}), 403),
        ((401, {"error": "invalid_client"}), 503),
        ((500, {}), 503),
        ((200, {"access_token": "a b", "token_type": "Bearer"}), 503),
        ((200, {"access_token": "a\r\nX: y", "token_type": "Bearer"}), 503),
        ((200, {"access_token": "a", "token_type": "DPoP"}), 503),
        ((200, {"access_token": "a", "token_type": "Bearer", "expires_in": 0}), 503),
        (
            (
                200,
                {
                    "access_token": "a",
                    "token_type": "N_A",
                    "issued_token_type": "urn:ietf:params:oauth:token-type:saml2",
                },
            ),
            503,
        ),
        ((200, []), 503),
    ],
    ids=lambda value: str(value)[:60],
)
def test_without_a_token_of_its_own_the_server_is_not_called(given, answer, status):
    kept, given.answer = given.answer, lambda _: answer
    try:
        since = given.gateway.mark()
        token = given.token(sub=f"refused-{answer}")
        refused = given.call(token)
        message, headers = listing()
        with given.gateway.client(token) as client:
            listed = client.post(given.gateway.url, json=message, headers=headers)
    finally:
        given.answer = kept
    assert (refused.status_code, listed.status_code) == (status, status)
    assert given.gateway.posts(since) == []
    logs = "".join(path.read_text(errors="replace") for path in given.gateway.dev.folder.glob("*.log"))
    assert token not in logs
    assert "s3cret" not in logs


@pytest.mark.requirement("AUTH-107")
def test_a_server_that_acts_for_somebody_is_known_by_the_policy(kind):
    rules = [{"via": ["notes-server"], "tools": {"deny": ["good"]}}]
    with giving(kind, rules, grant="client_credentials", audience="notes") as given:
        since = given.gateway.mark()
        refused = given.call(given.token(act={"sub": "notes-server", "act": {"sub": "other"}}))
        assert "Unknown tool" in refused.text
        assert given.gateway.posts(since) == []
        # Who acted before decides nothing.
        assert given.call(given.token(act={"sub": "other", "act": {"sub": "notes-server"}})).status_code == 200
        assert given.forms[0] == {"grant_type": "client_credentials", "resource": RESOURCE, "audience": "notes"}
        assert given.call(given.token(sub="bob")).status_code == 200
        # Whoever calls, the gateway comes as itself.
        assert len(given.forms) <= 2
        for act in ("x", {}, {"sub": 7}, [], {"sub": ""}):
            assert given.call(given.token(act=act)).status_code == 401


@pytest.mark.requirement("AUTH-330")
def test_a_call_through_too_many_that_act_reaches_nobody(given):
    since, asked = given.gateway.mark(), len(given.forms)
    act = {"sub": "first"}
    for number in range(8):
        assert given.call(given.token(sub="far", act=act)).status_code == 200
        act = {"sub": f"server-{number}", "act": act}
    reached = len(given.gateway.posts(since))
    refused = given.call(given.token(sub="far", act=act))
    assert refused.status_code == 403
    assert "9 that act one for the other" in refused.json()["error"]["message"]
    assert len(given.gateway.posts(since)) == reached
    # What the provider gives for one chain is not used for another one.
    assert len(given.forms) == asked + 8
