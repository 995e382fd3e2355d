"""Whatever text is brought, it is refused with a word, or it is the very token that was signed."""

import string

from hypothesis import given
from hypothesis import strategies as st

from mcp_core.auth import bearer, config, keysets, tokens
from mcp_core.auth.cache import TokenCache
from mcp_core.auth.denied import Denied
from mcp_core.auth.verify import Verifier
from tokens.kit import Kit, b64

KIT = Kit(at=1_800_000_000)
AUTH = config.read({"resource": KIT.resource, "issuers": [{"issuer": KIT.issuer}]})
KEYS = {KIT.issuer: keysets.read(KIT.jwks())}
GOOD = KIT.token("EdDSA")
LETTERS = string.ascii_letters + string.digits + "-_.~+/="


def verify(token):
    one = Verifier(AUTH.issuers, skew=AUTH.skew, cache=TokenCache(b"s" * 32), purpose=AUTH.fingerprint)
    return one.verify(token, KEYS.get, now=KIT.now)


@given(st.one_of(st.text(), st.text(LETTERS), st.lists(st.text(LETTERS), max_size=2).map("Bearer ".join)))
def test_no_header_raises(value):
    read = bearer.read({"authorization": value})
    if not isinstance(read, Denied):
        assert isinstance(verify(read), Denied)


@given(st.integers(0, len(GOOD) - 1), st.sampled_from(LETTERS))
def test_a_token_with_one_other_letter_is_another_token(at, letter):
    token = GOOD[:at] + letter + GOOD[at + 1 :]
    found = verify(token)
    assert isinstance(found, Denied) is (token != GOOD)


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=80))
def test_no_three_parts_raise(header, claims, signature):
    token = ".".join(map(b64, (header, claims, signature)))
    assert isinstance(tokens.parse(token), Denied | tokens.Unverified)
    assert isinstance(verify(token), Denied)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.sampled_from(["exp", "nbf", "iat", "aud", "iss", "sub", "scope", "scp", "cnf", "client_id", "events"]),
    json_values,
)
def test_no_value_of_a_claim_raises(name, value):
    found = verify(KIT.token("EdDSA", **{name: value}))
    assert isinstance(found, Denied) or found.principal.id == "ann" or name == "sub"


@given(json_values)
def test_no_key_set_raises_anything_but_its_own_error(document):
    for one in (document, {"keys": document}, {"keys": [document]}):
        try:
            keysets.read(one)
        except keysets.KeySetError:
            continue
