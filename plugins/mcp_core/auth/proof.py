"""That whoever brings a bound token holds what it is bound to: a key, by a DPoP proof, or a client certificate.

Each check of a proof is one step of RFC 9449, section 4.3. That a proof is used once is for the node to say: `Proof`
names what must not have been seen before. Nothing of a proof stands in any text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from mcp_core import methods
from mcp_core.auth import keysets
from mcp_core.auth.denied import INVALID_PROOF, INVALID_TOKEN, USE_NONCE, Denied
from mcp_core.auth.judge import Binding
from mcp_core.auth.tokens import decode, strict_object
from mcp_core.headers import Headers
from mcp_core.jsonrpc import Limits
from mcp_core.reasons import Reason
from mcp_core.seal import Signer, base64url

SECONDS: Final = 60
"""How far iat of a proof may be from now, unless it is configured."""
NONCE_SECONDS: Final = 300
"""How long a nonce may be used: a client needs a new one that often."""
MAX_PROOF: Final = 4096
TYPE: Final = "dpop+jwt"
_NONCE: Final = "kong-mcp dpop nonce"
_HEADER: Final = Limits(body=3072, depth=4, keys=32, values=64, digits=20)
_CLAIMS: Final = Limits(body=3072, depth=4, keys=32, values=64, digits=20)
_MAX_ID: Final = 256
_MAX_TIME: Final = 2**53
_PEM: Final = re.compile(r"\s*-----BEGIN CERTIFICATE-----\s(?P<data>[A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*")


def _denied(reason: Reason, text: str) -> Denied:
    return Denied(INVALID_PROOF, reason, text)


NOT_BOUND: Final = Denied(
    INVALID_TOKEN, Reason.TOKEN_SCHEME, "The access token is bound to no key: send it by the scheme Bearer."
)
MUST_BE_BOUND: Final = Denied(
    INVALID_TOKEN,
    Reason.TOKEN_UNBOUND,
    "This server takes tokens that are bound to a key alone: ask for one with DPoP.",
)
NOT_BEARER: Final = Denied(
    INVALID_TOKEN, Reason.TOKEN_BEARER, "The access token is bound to a key: send it by the scheme DPoP, with a proof."
)
OTHER_KEY: Final = Denied(
    INVALID_TOKEN, Reason.PROOF_KEY, "The access token is bound to another key than that of its proof."
)
NO_CERTIFICATE: Final = Denied(
    INVALID_TOKEN,
    Reason.TOKEN_CERTIFICATE,
    "The access token is bound to another client certificate than that of this connection.",
)
NO_PROOF: Final = _denied(Reason.PROOF_MISSING, "Send the header DPoP once, with a proof for this very request.")
NOT_A_PROOF: Final = _denied(Reason.PROOF_SHAPE, "The proof is no signed JWT of the type dpop+jwt.")
BAD_KEY: Final = _denied(
    Reason.PROOF_JWK, "jwk of the proof is no public key for its alg, which is one of those that the challenge names."
)
WRONG_SIGNATURE: Final = _denied(Reason.PROOF_SIGNATURE, "The signature of the proof does not hold.")
OTHER_METHOD: Final = _denied(Reason.PROOF_HTM, "htm of the proof is not the method of this request.")
OTHER_URL: Final = _denied(Reason.PROOF_HTU, "htu of the proof is not the URL of this request.")
OTHER_TIME: Final = _denied(
    Reason.PROOF_IAT, "iat of the proof is not now: make a proof for each request, and check the clock."
)
NO_ID: Final = _denied(Reason.PROOF_JTI, "jti of the proof is no short text.")
OTHER_TOKEN: Final = _denied(Reason.PROOF_ATH, "ath of the proof is not the hash of this access token.")
USED: Final = _denied(Reason.PROOF_USED, "The proof was used before: make a proof for each request.")
NEEDS_NONCE: Final = Denied(USE_NONCE, Reason.PROOF_NONCE, "Put the nonce of the header DPoP-Nonce into the proof.")


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that holds. `id` is a digest to remember it by until `until`, a Unix time in seconds."""

    id: str
    until: int


@dataclass(frozen=True, slots=True)
class ProofTarget:
    """What a proof must be for: the method, any of these URLs without query and fragment, and the access token."""

    method: str
    urls: Collection[str]
    token: str


