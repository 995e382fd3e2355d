"""Every row of the table is refused by the core, with the right word, and nothing of the token is told."""

import pytest

from mcp_core.auth import bearer, config, keysets, proof
from mcp_core.auth.cache import KnownToken, TokenCache
from mcp_core.auth.denied import Denied, challenge
from mcp_core.auth.scopes import TOO_NARROW
from mcp_core.auth.verify import Verifier
from mcp_core.principal import TOKEN, Principal
from tokens.attacks import ROWS
from tokens.kit import Kit

KIT = Kit(at=1_800_000_000)
SECTION = {"resource": KIT.resource, "issuers": [{"issuer": KIT.issuer}], "required_scopes": ["mcp"]}
AUTH = config.read(SECTION)
KEYS = {KIT.issuer: keysets.read(KIT.jwks())}


def verifier(auth=AUTH):
    return Verifier(auth.issuers, skew=auth.skew, cache=TokenCache(b"s" * 32), purpose=auth.fingerprint)


def ask(values, query="", auth=AUTH):
    """Return what a request with these values of Authorization is taken for."""
    headers = {} if not values else {"authorization": values[0] if len(values) == 1 else values}
    token = bearer.read(headers)
    if isinstance(token, Denied):
        return bearer.IN_QUERY if token is bearer.NO_TOKEN and bearer.in_query(query.removeprefix("?")) else token
    known = verifier(auth).verify(token, KEYS.get, now=KIT.now)
    if isinstance(known, KnownToken) and bool(known.bound and known.bound.jkt) != bearer.is_dpop(headers):
        return proof.NOT_BOUND if bearer.is_dpop(headers) else proof.NOT_BEARER
    principal = known.principal if isinstance(known, KnownToken) else known
    if isinstance(principal, Principal) and not auth.scopes.lets_in(auth.scopes.granted(principal.scopes)):
        return TOO_NARROW
    return principal


def test_the_table_is_long_enough_and_says_nothing_twice():
    assert len(ROWS) >= 60
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.requirement("AUTH-002")
@pytest.mark.requirement("AUTH-003")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_attack_makes_a_principal(row):
    values, query = row.sent(KIT)
    denied = ask(values, query)
    assert isinstance(denied, Denied)
    refusal = challenge(denied, AUTH.metadata_url, AUTH.scopes.required)
    assert (refusal.http_status(), refusal.reason) == (row.status, row.reason)
    said = refusal.headers["WWW-Authenticate"]
    assert said.startswith("Bearer ")
    assert f'resource_metadata="{AUTH.metadata_url}"' in said
    assert 'scope="mcp"' in said
    told = said + refusal.body().decode() + repr(refusal)
    assert said.isascii()
    assert not any(len(part) > 8 and part in told for value in values for part in value.split(" ")[-1].split("."))


def test_two_headers_are_refused_also_where_both_tokens_are_good():
    refused = ask([f"Bearer {KIT.token()}", f"Bearer {KIT.token()}"])
    assert (refused.error, refused.reason) == ("invalid_request", "token-repeated")


def test_a_token_longer_than_a_header_is_refused_before_it_is_looked_at():
    assert ask([f"Bearer {'a' * 16_384}"]).reason == "token-too-long"


@pytest.mark.requirement("AUTH-003")
@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "EdDSA"])
@pytest.mark.parametrize("kid", [True, False], ids=["kid", "no kid"])
def test_a_good_token_makes_a_principal_by_every_algorithm(algorithm, kid):
    token = KIT.token(algorithm, header={} if kid else {"kid": None})
    expected = Principal(TOKEN, "ann", KIT.issuer, frozenset(), frozenset({"mcp"}), "agent-1")
    assert ask([f"Bearer {token}"]) == expected
    assert ask([f"bearer   {token}"]) == expected


@pytest.mark.parametrize("typ", ["AT+JWT", "application/at+jwt"])
def test_a_type_is_read_as_media_types_are(typ):
    assert ask([f"Bearer {KIT.token(header={'typ': typ})}"]).id == "ann"


