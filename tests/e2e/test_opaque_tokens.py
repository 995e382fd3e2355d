"""Tokens that are no JWT, through a whole gateway: their issuer is asked, by the sidecar, while the request waits."""

import threading

import pytest

from e2e.harness import modern
from e2e.tokens import token_gateway
from servers.launch import wait_for
from tokens.kit import Kit
from tokens.provider import Provider

OPAQUE = "opaque-0123456789"


class Issuer:
    """A provider that knows some tokens, and a gateway that asks it."""

    def __init__(self, provider, gateway):
        self.provider = provider
        self.gateway = gateway
        self.tokens = {}
        provider.knows(self.tokens)

    def claims(self, **changed):
        good = {"aud": self.gateway.url, "sub": "ann", "client_id": "agent-1", "scope": "mcp"}
        return {name: value for name, value in (good | changed).items() if value is not None}

    def asked(self):
        return self.provider.asked.count("/introspect")

    def call(self, token, name="good"):
        asked = modern(name)
        with self.gateway.client(token) as client:
            return client.post(self.gateway.url, json=asked["json"], headers=asked["headers"])


@pytest.fixture(scope="module")
def issuer(kind):
    with pytest.MonkeyPatch.context() as patch:
        provider = Provider()
        patch.setenv("TESTS_SECRET", "s3cret")
        patch.setenv("MCP_SIDECAR_ISSUER_CLIENTS", f"{provider.url} gateway env:TESTS_SECRET")
        kit = Kit(issuer=provider.url)
        provider.publishes(kit.issuer, kit.jwks(), introspection_endpoint=f"{provider.url}/introspect")
        try:
            with token_gateway(
                kind, kit.issuer, kit, provider, issuers=[{"issuer": kit.issuer, "introspect": True}]
            ) as gateway:
                yield Issuer(provider, gateway)
        finally:
            provider.close()


@pytest.mark.requirement("AUTH-102")
def test_an_active_token_calls_and_its_issuer_is_asked_once(issuer):
    issuer.tokens[OPAQUE] = issuer.claims()
    before, since = issuer.asked(), issuer.gateway.mark()
    # The sidecar's socket may come a moment after its port.
    wait_for(lambda: issuer.call(OPAQUE).status_code == 200, lambda: issuer.call(OPAQUE).text)
    workers = 2
    for _ in range(6):
        assert issuer.call(OPAQUE).status_code == 200
    assert issuer.asked() - before <= workers
    for headers in issuer.gateway.posts(since):
        assert OPAQUE not in repr(headers)


@pytest.mark.requirement("AUTH-102")
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"aud": None}, "not issued for this resource"),
        ({"aud": "https://gateway.example/other/mcp"}, "not issued for this resource"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"exp": 1000}, "expired"),
        ({"exp": "never"}, "exp"),
        ({"sub": None, "client_id": None}, "sub"),
        ({"cnf": {"jkt": "x"}}, "bound"),
        ({"cnf": {"jkt": "A" * 43}}, "DPoP"),
        ({"scope": None}, "scope"),
    ],
    ids=lambda value: repr(value) if isinstance(value, dict) else None,
)
def test_an_active_token_that_is_not_for_this_opens_nothing(issuer, changed, reason):
    token = f"bad-{abs(hash(repr(changed)))}"
    issuer.tokens[token] = issuer.claims(**changed)
    since = issuer.gateway.mark()
    refused = issuer.call(token)
    assert refused.status_code in (401, 403)
    assert reason in refused.text
    assert issuer.gateway.posts(since) == []


@pytest.mark.requirement("AUTH-102")
def test_a_token_that_its_issuer_does_not_know_is_invalid(issuer):
    since = issuer.gateway.mark()
    for token in ("unknown", "a.b", "un.known.token", "a.b.c.d.e"):
        refused = issuer.call(token)
        assert refused.status_code == 401, token
        assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    assert issuer.gateway.posts(since) == []


@pytest.mark.requirement("AUTH-101")
def test_many_at_once_ask_no_more_than_each_worker_once(issuer):
    issuer.tokens["many"] = issuer.claims()
    before, statuses = issuer.asked(), []
    callers = [threading.Thread(target=lambda: statuses.append(issuer.call("many").status_code)) for _ in range(12)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert statuses == [200] * 12
    assert issuer.asked() - before <= 2


@pytest.mark.requirement("AUTH-101")
def test_an_issuer_that_is_away_is_a_refusal_that_says_so(issuer):
    since, known = issuer.gateway.mark(), issuer.provider.answers["/introspect"]
    for answer in ((500, {}, b"{}"), (401, {}, b'{"error":"invalid_client"}'), (200, {}, b'{"active":"yes"}')):
        issuer.provider.answers["/introspect"] = answer
        refused = issuer.call("while-away")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert "cannot be asked" in refused.text
    assert issuer.gateway.posts(since) == []
    issuer.provider.answers["/introspect"] = known
    issuer.tokens["while-away"] = issuer.claims()
    assert issuer.call("while-away").status_code == 200
    log = (issuer.gateway.dev.folder / "sidecar.log").read_text()
    assert "issuer not asked of a token" in log
    assert "while-away" not in log
    assert "s3cret" not in log


@pytest.mark.requirement("AUTH-101")
def test_a_sidecar_that_is_away_is_a_refusal_and_jwts_still_call(issuer, kind):
    gateway = issuer.gateway
    issuer.tokens["late"] = issuer.claims()
    gateway.dev.sidecar.stop()
    since = gateway.mark()
    refused = issuer.call("late")
    assert refused.status_code == 503
    assert gateway.posts(since) == []
    if kind == "kong":  # without Lua, calls go through the sidecar
        assert issuer.call(gateway.kit.token()).status_code == 200
