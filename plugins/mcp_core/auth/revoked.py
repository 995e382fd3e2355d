"""Who is cut off: subjects and clients of issuers, and sessions, each until a time.

The list reaches guards as the snapshot does, in a sealed file (see `sealed_file`), of the values

    {"format": 1, "version": TEXT, "revoked": [[DIGEST, AT, UNTIL], ...]}

with the digest of what is cut off (so that the file names nobody), the Unix time in milliseconds at which that was
said, and the one in seconds until which it holds, 0 for what was taken back. Of two words on one digest the later one
counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from mcp_core.auth.denied import INVALID_TOKEN, Denied
from mcp_core.principal import TOKEN, Principal
from mcp_core.reasons import Reason
from mcp_core.seal import base64url
from mcp_core.sealed_file import SealedFileError, SealedFormat, Unpack

FILE: Final = SealedFormat(b"KMR1", "kong-mcp revocations", 1, frozenset({"format", "version", "revoked"}))
DIGEST: Final = 32
_MOST: Final = 1_000_000

REVOKED: Final = Denied(
    INVALID_TOKEN, Reason.TOKEN_REVOKED, "Whom this access token speaks of, or its client, was cut off."
)


class Revocable(StrEnum):
    """What can be cut off."""

    SUBJECT = "subject"
    """`sub` of an issuer's tokens."""
    CLIENT = "client"
    """`client_id` of an issuer's tokens."""
    SESSION = "session"
    """The value of Mcp-Session-Id, as its agent has it; of no issuer."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word on one digest: `at` in Unix milliseconds, `until` in Unix seconds, 0 where it was taken back."""

    digest: bytes
    at: int
    until: int


def digest_of(kind: Revocable, name: str, issuer: str = "") -> bytes:
    """Return what is cut off by its digest. No issuer holds a NUL, so the parts are told apart."""
    return hashlib.sha256(f"{kind.value}\0{issuer}\0{name}".encode()).digest()


def marks_of(principal: Principal, session: str | None) -> tuple[str, ...]:
    """Return the digests, in base64url, by any of which a request is cut off while it is open.

    `session` is its Mcp-Session-Id, as its agent has it. Consumers are Kong's: sessions alone are cut off.
    """
    known = _marks(principal.issuer, principal.id, principal.client) if principal.kind == TOKEN else ()
    return known if session is None else (*known, session_mark(session))


def session_mark(session: str) -> str:
    """Return the digest of a session, in base64url."""
    return base64url(digest_of(Revocable.SESSION, session))


@lru_cache(4096)
def _marks(issuer: str, subject: str, client: str) -> tuple[str, ...]:
    named = [(Revocable.SUBJECT, subject), *([(Revocable.CLIENT, client)] if client else [])]
    return tuple(base64url(digest_of(kind, name, issuer)) for kind, name in named)


class Revoked:
    """The words of one list, the latest on each digest."""

    def __init__(self, words: Iterable[Word] = ()) -> None:
        self._words: dict[bytes, Word] = {}
        for word in words:
            self.add(word)

    def __len__(self) -> int:
        return len(self._words)

    def add(self, word: Word) -> bool:
        """Take a word, unless a later one on the same is known. Returns whether it was taken."""
        known = self._words.get(word.digest)
        if known is not None and known.at >= word.at:
            return False
        self._words[word.digest] = word
        return True

    def forget(self, now: float) -> None:
        """Drop what holds no longer at a Unix time in seconds; what was taken back is kept for whoever merges."""
        self._words = {word.digest: word for word in self._words.values() if word.until == 0 or word.until > now}

    def holds(self, digest: bytes, now: float) -> bool:
        """Return whether something is cut off now."""
        word = self._words.get(digest)
        return word is not None and word.until > now

    def cuts(self, principal: Principal, now: float) -> bool:
        """Return whether a token's subject or its client is cut off now."""
        if not self._words:
            return False
        issuer = principal.issuer
        return self.holds(digest_of(Revocable.SUBJECT, principal.id, issuer), now) or bool(
            principal.client and self.holds(digest_of(Revocable.CLIENT, principal.client, issuer), now)
        )

    def cuts_session(self, token: str, now: float) -> bool:
        """Return whether a session is cut off now."""
        return bool(self._words) and self.holds(digest_of(Revocable.SESSION, token), now)

    def words(self) -> list[Word]:
        """Return all words."""
        return list(self._words.values())


def to_values(version: str, revoked: Revoked) -> dict[str, Any]:
    """Return the values that MessagePack packs. `version` is the writer's release."""
    words = [[word.digest, word.at, word.until] for word in revoked.words()]
    return {"format": FILE.number, "version": version, "revoked": words}


def read_file(file: bytes, ring: Sequence[bytes], unpack: Unpack) -> Revoked:
    """Return the list in a file's bytes.

    Raises:
        SealedFileError: the file cannot be believed or read.
    """
    values = FILE.read(file, ring, unpack)
    words = values.get("revoked")
    if not isinstance(words, list) or len(words) > _MOST:
        raise SealedFileError("its list is missing, or too long")
    return Revoked(map(_word, words))


def _word(value: Any) -> Word:
    match value:
        case [bytes(digest), int(at), int(until)] if len(digest) == DIGEST and at >= 0 and until >= 0:
            return Word(digest, at, until)
    raise SealedFileError("a word of its list is not a digest with two times")
