"""The snapshot file, as one process of the plugin server reads it: what is approved, on every server.

A file that was read well is kept until another one can be: a damaged file opens nothing, and closes nothing that was
open. Where there is no file, everything is closed, also what was open a moment ago: so the sidecar closes items when it
can write no file, and so can a person. What a new file says holds as soon as it was read; until then it is read again
and again, and whoever asks meanwhile is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from mcp_core.methods import Kind
from mcp_core.pins.snapshot import Snapshot, read_file
from mcp_core.reasons import Reason
from mcp_core.sealed_file import SealedFileError, sign_of

SNAPSHOT_VARIABLE: Final = "KONG_MCP_SNAPSHOT"
"""Environment variable with the path of the file that this node's sidecar writes."""

CHECK_SECONDS: Final = 0.02
"""How long a file is taken for unchanged, while what is asked for is open in it: what a list just hid is closed."""
MISS_SECONDS: Final = 0.005
"""The same where it is not: what was just listed for the first time may be called at once."""

_log: Final = logging.getLogger("mcp_kong.snapshots")


class SnapshotFile:
    """One file, looked at again when its inode, size or time has changed.

    `sign` is that of the file that is in force (sealed_file.sign_of), None for none.
    """

    def __init__(self, path: str, keys: Sequence[bytes], clock: Callable[[], float]) -> None:
        """Take a monotonic clock in seconds. Nothing is read yet."""
        self._path = Path(path)
        self._keys = keys
        self._clock = clock
        self._looked = float("-inf")
        self._mark: tuple[int, int, int] | None = None
        self._snapshot: Snapshot | None = None
        self.sign: str | None = None
        self._problem: str | None = None

    def refusal(self, server: str, kind: Kind, name: str, *, foreign: bool = False) -> Reason | None:
        """Return None where the item may be used, or why not. Of a `foreign` server only what a person opened may."""
        self.look()
        if not self._closed(server, kind, name, foreign=foreign):
            return None
        now = self._clock()
        if now - self._looked >= MISS_SECONDS:
            self._look(now)
        if not self._closed(server, kind, name, foreign=foreign):
            return None
        return Reason.NO_SNAPSHOT if self._snapshot is None else Reason.UNAPPROVED_ITEM

    def look(self) -> None:
        """Read the file if it is another one, where nobody has looked for CHECK_SECONDS."""
        now = self._clock()
        if now - self._looked >= CHECK_SECONDS:
            self._look(now)

    def read_ahead(self) -> None:
        """Read the file if it is another one. Whoever asks next looks all the same: what was just hidden is closed."""
        looked = self._looked
        self.look()
        self._looked = looked

    def _closed(self, server: str, kind: Kind, name: str, *, foreign: bool) -> bool:
        return self._snapshot is None or self._snapshot.refusal(server, kind, name, foreign=foreign) is not None

    def _look(self, now: float) -> None:
        try:
            found = self._path.stat()
            mark = found.st_ino, found.st_size, found.st_mtime_ns
            if mark != self._mark:
                self._read(self._path.read_bytes())
                self._mark = mark
        except FileNotFoundError:
            self._snapshot = self._mark = self.sign = None
            self._tell("there is no such file")
        except OSError as error:
            self._tell(f"it cannot be read: {error.strerror}")
        # Last, as the mark is: a look that a deadline or a lack of memory ended is begun again by whoever asks next.
        self._looked = now

    def _read(self, data: bytes) -> None:
        try:
            snapshot = read_file(data, self._keys, msgspec.msgpack.decode)
        except SealedFileError as error:
            self._tell(str(error))
            return
        self._snapshot, self.sign, self._problem = snapshot, sign_of(data), None
        _log.info("snapshot of generation %d read", snapshot.generation)

    def _tell(self, problem: str) -> None:
        """Write a problem once, however many requests meet it."""
        if problem == self._problem:
            return
        self._problem = problem
        kept = self._snapshot
        does = "every item is refused" if kept is None else f"that of generation {kept.generation} stays in force"
        _log.warning("the snapshot %s is not used, so %s: %s", self._path, does, problem)


_files: Final[dict[tuple[str, tuple[bytes, ...]], SnapshotFile]] = {}


def snapshot_file(path: str, keys: tuple[bytes, ...], clock: Callable[[], float]) -> SnapshotFile:
    """Return the process's reader of a file: all guards of a process share it."""
    return _files.setdefault((path, keys), SnapshotFile(path, keys, clock))


def between_events() -> None:
    """Read what is new while no request waits: a file of 100,000 items takes half a second."""
    for file in _files.values():
        file.read_ahead()
