"""Tokens that were verified, in the memory of one process: never the token, only a keyed digest of it.

Only what was verified gets in, so nobody fills it who has no valid tokens. A hit says who it was; that its key is still
its issuer's, the verifier asks each time. Looking a digest up tells by its time nothing of a token, as nobody outside
knows the key of the digest. Sized so that 100,000 entries take less than 100 MB.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Final

from mcp_core.auth.judge import Binding, Verified
from mcp_core.principal import Principal

MOST: Final = 100_000
_MOST_SETS: Final = 4096
_DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class KnownToken:
    """Who a token speaks of, until when (Unix time in seconds), and the thumbprint of the key that signed it.

    `key` is empty where its issuer was asked instead. `bound` is what whoever brings it must show besides.
    """

    principal: Principal
    until: float
    key: bytes
    bound: Binding | None = None


class TokenCache:
    """Entries by digest, the oldest given up first."""

    def __init__(self, secret: bytes, most: int = MOST) -> None:
        """Take 32 to 64 random bytes that live no longer than the process."""
        self._secret = secret
        self._most = most
        self._entries: dict[bytes, KnownToken] = {}
        # Thousands of tokens share few sets of scopes and groups, and few clients.
        self._sets: dict[frozenset[str], frozenset[str]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def digest(self, purpose: bytes, token: str) -> bytes:
        """Return what a token is known by, to the holder of `purpose` alone."""
        mac = hashlib.blake2b(purpose, digest_size=_DIGEST_BYTES, key=self._secret)
        mac.update(b"\0" + token.encode())
        return mac.digest()

    def get(self, digest: bytes, *, now: float) -> KnownToken | None:
        """Return what is known, and forget what has expired."""
        entry = self._entries.get(digest)
        if entry is not None and now >= entry.until:
            del self._entries[digest]
            return None
        return entry

    def put(self, digest: bytes, verified: Verified, key: bytes) -> KnownToken:
        """Remember a token that was verified with a key, and return what is known of it."""
        while len(self._entries) >= self._most:
            del self._entries[next(iter(self._entries))]
        principal = verified.principal
        principal = replace(principal, groups=self._shared(principal.groups), scopes=self._shared(principal.scopes))
        known = self._entries[digest] = KnownToken(principal, verified.until, key, verified.bound)
        return known

    def drop(self, digest: bytes) -> None:
        """Forget a token."""
        self._entries.pop(digest, None)

    def _shared(self, words: frozenset[str]) -> frozenset[str]:
        if len(self._sets) >= _MOST_SETS:
            self._sets.clear()
        return self._sets.setdefault(words, words)
