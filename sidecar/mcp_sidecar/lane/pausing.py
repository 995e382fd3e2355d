"""Long reading that lets others go first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Pausing:
    """What is read piece by piece: `_rest` is called before each piece."""

    _pause: Callable[[], None] | None = None

    @contextmanager
    def pausing(self, pause: Callable[[], None]) -> Iterator[None]:
        """Have something called before each piece is read: it may let others go first, and may raise."""
        self._pause = pause
        try:
            yield
        finally:
            self._pause = None

    def _rest(self) -> None:
        if self._pause is not None:
            self._pause()