class Proofs:
    """What one resource asks of those who bring tokens. Nonces hold on every node that shares the ring."""

    def __init__(
        self, ring: Collection[bytes], *, required: bool = False, nonces: bool = False, seconds: int = SECONDS
    ) -> None:
        """`required`: only bound tokens. `nonces`: each proof has one of ours. `seconds`: how old a proof may be."""
        self.required = required
        self._seconds = seconds
        self._nonces = nonces
        self._signer = Signer(tuple(ring), _NONCE)

    def nonce(self, now: float) -> str:
        """Return a nonce that is good from now on (section 8)."""
        return self._signer.sign(str(int(now)).encode())

    def check(self, headers: Headers, jkt: str, request: ProofTarget, *, now: float) -> Proof | Denied:
        """Return the proof of a request whose token is bound to the key with the thumbprint `jkt`.

        `now` is a Unix time in seconds.
        """
        value = headers.get(methods.PROOF_HEADER)
        if not isinstance(value, str):
            return NO_PROOF
        read = _parse(value)
        if isinstance(read, Denied):
            return read
        key, claims = read
        if base64url(key.id) != jkt:
            return OTHER_KEY
        denied = _judge(claims, request, now, self._seconds)
        if denied is not None:
            return denied
        if self._nonces and not self._is_ours(claims.get("nonce"), now):
            return NEEDS_NONCE
        used = hashlib.sha256(key.id + b"\0" + claims["jti"].encode()).hexdigest()
        return Proof(used, int(claims["iat"]) + self._seconds + 1)

    def _is_ours(self, nonce: Any, now: float) -> bool:
        said = self._signer.open(nonce) if isinstance(nonce, str) else None
        return said is not None and -self._seconds <= now - int(said) <= NONCE_SECONDS


def _parse(value: str) -> tuple[keysets.Key, dict[str, Any]] | Denied:
    """Return the key and the claims of a proof whose signature holds by that key."""
    parts = value.split(".") if len(value) <= MAX_PROOF else []
    if len(parts) != 3:
        return NOT_A_PROOF
    head, said, signature = _header(parts[0]), decode(parts[1]), decode(parts[2])
    claims = strict_object(said, _CLAIMS) if said else None
    if claims is None or not signature:
        return NOT_A_PROOF
    if isinstance(head, Denied):
        return head
    key, algorithm = head
    if not key.verifies(algorithm, value.rpartition(".")[0].encode(), signature):
        return WRONG_SIGNATURE
    return key, claims


@lru_cache(maxsize=4096)
def _header(text: str) -> tuple[keysets.Key, str] | Denied:
    """Return the key of a proof's header, and its algorithm. All proofs of a client have one and the same."""
    data = decode(text)
    header = strict_object(data, _HEADER) if data else None
    if header is None or not header.keys() <= {"typ", "alg", "jwk", "kid"}:
        return NOT_A_PROOF
    kind, algorithm = header.get("typ"), header.get("alg")
    if not isinstance(kind, str) or kind.lower() != TYPE or not isinstance(algorithm, str):
        return NOT_A_PROOF
    key = keysets.read_key(header.get("jwk"))
    return BAD_KEY if isinstance(key, str) or algorithm not in key.algorithms else (key, algorithm)


def _judge(claims: dict[str, Any], request: ProofTarget, now: float, seconds: int) -> Denied | None:
    jti, made, url = claims.get("jti"), claims.get("iat"), claims.get("htu")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_ID:
        return NO_ID
    if claims.get("htm") != request.method:
        return OTHER_METHOD
    if not isinstance(url, str) or url.partition("#")[0].partition("?")[0] not in request.urls:
        return OTHER_URL
    if not isinstance(made, int | float) or isinstance(made, bool) or not 0 <= made <= _MAX_TIME:
        return OTHER_TIME
    if abs(now - made) > seconds:
        return OTHER_TIME
    if claims.get("ath") != base64url(hashlib.sha256(request.token.encode()).digest()):
        return OTHER_TOKEN
    return None


def holds_certificate(bound: Binding, pem: str | None) -> bool:
    """Return whether a connection's client certificate, in PEM, is the one that a token is bound to (RFC 8705).

    That its key was proved is TLS's: nginx has the certificate of a finished handshake alone.
    """
    match = _PEM.fullmatch(pem) if pem else None
    if match is None:
        return False
    try:
        data = base64.b64decode("".join(match["data"].split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return base64url(hashlib.sha256(data).digest()) == bound.x5t
