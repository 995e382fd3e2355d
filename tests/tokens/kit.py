"""An issuer of the tests: its keys, and tokens as it, a careless one or an attacker would write them."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

ALGORITHMS = get_default_algorithms()


def b64(data):
    data = data if isinstance(data, bytes) else data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@cache
def private_keys():
    """Private keys by name: what they are for, or what is wrong with them."""
    return {
        "RS256": rsa.generate_private_key(65537, 2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "ES256-2": ec.generate_private_key(ec.SECP256R1()),
        "ES384": ec.generate_private_key(ec.SECP384R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
        "stranger": rsa.generate_private_key(65537, 2048),
        "small": rsa.generate_private_key(65537, 1024),
        "K-256": ec.generate_private_key(ec.SECP256K1()),
    }


def jwk(name, *, private=False, **more):
    """Return a key as a JWK with its name for kid."""
    key = private_keys()[name]
    of = {"ES256": "ES256", "ES384": "ES384", "EdDSA": "EdDSA", "K-256": "ES256K"}.get(name, "RS256")
    made = ALGORITHMS[of].to_jwk(key if private else key.public_key(), as_dict=True)
    made.pop("key_ops", None)
    return {**made, "kid": name, **more}


def json_of(value):
    return value if isinstance(value, str | bytes) else json.dumps(value, separators=(",", ":"))


@dataclass
class Kit:
    """What tokens are made of. `resource` is whom they are for, `at` the Unix time at which they are used, or now."""

    issuer: str = "https://idp.example"
    resource: str = "https://gateway.example/notes/mcp"
    at: float | None = None

    @property
    def now(self):
        return time.time() if self.at is None else self.at

    def jwks(self):
        return {"keys": [jwk(name) for name in ("RS256", "ES256", "ES384", "EdDSA")]}

    def claims(self, **changed):
        """Return good claims with changes; None takes one off."""
        now = int(self.now)
        good = {
            "iss": self.issuer,
            "aud": self.resource,
            "sub": "ann",
            "client_id": "agent-1",
            "jti": "t-1",
            "scope": "mcp",
            "iat": now - 10,
            "exp": now + 600,
        }
        return {name: value for name, value in (good | changed).items() if value is not None}

    def token(self, algorithm="RS256", *, key=None, header=None, claims=None, **changed):
        """Return a token. `header` changes its header, or is the text of it; `claims` is the text of the claims."""
        key = key or ("RS256" if algorithm == "PS256" else algorithm)
        said = {"alg": algorithm, "typ": "at+jwt", "kid": key}
        if not isinstance(header, str):
            header = {name: value for name, value in (said | (header or {})).items() if value is not None}
        signed = f"{b64(json_of(header))}.{b64(json_of(claims or self.claims(**changed)))}"
        signature = ALGORITHMS[algorithm].sign(signed.encode(), private_keys()[key])
        return f"{signed}.{b64(signature)}"

    def hmac_token(self, secret, algorithm="HS256", kid="RS256", **changed):
        """Return a token signed with a shared secret: the public key, say."""
        signed = (
            f"{b64(json_of({'alg': algorithm, 'typ': 'at+jwt', 'kid': kid}))}.{b64(json_of(self.claims(**changed)))}"
        )
        # PyJWT itself refuses to take a public key for a secret.
        return f"{signed}.{b64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"
