"""Which proofs of possession were used on this node: each of them opens one request (RFC 9449, section 11.1).

All workers of a node ask here. Another node knows nothing of it: a proof that is stolen on the way, with its token,
could be used there once more for as long as its time counts (spec/decisions/187).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from mcp_core.auth.asks import AskEnd

MOST: Final = 500_000
"""Proofs that are remembered; beyond, none is taken until some have had their time."""
_LATEST: Final = 1200.0
"""Seconds from now that a proof may be remembered for."""


class UsedProofs:
    """Proofs by digest, each until its time is over."""

    def __init__(self, clock: Callable[[], float] = time.time, most: int = MOST) -> None:
        """Take a clock of Unix time in seconds."""
        self._clock = clock
        self._most = most
        self._used: dict[bytes, float] = {}
        # Unix time from which on it is worth looking for those whose time is over.
        self._next = 0.0

    async def answer(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a question of the kind asks.Ask.PROOF."""
        proof, until, now = values.get("proof"), values.get("until"), self._clock()
        if not isinstance(proof, str) or len(proof) != 64 or not isinstance(until, int) or until > now + _LATEST:
            return {"state": AskEnd.UNAVAILABLE, "why": "the question names no proof and time"}
        digest = bytes.fromhex(proof)
        if self._used.get(digest, 0.0) >= now or until < now:
            return {"state": AskEnd.REFUSED}
        if len(self._used) >= self._most or now >= self._next:
            self._forget(now)
        if len(self._used) >= self._most:
            return {"state": AskEnd.UNAVAILABLE, "why": "too many proofs are in use"}
        self._used[digest] = until
        return {"state": AskEnd.SAID}

    def _forget(self, now: float) -> None:
        self._used = {digest: until for digest, until in self._used.items() if until >= now}
        self._next = now + 1 + len(self._used) / 10_000
