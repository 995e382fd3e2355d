"""The file in which this node's sidecar says which servers are not to be asked now, as one process reads it.

It closes for a while and opens nothing. So what cannot be read closes nothing, and no entry holds longer than it says.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from mcp_core.health import told
from mcp_core.health.told import ClosedServer
from mcp_core.outcome import Reject, RequestId
from mcp_core.sealed_file import ABSENT, SealedFileError, sign_of

HEALTH_VARIABLE: Final = "KONG_MCP_HEALTH"
"""Environment variable with the path of the file that this node's sidecar writes."""
CHECK_SECONDS: Final = 0.1
"""How long a file is taken for unchanged."""

_log: Final = logging.getLogger("mcp_kong.health_file")


class HealthFile:
    """One file, looked at again when its inode, size or time has changed.

    `sign` is that of what was read last, ABSENT where there is no file, None where it could not be read.
    """

    def __init__(self, path: str, keys: Sequence[bytes], clock: Callable[[], float], wall: Callable[[], float]) -> None:
        """Take a monotonic clock and one of Unix time, both in seconds. Nothing is read yet."""
        self._path = Path(path)
        self._keys = keys
        self._clock = clock
        self._wall = wall
        self._looked = float("-inf")
        self._mark: tuple[int, int, int] | None = None
        self._closed: Mapping[str, ClosedServer] = {}
        self.sign: str | None = None

    def refusal(self, server: str, http_method: str, id_: RequestId | None) -> Reject | None:
        """Return why a server is not asked now, or None where it may be. What ends a session may always go on."""
        if http_method == "DELETE":
            return None
        self.look()
        closed = self._closed.get(server)
        if closed is None or closed.until <= self._wall():
            return None
        return told.refusal(closed.why, closed.retry, id_)

    def look(self) -> None:
        """Read the file if it is another one, where nobody has looked for CHECK_SECONDS."""
        now = self._clock()
        if now - self._looked >= CHECK_SECONDS:
            self._looked = now
            self._look()

    def _look(self) -> None:
        try:
            found = self._path.stat()
            mark = found.st_ino, found.st_size, found.st_mtime_ns
            if mark == self._mark:
                return
            self._mark, self._closed, self.sign = mark, {}, None
            data = self._path.read_bytes()
            self._closed = told.read_file(data, self._keys, msgspec.msgpack.decode)
            self.sign = sign_of(data)
        except FileNotFoundError:
            # Nothing is closed, or no breaker of this node's sidecar was ever open.
            self._mark, self._closed, self.sign = None, {}, ABSENT
        except (OSError, SealedFileError) as error:
            self._closed, self.sign = {}, None
            why = error.strerror if isinstance(error, OSError) else error
            _log.warning("the file %s closes no server, as it cannot be read: %s", self._path, why)


_files: Final[dict[tuple[str, tuple[bytes, ...]], HealthFile]] = {}


def health_file(path: str | None, keys: tuple[bytes, ...]) -> HealthFile | None:
    """Return the process's reader of a file, which all its guards share; None where there is no file."""
    return _files.setdefault((path, keys), HealthFile(path, keys, time.monotonic, time.time)) if path else None
