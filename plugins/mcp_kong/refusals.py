"""How often each caller was refused in the present minute, by one guard in one worker process.

Kong's own rate limiting runs behind the guard, so what the guard refuses it never counts: whoever tries names would try
as many as they like. Nothing is shared between processes or nodes: this is a bound on noise, not a quota.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MINUTE: Final = 60
_MOST: Final = 10_000
_OTHERS: Final = ""


class Refusals:
    """Counts of the minute, by caller. Beyond ten thousand callers the rest are counted as one."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take a monotonic clock in seconds."""
        self._clock = clock
        self._minute = 0
        self._counts: dict[str, int] = {}

    def count(self, who: str) -> tuple[int, int]:
        """Count one more refusal. Returns how many it is in this minute, and the seconds until the next one begins."""
        now = int(self._clock())
        minute = now // MINUTE
        if minute != self._minute:
            self._minute, self._counts = minute, {}
        if who not in self._counts and len(self._counts) >= _MOST:
            who = _OTHERS
        number = self._counts[who] = self._counts.get(who, 0) + 1
        return number, MINUTE - now % MINUTE
