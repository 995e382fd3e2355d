"""Following files that grow: whole new lines, never more at a time than fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO, Final

MOST_AT_ONCE: Final = 4 * 1024 * 1024
"""Bytes that are read at a time; the rest comes with the next look."""
MOST_KEPT: Final = 16 * 1024 * 1024
"""Bytes from which a file that is only for us is begun anew."""


class Follower:
    """Reads one file of JSON lines as it grows.

    With `renews` it takes a long file away once it was read, and goes on with the new one that its writer opens.
    """

    def __init__(self, path: Path, *, renews: bool = False) -> None:
        self._path = path
        self._renews = renews
        self._file: BinaryIO | None = None
        self._rest = b""
        self._taken = False

    def new(self) -> list[dict[str, Any]]:
        """Return the objects in whole lines that were not read yet; other lines are skipped."""
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except FileNotFoundError:
                return []
        read = self._file.read(MOST_AT_ONCE)
        *lines, self._rest = (self._rest + read).split(b"\n")
        if len(self._rest) > MOST_AT_ONCE:
            self._rest = b""
        if self._renews:
            self._renew(self._file, ended=not read)
        return [one for one in map(_object, lines) if one is not None]

    def _renew(self, file: BinaryIO, *, ended: bool) -> None:
        if self._taken and ended:
            # A look ago its writers went on to the new one.
            file.close()
            self._file, self._taken = None, False
        elif not self._taken and file.tell() > MOST_KEPT:
            self._path.unlink()
            self._taken = True

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
