"""How much of a server is written down: no server may keep all others waiting, or fill the disk."""

from __future__ import annotations

from typing import Final

AT_ONCE: Final = 5_000
"""New versions that a server may have written down at once: that of a large surface, seen for the first time."""
A_MINUTE: Final = 1_000
"""New versions that are added to that in a minute."""
SIZE_AT_ONCE: Final = 32 * 1024 * 1024
"""Characters of content of new versions, likewise."""
SIZE_A_MINUTE: Final = 1024 * 1024


class Bucket:
    """A bucket that holds so much, and is filled up at a rate. `now` is monotonic seconds."""

    def __init__(self, most: float, a_minute: float, now: float) -> None:
        self._most = most
        self._rate = a_minute / 60
        self._left = most
        self._filled = now

    def holds(self, cost: float, now: float) -> bool:
        """Return whether so much is in it."""
        self._left = min(self._most, self._left + (now - self._filled) * self._rate)
        self._filled = now
        return cost <= self._left

    def take(self, cost: float) -> None:
        """Take out what it holds."""
        self._left -= cost


class VersionBudget:
    """What one server may have written down."""

    def __init__(self, now: float) -> None:
        self._versions = Bucket(AT_ONCE, A_MINUTE, now)
        self._size = Bucket(SIZE_AT_ONCE, SIZE_A_MINUTE, now)

    def take(self, size: int, now: float) -> bool:
        """Return whether one more version of so many characters may be written down, and charge it."""
        if not (self._versions.holds(1, now) and self._size.holds(size, now)):
            return False
        self._versions.take(1)
        self._size.take(size)
        return True
