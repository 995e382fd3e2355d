"""Proofs of possession (RFC 9449), good ones, and the table of attacks on them."""

import hashlib
import secrets
from dataclasses import dataclass

from tokens.kit import ALGORITHMS, b64, json_of, jwk, private_keys

ROWS = []
KEY = "ES256"
OTHER = "ES384"


def thumbprint(name=KEY):
    """Return the SHA-256 thumbprint of a public key (RFC 7638)."""
    public = {one: value for one, value in jwk(name).items() if one != "kid"}
    return b64(hashlib.sha256(json_of(dict(sorted(public.items()))).encode()).digest())


def public(name=KEY):
    return {one: value for one, value in jwk(name).items() if one != "kid"}


def proof(kit, token, *, key=KEY, method="POST", url=None, header=None, signer=None, **changed):
    """Return a proof for a token, with changes of its claims; None takes one off. `header` changes its header."""
    algorithm = {"stranger": "RS256", "small": "RS256"}.get(key, key)
    said = {"typ": "dpop+jwt", "alg": algorithm, "jwk": public(key)} | (header or {})
    claims = {
        "jti": secrets.token_hex(8),
        "htm": method,
        "htu": url or kit.resource,
        "iat": int(kit.now),
        "ath": b64(hashlib.sha256(token.encode()).digest()),
    } | changed
    parts = [{name: value for name, value in one.items() if value is not None} for one in (said, claims)]
    signed = ".".join(b64(json_of(part)) for part in parts)
    return f"{signed}.{b64(ALGORITHMS[algorithm].sign(signed.encode(), private_keys()[signer or key]))}"


def bound(kit, **changed):
    """Return a token that is bound to KEY."""
    return kit.token(cnf={"jkt": thumbprint()}, **changed)


@dataclass
class Attack:
    """`make(kit, token)` returns (value of Authorization, values of DPoP) for a bound token."""

    name: str
    reason: str
    make: object


def row(name, reason, make):
    ROWS.append(Attack(name, reason, make))


def of(name, reason, **changed):
    """A proof that is wrong in one thing."""
    row(name, reason, lambda kit, token: (f"DPoP {token}", [proof(kit, token, **changed)]))


def made(name, reason, change):
    """What is no proof, made of a good one."""
    row(name, reason, lambda kit, token: (f"DPoP {token}", [change(kit, token, proof(kit, token))]))


def doubled(kit, token, good):
    """Return a proof whose claims say htm twice, the good value last, signed by its key."""
    header, _, _ = good.split(".")
    claims = json_of(
        {"htu": kit.resource, "iat": int(kit.now), "jti": "j", "ath": b64(hashlib.sha256(token.encode()).digest())}
    )
    text = claims[:-1] + ',"htm":"GET","htm":"POST"}'
    signed = f"{header}.{b64(text)}"
    return f"{signed}.{b64(ALGORITHMS[KEY].sign(signed.encode(), private_keys()[KEY]))}"


row("a bound token as a bearer's", "token-bearer", lambda _kit, token: (f"Bearer {token}", []))
row("a bearer's with a good proof", "token-bearer", lambda kit, token: (f"Bearer {token}", [proof(kit, token)]))
row("no proof", "proof-missing", lambda _kit, token: (f"DPoP {token}", []))
row("two proofs", "proof-missing", lambda kit, token: (f"DPoP {token}", [proof(kit, token), proof(kit, token)]))
row(
    "a token that is bound to nothing",
    "token-scheme",
    lambda kit, _: (f"DPoP {kit.token()}", [proof(kit, kit.token())]),
)
made("an empty proof", "proof-shape", lambda *_: "x")
made("two parts", "proof-shape", lambda _kit, _token, good: good.rpartition(".")[0])
made("a proof of 5,000 characters", "proof-shape", lambda kit, token, _: proof(kit, token, more="a" * 5000))
made("a signature with padding", "proof-shape", lambda _kit, _token, good: good + "=")
made("claims that stand twice", "proof-shape", doubled)
of("typ JWT", "proof-shape", header={"typ": "JWT"})
of("typ of an access token", "proof-shape", header={"typ": "at+jwt"})
of("no typ", "proof-shape", header={"typ": None})
of("an extension that is critical", "proof-shape", header={"crit": ["x"], "x": 1})
of("a key that is elsewhere", "proof-shape", header={"jku": "https://evil.example/keys"})
of("no algorithm", "proof-shape", header={"alg": None})
of("the algorithm none", "proof-jwk", header={"alg": "none"})
of("a shared secret", "proof-jwk", header={"alg": "HS256"})
of("an algorithm of another kind of key", "proof-jwk", header={"alg": "RS256"})
of("no key", "proof-jwk", header={"jwk": None})
of("a key that brings its private part", "proof-jwk", header={"jwk": jwk(KEY, private=True)})
of("a key that is a secret", "proof-jwk", header={"jwk": {"kty": "oct", "k": "c2VjcmV0"}})
of("a key for encryption", "proof-jwk", header={"jwk": {**public(), "use": "enc"}})
of("signed by another key than it brings", "proof-signature", header={"jwk": public()}, key=KEY, signer="ES256-2")
of("another key than the token's", "proof-key", key=OTHER)
of("another method", "proof-htm", method="GET")
of("a method in small letters", "proof-htm", method="post")
of("no method", "proof-htm", htm=None)
of("another server", "proof-htu", url="https://evil.example/notes/mcp")
of("another path", "proof-htu", url="https://gateway.example/other/mcp")
of("no URL", "proof-htu", htu=None)
of("URLs in a list", "proof-htu", htu=["https://gateway.example/notes/mcp"])
of("an hour ago", "proof-iat", iat=1_000_000_000)
of("in a hundred years", "proof-iat", iat=5_000_000_000)
of("no time", "proof-iat", iat=None)
of("a time that is text", "proof-iat", iat="now")
of("a time that is true", "proof-iat", iat=True)
of("for another token", "proof-ath", ath=b64(hashlib.sha256(b"another").digest()))
of("for no token", "proof-ath", ath=None)
of("no jti", "proof-jti", jti=None)
of("an empty jti", "proof-jti", jti="")
of("a jti that is a number", "proof-jti", jti=7)
of("a jti of 300 characters", "proof-jti", jti="j" * 300)
