"""Lines of a program's output, each bounded: what is too long is passed over, and never held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MOST_BYTES: Final = 8 * 1024 * 1024
"""Of one line: as much as the sidecar reads of an answer, and somewhat more."""
ENDS_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class TooLongLine:
    """A line of which only the two ends were kept. `size` is in bytes."""

    ends: bytes
    size: int


class LineCutter:
    """Cuts bytes into lines without their ends (LF, or CR LF). At most `most` bytes of a line are held."""

    def __init__(self, most: int = MOST_BYTES, ends: int = ENDS_BYTES) -> None:
        self._most = most
        self._ends = ends
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[bytes | TooLongLine]:
        """Yield the lines that these bytes complete."""
        *whole, rest = data.split(b"\n")
        for one in whole:
            self._add(one)
            yield self._take()
        self._add(rest)

    def _add(self, part: bytes) -> None:
        if not part:
            return
        self._parts.append(part)
        self._size += len(part)
        if self._size > self._most:
            held = b"".join(self._parts)
            self._parts = [held[: self._ends], held[-self._ends :]]

    def _take(self) -> bytes | TooLongLine:
        held, size = b"".join(self._parts), self._size
        self._parts, self._size = [], 0
        return TooLongLine(held, size) if size > self._most else held.removesuffix(b"\r")
