"""The file of issuers' keys, as one process of the plugin server reads it: who may have signed a token.

A file that was read well is kept until another one can be. Keys count no longer than the file says, and none count
where there is no file: a token that nobody can check opens nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from mcp_core.auth.keyfile import IssuerKeys, read_file
from mcp_core.auth.keysets import KeySet
from mcp_core.pins.snapshot import SnapshotError

ISSUER_KEYS_VARIABLE: Final = "KONG_MCP_ISSUER_KEYS"
"""Environment variable with the path of the file that this node's sidecar writes."""

CHECK_SECONDS: Final = 0.25
"""How long a file is taken for unchanged: what a key that its issuer withdrew may be late by, on top of the refresh."""
MISS_SECONDS: Final = 0.005
"""The same for whoever brings a token of a key that is not known: it may have come a moment ago."""

_log: Final = logging.getLogger("mcp_kong.keyfiles")


class KeyFile:
    """One file, looked at again when its inode, size or time has changed."""

    def __init__(self, path: str, ring: Sequence[bytes], clock: Callable[[], float], wall: Callable[[], float]) -> None:
        """Take a monotonic clock and one of Unix time, both in seconds. Nothing is read yet."""
        self._path = Path(path)
        self._ring = ring
        self._clock = clock
        self._wall = wall
        self._looked = float("-inf")
        self._mark: tuple[int, int, int] | None = None
        self._issuers: dict[str, IssuerKeys] = {}
        self._problem: str | None = None

    def keys(self, issuer: str) -> KeySet | None:
        """Return the keys of an issuer that count now, or None where there are none."""
        self.look(CHECK_SECONDS)
        found = self._issuers.get(issuer)
        return None if found is None or found.until <= self._wall() else found.keys

    def look(self, seconds: float) -> bool:
        """Read the file if it is another one, where nobody has looked for so long. Returns whether it was read."""
        now = self._clock()
        if now - self._looked < seconds:
            return False
        self._looked = now
        try:
            found = self._path.stat()
            mark = found.st_ino, found.st_size, found.st_mtime_ns
            if mark == self._mark:
                return False
            self._issuers = read_file(self._path.read_bytes(), self._ring, msgspec.msgpack.decode)
            self._mark, self._problem = mark, None
        except FileNotFoundError:
            self._issuers, self._mark = {}, None
            self._tell("there is no such file: is the sidecar running, and does it know the same path?")
        except OSError as error:
            self._tell(f"it cannot be read: {error.strerror}")
        except SnapshotError as error:
            self._mark = mark
            self._tell(str(error))
        else:
            _log.info("keys of %d issuers read", len(self._issuers))
            return True
        return False

    def _tell(self, problem: str) -> None:
        """Write a problem once, however many requests meet it."""
        if problem != self._problem:
            self._problem = problem
            _log.warning("the file of issuers' keys %s is not used: %s", self._path, problem)


_files: Final[dict[tuple[str, tuple[bytes, ...]], KeyFile]] = {}


def key_file(path: str, ring: tuple[bytes, ...], clock: Callable[[], float], wall: Callable[[], float]) -> KeyFile:
    """Return the process's reader of a file: all guards of a process share it."""
    return _files.setdefault((path, ring), KeyFile(path, ring, clock, wall))


def between_events() -> None:
    """Read what is new while no request waits."""
    for one in _files.values():
        one.look(CHECK_SECONDS)