@pytest.mark.parametrize(
    ("types", "typ", "taken"), [("JWT", "JWT", True), ("JWT", None, False), ("untyped", None, True)]
)
def test_other_types_are_taken_where_they_are_asked_for(types, typ, taken):
    auth = config.read({**SECTION, "issuers": [{"issuer": KIT.issuer, "types": [types]}]})
    assert isinstance(ask([f"Bearer {KIT.token(header={'typ': typ})}"], auth=auth), Principal) is taken
    assert isinstance(ask([f"Bearer {KIT.token()}"], auth=auth), Denied)


def test_an_audience_may_be_one_of_several_unless_that_is_not_wanted():
    token = KIT.token(aud=["https://other.example", KIT.resource])
    assert ask([f"Bearer {token}"]).id == "ann"
    only = config.read({**SECTION, "issuers": [{"issuer": KIT.issuer, "audience_only": True}]})
    assert ask([f"Bearer {token}"], auth=only).reason == "token-audience"
    assert ask([f"Bearer {KIT.token(aud=[KIT.resource])}"], auth=only).id == "ann"


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "mcp a:b  c"}, {"mcp", "a:b", "c"}),
        ({"scope": ["mcp", "c"]}, {"mcp", "c"}),
        ({"scope": None, "scp": "mcp c"}, {"mcp", "c"}),
        ({"scope": None, "scp": ["mcp"]}, {"mcp"}),
        ({"scope": "mcp c", "scp": ["c", "mcp"]}, {"mcp", "c"}),
    ],
)
def test_scopes_are_read_in_all_forms_that_issuers_write(claims, scopes):
    assert ask([f"Bearer {KIT.token(**claims)}"]).scopes == scopes


def grouped(path, **claims):
    auth = config.read({**SECTION, "issuers": [{"issuer": KIT.issuer, "groups_claim": path}]})
    return ask([f"Bearer {KIT.token(**claims)}"], auth=auth)


def test_groups_are_read_from_the_claim_that_is_configured_and_from_no_other():
    assert grouped(["groups"], groups=["a", "b"]).groups == {"a", "b"}
    assert grouped(["realm_access", "roles"], realm_access={"roles": ["a"]}, groups=["b"]).groups == {"a"}
    assert grouped(["https://x.example/groups"], **{"https://x.example/groups": "a"}).groups == {"a"}
    assert grouped(["groups"]).groups == frozenset()
    assert ask([f"Bearer {KIT.token(groups=['a'])}"]).groups == frozenset()


@pytest.mark.parametrize("value", [7, {"a": 1}, ["a", 7], [["a"]], [""], ["g"] * 1001])
def test_groups_that_cannot_be_read_make_the_token_bad(value):
    assert grouped(["groups"], groups=value).reason == "token-groups"


def test_skew_forgives_clocks_and_nothing_beyond_it():
    now = int(KIT.now)
    assert ask([f"Bearer {KIT.token(exp=now - config.SKEW + 1)}"]).id == "ann"
    assert ask([f"Bearer {KIT.token(exp=now - config.SKEW)}"]).reason == "token-expired"
    assert ask([f"Bearer {KIT.token(nbf=now + config.SKEW)}"]).id == "ann"
    assert ask([f"Bearer {KIT.token(nbf=now + config.SKEW + 1)}"]).reason == "token-early"


def chain(number):
    """Return a claim act of so many, one for the other."""
    act = {"sub": "first"}
    for at in range(number - 1):
        act = {"sub": f"server-{at}", "act": act}
    return act


@pytest.mark.requirement("AUTH-330")
@pytest.mark.parametrize("number", [1, 2, 12])
def test_all_who_act_are_counted_and_the_last_is_named(number):
    found = ask([f"Bearer {KIT.token(act=chain(number))}"])
    assert (found.via, found.actors) == (chain(number)["sub"], number)


@pytest.mark.requirement("AUTH-330")
@pytest.mark.parametrize("inner", ["text", None, 7, [], {"iss": "x"}], ids=repr)
def test_one_further_in_counts_whatever_it_is(inner):
    assert ask([f"Bearer {KIT.token(act={'sub': 'first', 'act': inner})}"]).actors == 2


def test_nobody_acts_in_a_token_without_the_claim():
    found = ask([f"Bearer {KIT.token()}"])
    assert (found.via, found.actors) == ("", 0)
