"""The guard where the sidecar is asked while a request waits: what it asks, and what comes of the answers."""

import hashlib
import secrets
import ssl
import time

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from kong_side import CONFIG, KEY
from token_side import KIT, ask, bearer, challenge_of, guard, write

from mcp_core.auth.asks import Asks
from mcp_kong.guard import Guard
from mcp_kong.keyfiles import ISSUER_KEYS_VARIABLE
from mcp_kong.settings_error import SettingsError
from tokens.kit import b64

SOCKET = "/run/kong-mcp/ask.sock"


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch):
    path = tmp_path / "issuer-keys"
    monkeypatch.setenv(ISSUER_KEYS_VARIABLE, str(path))
    write(path)
    return path


@pytest.mark.requirement("AUTH-106")
def test_a_token_that_is_bound_to_a_certificate_is_taken_with_it_alone():
    pem = ssl.DER_cert_to_PEM_cert(b"a certificate")
    token = bearer(cnf={"x5t#S256": b64(hashlib.sha256(b"a certificate").digest())})
    one = guard()
    assert ask(one, token, certificate=pem).exit is None
    for other in (None, "", ssl.DER_cert_to_PEM_cert(b"another")):
        status, said = challenge_of(ask(one, token, certificate=other))
        assert status == 401
        assert "client certificate" in said


@pytest.mark.requirement("AUTH-101")
@pytest.mark.parametrize(
    "more", [{"dpop": {"nonces": True}}, {"issuers": [{"issuer": KIT.issuer, "introspect": True}]}]
)
def test_what_needs_the_sidecar_keeps_the_guard_from_starting_without_a_socket(more, monkeypatch):
    with pytest.raises(SettingsError, match="KONG_MCP_ASK_SOCKET"):
        guard(more)
    monkeypatch.setenv("KONG_MCP_ASK_SOCKET", SOCKET)
    guard(more)


@pytest.mark.requirement("AUTH-103")
@pytest.mark.parametrize(
    ("section", "word"),
    [
        ({"grant": "password"}, "grant"),
        ({"grant": "exchange"}, "issuer"),
        ({"grant": "exchange", "issuer": KIT.issuer}, "resource"),
        ({"grant": "exchange", "issuer": "http://idp.example", "audience": "notes"}, "issuer"),
        ({"grant": "client_credentials", "issuer": KIT.issuer, "audience": "notes", "actor": True}, "actor"),
        ({"grant": "exchange", "issuer": KIT.issuer, "audience": "notes", "more": 1}, "more"),
        ({"grant": "exchange", "issuer": KIT.issuer, "audience": "notes", "scopes": ["a b"]}, "scope"),
    ],
)
def test_a_token_for_a_server_that_nobody_could_get_keeps_the_guard_from_starting(section, word, monkeypatch):
    monkeypatch.setenv("KONG_MCP_ASK_SOCKET", SOCKET)
    with pytest.raises(SettingsError, match=f"config.upstream_token.*{word}"):
        guard(upstream_token=section)


@pytest.mark.requirement("AUTH-103")
def test_an_exchange_needs_tokens_and_a_token_for_a_server_a_socket(monkeypatch):
    section = {"grant": "exchange", "issuer": KIT.issuer, "audience": "notes"}
    with pytest.raises(SettingsError, match="KONG_MCP_ASK_SOCKET"):
        guard(upstream_token=section)
    monkeypatch.setenv("KONG_MCP_ASK_SOCKET", SOCKET)
    with pytest.raises(SettingsError, match=r"config\.auth"):
        Guard(CONFIG | {"upstream_token": section})


@pytest.mark.requirement("AUTH-103")
def test_a_token_is_made_anew_in_time_and_the_old_one_serves_meanwhile(monkeypatch):
    monkeypatch.setenv("KONG_MCP_ASK_SOCKET", SOCKET)
    now, answers, asked = [time.time()], [], []
    monkeypatch.setattr("mcp_kong.settings.time.time", lambda: now[0])
    sealed = Asks((KEY,), AESGCM, InvalidTag)

    def sidecar(path, key, question, read, _seconds):
        values, nonce = sealed.read_question(question, now=now[0])
        asked.append((path, key, values["ask"]))
        return read(sealed.answer(answers.pop(0), nonce, secrets.token_bytes(12))) if answers else None

    section = {"grant": "client_credentials", "issuer": KIT.issuer, "audience": secrets.token_hex(8)}
    one, token = guard(upstream_token=section), bearer(exp=int(now[0]) + 3000)

    def sent():
        return ask(one, token, sidecar=sidecar).next_hop.get("authorization")

    answers.append({"state": "said", "token": "first", "seconds": 100})
    assert [sent(), sent()] == ["Bearer first"] * 2
    now[0] += 76
    assert [sent(), sent()] == ["Bearer first"] * 2
    assert len(asked) == 2, "the provider is away: it is asked once, and not by everybody"
    now[0] += 6
    answers.append({"state": "said", "token": "second", "seconds": 100})
    assert sent() == "Bearer second"
    now[0] += 101
    side = ask(one, token, sidecar=sidecar)
    assert (side.exit[0], side.upstream) == (503, None)
