"""Bound tokens through a whole gateway: without a fresh proof of the very request nothing reaches a server."""

import threading

import pytest

from e2e.harness import modern
from e2e.tokens import kit_gateway
from servers.launch import wait_for
from tokens.proofs import ROWS, bound, proof

pytestmark = pytest.mark.long


def send(gateway, authorization, proofs, url=None):
    asked = modern("good")
    with gateway.client() as client:
        headers = [*asked["headers"].items(), ("Authorization", authorization), *(("DPoP", one) for one in proofs)]
        headers += [(name, value) for name, value in client.headers.items() if name in ("accept", "content-type")]
        return client.post(url or gateway.url, json=asked["json"], headers=headers)


def call(gateway, token, **changed):
    return send(gateway, f"DPoP {token}", [proof(gateway.kit, token, **changed)])


@pytest.fixture(scope="module")
def gateway(kind):
    with kit_gateway(kind) as running:
        token = bound(running.kit)
        # The sidecar's socket may come a moment after its port.
        wait_for(lambda: call(running, token).status_code == 200, lambda: call(running, token).text)
        yield running


@pytest.mark.requirement("AUTH-104")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_attack_on_a_proof_reaches_a_server(gateway, row):
    since = gateway.mark()
    authorization, proofs = row.make(gateway.kit, bound(gateway.kit))
    refused = send(gateway, authorization, proofs)
    assert refused.status_code == 401
    said = refused.headers["WWW-Authenticate"]
    assert said.startswith("Bearer " if row.reason == "token-scheme" else "DPoP ")
    assert row.reason == "token-scheme" or 'algs="RS256 PS256 ES256 ES384 EdDSA"' in said
    assert gateway.posts(since) == []


@pytest.mark.requirement("AUTH-105")
def test_a_proof_opens_one_request_whichever_worker_gets_it(gateway):
    token = bound(gateway.kit)
    for _ in range(3):
        used, since = proof(gateway.kit, token), gateway.mark()
        statuses = []

        def bring(used=used, statuses=statuses):
            statuses.append(send(gateway, f"DPoP {token}", [used]).status_code)

        callers = [threading.Thread(target=bring) for _ in range(8)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert sorted(statuses) == [200] + [401] * 7
        assert len(gateway.posts(since)) == 1
    assert "used before" in send(gateway, f"DPoP {token}", [used]).text


@pytest.mark.requirement("AUTH-104")
def test_neither_token_nor_proof_reaches_the_server(gateway):
    token, since = bound(gateway.kit), gateway.mark()
    shown = proof(gateway.kit, token)
    assert send(gateway, f"DPoP {token}", [shown]).status_code == 200
    (headers,) = gateway.posts(since)
    assert not {"authorization", "dpop"} & headers.keys()
    logs = "".join(path.read_text(errors="replace") for path in gateway.dev.folder.glob("*.log"))
    assert shown not in logs
    assert token not in logs


@pytest.mark.requirement("AUTH-106")
def test_a_token_that_is_bound_to_a_certificate_opens_nothing_without_it(gateway):
    since = gateway.mark()
    token = gateway.kit.token(cnf={"x5t#S256": "A" * 43})
    refused = send(gateway, f"Bearer {token}", [])
    assert refused.status_code == 401
    assert "client certificate" in refused.text
    assert gateway.posts(since) == []


@pytest.mark.requirement("AUTH-105")
def test_where_nobody_can_tell_whether_a_proof_was_used_nothing_passes(gateway):
    token = bound(gateway.kit)
    gateway.dev.sidecar.stop()
    since = gateway.mark()
    refused = call(gateway, token)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert gateway.posts(since) == []


@pytest.mark.requirement("AUTH-104")
def test_a_server_that_demands_proofs_and_nonces_says_so_and_takes_its_own(kind):
    with kit_gateway(kind, dpop={"required": True, "nonces": True}) as gateway:
        kit, token = gateway.kit, bound(gateway.kit)
        since = gateway.mark()
        first = send(gateway, f"Bearer {kit.token()}", [])
        assert first.status_code == 401
        assert first.headers["WWW-Authenticate"].startswith("DPoP ")
        without = call(gateway, token)
        assert 'error="use_dpop_nonce"' in without.headers["WWW-Authenticate"]
        assert gateway.posts(since) == []
        nonce = without.headers["DPoP-Nonce"]
        wait_for(
            lambda: call(gateway, token, nonce=nonce).status_code == 200, lambda: call(gateway, token, nonce=nonce).text
        )
        with gateway.client() as client:
            said = client.get(gateway.url.replace("/notes", "/.well-known/oauth-protected-resource/notes")).json()
        assert said["dpop_bound_access_tokens_required"] is True
        assert "ES256" in said["dpop_signing_alg_values_supported"]
