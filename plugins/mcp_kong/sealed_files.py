"""A sealed file that this node's sidecar writes, as one process of the plugin server reads it, again and again.

What was read well is kept until something else can be read; where there is no file, nothing is known.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from mcp_core.sealed_file import SealedFileError, sign_of

CHECK_SECONDS: Final = 0.25
"""How long a file is taken for unchanged: what something that was taken away may be late by."""

_log: Final = logging.getLogger("mcp_kong.sealed_files")
_T = TypeVar("_T")


class SealedFile(Generic[_T]):
    """One file, looked at again when its inode, size or time has changed. `value` is what it says, None for nothing.

    `sign` is that of the file that it was read from (sealed_file.sign_of), None for none.
    """

    def __init__(self, path: str, read: Callable[[bytes], _T], clock: Callable[[], float], what: str) -> None:
        """Take what reads its bytes or raises SealedFileError, and a clock in monotonic seconds. Reads nothing yet."""
        self.value: _T | None = None
        self.sign: str | None = None
        self._path = Path(path)
        self._read = read
        self._clock = clock
        self._what = what
        self._looked = float("-inf")
        self._mark: tuple[int, int, int] | None = None
        self._problem: str | None = None

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
            data = self._path.read_bytes()
            self.value, self.sign = self._read(data), sign_of(data)
            self._mark, self._problem = mark, None
        except FileNotFoundError:
            self.value = self.sign = self._mark = None
            self._tell("there is no such file: is the sidecar running, and does it know the same path?")
        except OSError as error:
            self._tell(f"it cannot be read: {error.strerror}")
        except SealedFileError as error:
            self._mark = mark
            self._tell(str(error))
        else:
            _log.info("%s read", self._what)
            return True
        return False

    def _tell(self, problem: str) -> None:
        """Write a problem once, however many requests meet it."""
        if problem != self._problem:
            self._problem = problem
            _log.warning("the file of %s %s is not used: %s", self._what, self._path, problem)
