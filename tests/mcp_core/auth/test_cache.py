"""Tokens that were verified before are looked up, for as long as they and their keys are good."""

import tracemalloc

import pytest

from mcp_core.auth import config, keysets
from mcp_core.auth.cache import TokenCache
from mcp_core.auth.denied import KeysMissing
from mcp_core.auth.judge import Verified
from mcp_core.auth.keysets import Key
from mcp_core.auth.verify import Verifier
from mcp_core.principal import TOKEN, Principal
from tokens.kit import Kit, jwk

KIT = Kit(at=1_800_000_000)
AUTH = config.read({"resource": KIT.resource, "issuers": [{"issuer": KIT.issuer}]})
KEYS = keysets.read(KIT.jwks())
NO_RSA = keysets.read({"keys": [jwk("ES256")]})


@pytest.fixture
def verified(monkeypatch):
    """How often a signature was verified."""
    count = []
    verifies = Key.verifies
    monkeypatch.setattr(Key, "verifies", lambda *what: count.append(1) or verifies(*what))
    return count


def verifier(cache, auth=AUTH):
    return Verifier(auth.issuers, skew=auth.skew, cache=cache, purpose=auth.fingerprint)


@pytest.mark.requirement("AUTH-008")
def test_a_token_is_verified_once_until_it_expires(verified):
    cache = TokenCache(b"s" * 32)
    one, token = verifier(cache), KIT.token()
    for now in (KIT.now, KIT.now + 1, KIT.now + 600 + config.SKEW - 1):
        assert one.verify(token, {KIT.issuer: KEYS}.get, now=now).principal.id == "ann"
    assert len(verified) == 1
    assert one.verify(token, {KIT.issuer: KEYS}.get, now=KIT.now + 600 + config.SKEW).reason == "token-expired"
    assert len(cache) == 0


@pytest.mark.requirement("AUTH-008")
def test_a_token_is_not_believed_when_its_key_is_gone(verified):
    one, token = verifier(TokenCache(b"s" * 32)), KIT.token()
    assert one.verify(token, {KIT.issuer: KEYS}.get, now=KIT.now).principal.id == "ann"
    assert one.verify(token, {KIT.issuer: NO_RSA}.get, now=KIT.now).reason == "token-unknown-key"
    assert one.verify(token, {}.get, now=KIT.now) == KeysMissing()
    assert one.verify(token, {KIT.issuer: KEYS}.get, now=KIT.now).principal.id == "ann"
    assert len(verified) == 2


def test_a_token_is_not_believed_when_no_key_of_its_issuer_was_ever_there():
    assert verifier(TokenCache(b"s" * 32)).verify(KIT.token(), {}.get, now=KIT.now) == KeysMissing()


@pytest.mark.requirement("AUTH-008")
def test_what_one_resource_verified_says_nothing_to_another():
    cache = TokenCache(b"s" * 32)
    other = config.read({"resource": "https://gateway.example/other/mcp", "issuers": [{"issuer": KIT.issuer}]})
    assert verifier(cache).verify(KIT.token(), {KIT.issuer: KEYS}.get, now=KIT.now).principal.id == "ann"
    assert verifier(cache, other).verify(KIT.token(), {KIT.issuer: KEYS}.get, now=KIT.now).reason == "token-audience"


def test_bad_tokens_take_no_room():
    cache = TokenCache(b"s" * 32)
    one = verifier(cache)
    for number in range(20):
        one.verify(
            KIT.token(key="stranger", header={"kid": "RS256"}, jti=str(number)), {KIT.issuer: KEYS}.get, now=KIT.now
        )
    assert len(cache) == 0


def test_the_oldest_are_given_up_when_it_is_full(verified):
    one = verifier(TokenCache(b"s" * 32, most=2))
    tokens = [KIT.token("ES256", jti=str(number)) for number in range(3)]
    for token in (*tokens, tokens[2], tokens[1], tokens[0]):
        assert one.verify(token, {KIT.issuer: KEYS}.get, now=KIT.now).principal.id == "ann"
    assert len(verified) == 4


@pytest.mark.requirement("AUTH-008")
def test_nothing_of_a_token_is_kept_or_shown():
    cache = TokenCache(b"s" * 32)
    token = KIT.token()
    verifier(cache).verify(token, {KIT.issuer: KEYS}.get, now=KIT.now)
    kept = repr(vars(cache))
    assert not any(part in kept for part in token.split("."))
    assert cache.digest(b"p", token) != TokenCache(b"t" * 32).digest(b"p", token)


@pytest.mark.requirement("AUTH-008")
def test_a_hundred_thousand_tokens_take_less_than_a_hundred_megabytes():
    tracemalloc.start()
    try:
        cache, key = TokenCache(b"s" * 32), bytes(32)
        for number in range(100_001):
            # Texts and sets of their own, as reading a token makes them.
            groups, scopes = frozenset([f"g{number % 50}", "all"]), frozenset(f"mcp notes:{number % 50}".split())
            who = Principal(
                TOKEN, f"user-{number}-0123456789abcdef", KIT.issuer, groups, scopes, f"client-{number % 50}"
            )
            cache.put(cache.digest(b"p" * 32, f"token-{number}"), Verified(who, 1.8e9 + number), key)
        assert len(cache) == 100_000
        assert tracemalloc.get_traced_memory()[0] < 100_000_000
    finally:
        tracemalloc.stop()
