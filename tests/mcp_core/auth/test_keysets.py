import pytest

from mcp_core.auth import keysets
from mcp_core.auth.keysets import KeySetError
from tokens.kit import b64, jwk, private_keys


@pytest.mark.requirement("AUTH-004")
@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("text", "object"),
        (7, "object"),
        ({}, "kty"),
        ({"kty": "oct", "k": "c2VjcmV0"}, "private"),
        ({"kty": ["RSA"]}, "kty"),
        (jwk("RS256", private=True), "private"),
        (jwk("ES256", private=True), "private"),
        (jwk("EdDSA", private=True), "private"),
        (jwk("RS256", d="AA"), "private"),
        (jwk("RS256", use="enc"), "use"),
        (jwk("RS256", use=None), "use"),
        (jwk("RS256", key_ops=["sign"]), "key_ops"),
        (jwk("RS256", key_ops="verify"), "key_ops"),
        (jwk("RS256", alg="RS512"), "algorithm"),
        (jwk("RS256", alg="HS256"), "algorithm"),
        (jwk("RS256", alg="ES256"), "algorithm"),
        (jwk("ES256", alg="ES384"), "algorithm"),
        (jwk("ES256", crv="P-384"), "numbers"),
        (jwk("K-256"), "algorithm"),
        (jwk("ES256", crv="P-521"), "algorithm"),
        (jwk("EdDSA", crv="Ed448"), "algorithm"),
        (jwk("EdDSA", crv="X25519"), "algorithm"),
        (jwk("small"), "bits"),
        (jwk("RS256", n=b64(b"\xff" * 1100)), "bits"),
        (jwk("RS256", n=b64(b"\xff" * 8000)), "length"),
        (jwk("RS256", e="AA"), "numbers"),
        (jwk("RS256", n="?!"), "base64url"),
        (jwk("RS256", n=None), "missing"),
        (jwk("ES256", y=b64(b"\x01" * 32)), "numbers"),
        (jwk("EdDSA", x=b64(b"\x01" * 31)), "numbers"),
        (jwk("RS256", kid=7), "kid"),
        (jwk("RS256", kid=""), "kid"),
        (jwk("RS256", kid="k" * 257), "kid"),
    ],
)
def test_a_key_that_is_not_for_verifying_is_passed_over_with_a_word_of_why(key, why):
    keys = keysets.read({"keys": [key, jwk("ES384")]})
    assert [one.kid for one in keys.keys] == ["ES384"]
    (told,) = keys.passed_over
    assert why in told
    assert not isinstance(key, dict) or not any(len(str(value)) > 12 and str(value) in told for value in key.values())


@pytest.mark.requirement("AUTH-004")
@pytest.mark.parametrize("document", [None, [], "keys", {}, {"keys": {}}, {"keys": None}, {"keys": [{}] * 65}])
def test_what_is_no_key_set_of_a_sensible_size_is_refused(document):
    with pytest.raises(KeySetError):
        keysets.read(document)


def test_a_key_says_what_it_is_for():
    keys = keysets.read(
        {"keys": [jwk("RS256"), jwk("ES256"), jwk("ES384"), jwk("EdDSA"), jwk("stranger", alg="PS256")]}
    )
    assert {key.kid: set(key.algorithms) for key in keys.keys} == {
        "RS256": {"RS256", "PS256"},
        "ES256": {"ES256"},
        "ES384": {"ES384"},
        "EdDSA": {"EdDSA"},
        "stranger": {"PS256"},
    }
    assert not keys.passed_over


def test_the_key_that_is_found_is_the_only_one_that_could_be_meant():
    keys = keysets.read({"keys": [jwk("RS256"), jwk("RS256"), jwk("ES256"), jwk("stranger", kid="RS256", alg="PS256")]})
    assert keys.find("RS256", "RS256").id == keysets.read({"keys": [jwk("RS256")]}).keys[0].id
    assert keys.find("RS256", "PS256") is None
    assert keys.find("ES256", "RS256") is None
    assert keys.find(None, "ES256").kid == "ES256"
    assert keys.find(None, "PS256") is None


def test_keys_travel_as_public_members_alone_and_mean_the_same():
    keys = keysets.read({"keys": [jwk("RS256", use="sig", x5c=["MIIB"]), jwk("ES256", alg="ES256")]})
    again = keysets.read({"keys": keys.to_values()})
    assert [(key.kid, key.id, key.algorithms) for key in again.keys] == [
        (key.kid, key.id, key.algorithms) for key in keys.keys
    ]
    assert set(keys.to_values()[0]) == {"kty", "n", "e", "kid"}


def test_the_tests_own_weak_key_is_weak():
    assert private_keys()["small"].key_size == 1024
