"""What the second reader was asked in the last day, and for which server: none of them uses up the day of all."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Final

DAY: Final = 86_400.0
"""Seconds of a day."""
SHARE: Final = 4
"""A server has one part of so many of a day's questions."""


class AskedToday:
    """Questions of the last 24 hours. Times are in seconds of one clock, and never before those of the call before."""

    def __init__(self, most: int, known: Mapping[str, int], now: float) -> None:
        """`most` are the questions in a day; `known` are those that count as asked just now: server -> how many."""
        self._most = most
        self._asked: deque[tuple[float, str]] = deque()
        self._theirs: Counter[str] = Counter()
        for server, count in known.items():
            for _ in range(count):
                self.add(server, now)

    def add(self, server: str, now: float) -> None:
        """Count a question about an item of a server, "" for none of any."""
        self._asked.append((now, server))
        self._theirs[server] += 1

    def may_ask(self, more: int, now: float) -> bool:
        """Return whether so many more questions are within the bound of a day."""
        self._forget(now)
        return len(self._asked) + more <= self._most

    def has_share(self, server: str, now: float) -> bool:
        """Return whether more may be asked about items of a server."""
        self._forget(now)
        return self._theirs[server] < max(1, self._most // SHARE)

    def _forget(self, now: float) -> None:
        while self._asked and self._asked[0][0] <= now - DAY:
            _, server = self._asked.popleft()
            self._theirs[server] -= 1
