"""One token verified, step by step (RFC 9068, section 4): who it speaks of, or why it is not believed.

What must come from outside, the keys of an issuer, is given as values: nothing here asks anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from mcp_core.auth import tokens
from mcp_core.auth.cache import KnownToken, TokenCache
from mcp_core.auth.denied import INVALID_TOKEN, Denied, KeysMissing
from mcp_core.auth.judge import WRONG_ISSUER, Expected, Verified, judge, judge_introspected
from mcp_core.auth.keysets import KeySet
from mcp_core.reasons import Reason

FindKeys: TypeAlias = Callable[[str], KeySet | None]
"""Returns the keys of an issuer at this moment, or None where the node has none."""

WRONG_ALGORITHM: Final = Denied(
    INVALID_TOKEN,
    Reason.TOKEN_ALGORITHM,
    "The access token is not signed by an algorithm that is taken from its issuer.",
)
UNKNOWN_KEY: Final = Denied(
    INVALID_TOKEN, Reason.TOKEN_UNKNOWN_KEY, "The access token is signed by no key that its issuer is known to have."
)
WRONG_SIGNATURE: Final = Denied(
    INVALID_TOKEN, Reason.TOKEN_SIGNATURE, "The signature of the access token does not hold."
)


class Verifier:
    """Verifies the tokens of one resource. `purpose` tells its entries in the cache from those of other resources."""

    def __init__(self, issuers: Mapping[str, Expected], *, skew: float, cache: TokenCache, purpose: bytes) -> None:
        self._issuers = issuers
        self._skew = skew
        self._cache = cache
        self._purpose = purpose

    def verify(self, token: str, keys: FindKeys, *, now: float) -> KnownToken | Denied | KeysMissing:
        """Return who a token speaks of, and what it is bound to. `now` is a Unix time in seconds.

        A token that was verified before is only looked up, and is believed for as long as it is valid and the key that
        signed it is one of its issuer's.
        """
        digest = self._cache.digest(self._purpose, token)
        known = self._cache.get(digest, now=now)
        if known is not None:
            if not known.key:
                return known
            found = keys(known.principal.issuer)
            if found is None:
                return KeysMissing()
            if any(key.id == known.key for key in found.keys):
                return known
            self._cache.drop(digest)
        read = tokens.parse(token)
        if isinstance(read, Denied):
            return read
        issuer = read.claims.get("iss")
        expected = self._issuers.get(issuer) if isinstance(issuer, str) else None
        if expected is None:
            return WRONG_ISSUER
        if read.algorithm not in expected.algorithms:
            return WRONG_ALGORITHM
        found = keys(expected.issuer)
        if found is None:
            return KeysMissing()
        key = found.find(read.kid, read.algorithm)
        if key is None:
            return UNKNOWN_KEY
        if not key.verifies(read.algorithm, read.signed, read.signature):
            return WRONG_SIGNATURE
        verified = judge(read.type, read.claims, expected, now=now, skew=self._skew)
        if isinstance(verified, Verified):
            return self._cache.put(digest, verified, key.id)
        return verified

    def introspected(
        self, token: str, issuer: str, claims: Mapping[str, Any], *, now: float, seconds: float
    ) -> KnownToken | Denied:
        """Return who an issuer says that an active token speaks of. That is believed for `seconds` at most."""
        expected = self._issuers.get(issuer)
        if expected is None or not expected.introspect:
            return WRONG_ISSUER
        judged = judge_introspected(claims, expected, now=now, skew=self._skew)
        if isinstance(judged, Denied):
            return judged
        until = min(judged.until, now + seconds)
        return self._cache.put(self._cache.digest(self._purpose, token), replace(judged, until=until), b"")
