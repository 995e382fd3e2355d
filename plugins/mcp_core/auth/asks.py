"""What a guard asks its node's sidecar while a request waits, and what it is told: sealed texts of one socket.

The plugin server talks to no one outside. What must be asked of a provider now (an opaque token, a token for a server),
or kept for all workers of a node (which proofs were used), is for the sidecar. Both texts hold tokens, so they are
sealed: whoever listens at the socket's path in the sidecar's place learns nothing, and can say nothing. An answer is
bound to the nonce of its question.

A text is one byte with its format, the nonce, and what is encrypted: a JSON object. Members that are not known mean
nothing to their reader.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from mcp_core.seal import NONCE_BYTES, Cipher, derive

FORMAT: Final = b"\1"
SECONDS: Final = 30
"""How long a question holds: the time from guard to sidecar, with room for a busy machine."""
LARGEST: Final = 64 * 1024
"""Bytes of a question."""
_QUESTION: Final = "kong-mcp question"
_ANSWER: Final = "kong-mcp answer"


class Ask(StrEnum):
    """What can be asked: the member `ask` of a question."""

    INTROSPECT = "introspect"
    """Whose is `token`? `issuers` are asked in their order. The answer has `issuer` and `claims` where it is active."""
    PROOF = "proof"
    """Was `proof` (a digest) used before `until`, a Unix time? SAID where it is used now for the first time."""
    TOKEN = "token"  # noqa: S105 - a word
    """A token for a server, by `grant`; see upstream.Grant. The answer has `token` and `until`."""


class AskEnd(StrEnum):
    """How a question ended: the member `state` of an answer."""

    SAID = "said"
    REFUSED = "refused"
    """The provider knows no such token, or will not give one; the proof was used before."""
    UNAVAILABLE = "unavailable"
    """Nobody could be asked. `why` is for the log of the sidecar alone."""


class Asks:
    """Seals and opens questions and answers with the ring that guard and sidecar share."""

    def __init__(self, ring: Sequence[bytes], cipher: Callable[[bytes], Cipher], forged: type[Exception]) -> None:
        """Take the AEAD's constructor, and the exception with which it answers a forgery."""
        self._forged = forged
        self._questions = [cipher(derive(key, _QUESTION)) for key in ring]
        self._answers = [cipher(derive(key, _ANSWER)) for key in ring]

    def question(self, values: Mapping[str, Any], nonce: bytes, *, now: float) -> bytes:
        """Return a question. `nonce` is 12 fresh random bytes, `now` a Unix time in seconds."""
        said = {**values, "expires": int(now) + SECONDS}
        return _sealed(self._questions[0], said, nonce, FORMAT)

    def read_question(self, text: bytes, *, now: float) -> tuple[dict[str, Any], bytes] | None:
        """Return what is asked, with the nonce that its answer is bound to; None for what no guard asks now."""
        values = self._opened(self._questions, text, FORMAT)
        if values is None or not isinstance(values.get("expires"), int) or values["expires"] < now:
            return None
        return values, text[1 : 1 + NONCE_BYTES]

    def answer(self, values: Mapping[str, Any], asked: bytes, nonce: bytes) -> bytes:
        """Return the answer to the question of a nonce. `nonce` is 12 other fresh random bytes."""
        return _sealed(self._answers[0], values, nonce, FORMAT + asked)

    def read_answer(self, text: bytes, asked: bytes) -> dict[str, Any] | None:
        """Return what was answered to the question of a nonce, or None for anything else."""
        return self._opened(self._answers, text, FORMAT + asked)

    def _opened(self, ciphers: Sequence[Cipher], text: bytes, bound: bytes) -> dict[str, Any] | None:
        if text[:1] != FORMAT or len(text) <= 1 + NONCE_BYTES:
            return None
        for cipher in ciphers:
            try:
                data = cipher.decrypt(text[1 : 1 + NONCE_BYTES], text[1 + NONCE_BYTES :], bound)
            except self._forged:
                continue
            values = json.loads(data)
            return values if isinstance(values, dict) else None
        return None


def _sealed(cipher: Cipher, values: Mapping[str, Any], nonce: bytes, bound: bytes) -> bytes:
    return FORMAT + nonce + cipher.encrypt(nonce, json.dumps(values).encode(), bound)
