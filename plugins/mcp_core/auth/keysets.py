"""The public keys of one issuer (RFC 7517), and which of them may verify what.

A key says by its own type, curve and size which algorithm it is for, so a token cannot choose another (RFC 8725,
sections 2.1 and 3.1). Keys that are not for verifying signatures are passed over, as RFC 7517, section 5, wants of keys
that one has no use for; one that brings private members is no secret any more, and is passed over too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from mcp_core.auth.tokens import MAX_KID, decode

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
"""Asymmetric ones, all of them: with a shared secret, whoever verifies could also write tokens."""
MAX_KEYS: Final = 64
MAX_BYTES: Final = 256 * 1024
"""Bytes of a key set's document."""

_RSA_BITS: Final = (2048, 8192)
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_OF_CURVE: Final = {("EC", "P-256"): "ES256", ("EC", "P-384"): "ES384", ("OKP", "Ed25519"): "EdDSA"}
_OF_RSA: Final = ("RS256", "PS256")
_MEMBERS: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}


class KeySetError(ValueError):
    """The document is no key set; the message says why, and shows nothing of it."""


@dataclass(frozen=True, slots=True)
class Key:
    """One public key. `id` is its thumbprint (RFC 7638), `jwk` its public members alone."""

    kid: str | None
    id: bytes
    jwk: Mapping[str, str]
    _by_algorithm: Mapping[str, PyJWK] = field(repr=False)

    @property
    def algorithms(self) -> frozenset[str]:
        """What the key may be used with."""
        return frozenset(self._by_algorithm)

    def verifies(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Return whether the key made the signature, by an algorithm that it is for."""
        key = self._by_algorithm.get(algorithm)
        if key is None:
            return False
        try:
            return bool(key.Algorithm.verify(signed, key.key, signature))
        except (PyJWTError, ValueError, TypeError):
            return False


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys of one issuer. `passed_over` says of each other key why, for the log: nothing of the key stands in it."""

    keys: tuple[Key, ...]
    passed_over: tuple[str, ...] = ()

    def find(self, kid: str | None, algorithm: str) -> Key | None:
        """Return the one key that a token means, or None: also where several could be meant."""
        fit = [key for key in self.keys if algorithm in key.algorithms and (kid is None or key.kid == kid)]
        return fit[0] if len(fit) == 1 else None

    def to_values(self) -> list[dict[str, str]]:
        """Return the keys as values that `from_values` and any reader of RFC 7517 take."""
        return [{**key.jwk, **({} if key.kid is None else {"kid": key.kid})} for key in self.keys]


def read(document: Any) -> KeySet:
    """Return the usable keys of a document, given as JSON values.

    Raises:
        KeySetError: it is no key set, or has more than MAX_KEYS keys.
    """
    keys = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(keys, list):
        raise KeySetError("it is not an object with a list of keys")
    if len(keys) > MAX_KEYS:
        raise KeySetError(f"it has more than {MAX_KEYS} keys")
    return read_keys(keys)


def read_keys(keys: Iterable[Any]) -> KeySet:
    """Return the usable keys of a list of them, the same one once."""
    usable: dict[tuple[str | None, bytes], Key] = {}
    passed_over = []
    for number, jwk in enumerate(keys, 1):
        key = read_key(jwk)
        if isinstance(key, str):
            passed_over.append(f"key {number}: {key}")
        else:
            usable.setdefault((key.kid, key.id), key)
    return KeySet(tuple(usable.values()), tuple(passed_over))


def read_key(jwk: Any) -> Key | str:
    """Return a key, or why it is passed over."""
    if not isinstance(jwk, Mapping):
        return "it is no object"
    if not jwk.keys().isdisjoint(_PRIVATE):
        return "it holds private members, so it is no secret any more: have the issuer replace it"
    kid = jwk.get("kid")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= MAX_KID):
        return "its kid is no short string"
    if (problem := _unfit(jwk)) is not None:
        return problem
    algorithms = _algorithms(jwk)
    if isinstance(algorithms, str):
        return algorithms
    public = {"kty": jwk["kty"], **{name: jwk[name] for name in _MEMBERS[jwk["kty"]]}}
    try:
        made = {one: PyJWK(dict(public), algorithm=one) for one in algorithms}
    except (PyJWTError, ValueError, TypeError):
        return "its numbers are no key"
    if "n" in public and made[algorithms[0]].key.key_size not in range(_RSA_BITS[0], _RSA_BITS[1] + 1):
        return f"an RSA key has {_RSA_BITS[0]} to {_RSA_BITS[1]} bits here"
    stated = jwk.get("alg")
    jwk = public if stated is None else {**public, "alg": stated}
    return Key(kid, _thumbprint(public), jwk, made)


def _unfit(jwk: Mapping[str, Any]) -> str | None:
    """Return why a key is not for verifying signatures (RFC 7517, sections 4.2 and 4.3)."""
    if jwk.get("use", "sig") != "sig":
        return "its use is not sig"
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return "its key_ops do not name verify"
    return None


def _algorithms(jwk: Mapping[str, Any]) -> tuple[str, ...] | str:
    """Return what a key's type and curve are for, cut down to what it states itself."""
    kind = jwk.get("kty")
    members = _MEMBERS.get(kind) if isinstance(kind, str) else None
    if members is None:
        return "its kty is not RSA, EC or OKP"
    values = [jwk.get(name) for name in members]
    if not all(isinstance(value, str) and 0 < len(value) <= 2048 for value in values):
        return "a member of it is missing, or no string of a sensible length"
    if not all(decode(jwk[name]) for name in members if name != "crv"):
        return "its numbers are not base64url"
    own = _OF_RSA if kind == "RSA" else (_OF_CURVE.get((str(kind), jwk["crv"])),)
    stated = jwk.get("alg")
    fit = tuple(one for one in own if one is not None and stated in (None, one))
    return fit or "no algorithm that is taken here fits its type, curve and alg"


def _thumbprint(public: Mapping[str, str]) -> bytes:
    return hashlib.sha256(json.dumps(public, sort_keys=True, separators=(",", ":")).encode()).digest()
