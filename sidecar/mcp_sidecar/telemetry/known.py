"""Which requests are counted already, by id: the latest ones, batch by batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


class KnownIds:
    """The ids of the latest `least` requests, and of at most one batch more.

    Whole batches are forgotten: to take ids one by one off the front of a dict, Python looks from its beginning past
    all that were taken before.
    """

    def __init__(self, least: int) -> None:
        self._least = least
        self._ids: set[str] = set()
        self._batches: deque[Sequence[str]] = deque()

    def __contains__(self, id_: str) -> bool:
        return id_ in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, batch: Sequence[str]) -> None:
        """Know the ids of one batch, of which none is known yet."""
        if not batch:
            return
        self._ids.update(batch)
        self._batches.append(batch)
        while len(self._ids) - len(self._batches[0]) >= self._least:
            self._ids.difference_update(self._batches.popleft())
