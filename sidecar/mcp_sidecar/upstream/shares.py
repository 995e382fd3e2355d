"""How many requests of one caller, and of one server, may be open at once: nobody takes the places of all.

An open request holds a connection to Kong, two tasks and some 50 KB, for as long as a stream lasts. So what lasts
(streams, and calls that take as long as their work does) is counted apart from what ends by itself, and leaves places
for it: lists are answered, whatever streams are open. Counts are given back when a request ends, however it does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import Gauge

from mcp_core.outcome import UNAVAILABLE, Reject
from mcp_core.reasons import Reason

PLACES: Final = 4096
"""Requests that one sidecar sends to Kong at once: each holds a connection."""
LASTING: Final = PLACES * 3 // 4
"""How many of them may last."""
RETRY_SECONDS: Final = 5
"""When an agent that found no place may try again."""


class Shares:
    """What is open now. `of_caller` and `of_server` are the most that one of them may have, of each sort."""

    def __init__(self, of_caller: int, of_server: int, taken: Gauge | None = None) -> None:
        self._taken = taken
        self._of_caller = of_caller
        self._of_server = of_server
        self._callers: Counter[tuple[Hashable, bool]] = Counter()
        self._servers: Counter[tuple[str, bool]] = Counter()
        self._lasting = 0

    @contextmanager
    def take(self, server: str, caller: Hashable | None, *, lasting: bool) -> Iterator[Reject | None]:
        """Hold one place for as long as the context lasts, or give why there is none.

        Callers whom nothing tells apart (None) have their server's share in common.
        """
        refusal = self._refusal(server, caller, lasting=lasting)
        if refusal is not None:
            yield refusal
            return
        self._count(server, caller, 1, lasting=lasting)
        try:
            yield None
        finally:
            self._count(server, caller, -1, lasting=lasting)

    @property
    def open(self) -> int:
        """Return how many requests are open."""
        return self._servers.total()

    def _refusal(self, server: str, caller: Hashable | None, *, lasting: bool) -> Reject | None:
        if caller is not None and self._callers[caller, lasting] >= self._of_caller:
            what = "streams and calls" if lasting else "requests"
            text = (
                f"You have {self._of_caller} {what} open here, which is all that one caller may have. End some and try "
                "again, or have the gateway's operator raise MCP_SIDECAR_OPEN_PER_CALLER."
            )
            return _refusal(text, Reason.SHARE_OF_CALLER, 429)
        if self._servers[server, lasting] >= self._of_server:
            text = (
                f"All {self._of_server} places of this server are taken. Try again later, or have the gateway's "
                "operator add sidecars or raise MCP_SIDECAR_OPEN_PER_SERVER."
            )
            return _refusal(text, Reason.SHARE_OF_SERVER, 503)
        if lasting and self._lasting >= LASTING:
            text = "The gateway has too many streams open: try again later, or have its operator add sidecars."
            return _refusal(text, Reason.STREAMS_FULL, 503)
        return None

    def _count(self, server: str, caller: Hashable | None, step: int, *, lasting: bool) -> None:
        self._lasting += step if lasting else 0
        self._servers[server, lasting] += step
        self._callers[caller, lasting] += step
        if self._taken is not None:
            self._taken.labels(server, "lasting" if lasting else "short").inc(step)
        # A counter keeps what it once counted, and callers come and go.
        if not self._servers[server, lasting]:
            del self._servers[server, lasting]
        if not self._callers[caller, lasting]:
            del self._callers[caller, lasting]


def _refusal(text: str, reason: Reason, status: int) -> Reject:
    return Reject(UNAVAILABLE, text, reason, status=status, headers={"Retry-After": str(RETRY_SECONDS)})
