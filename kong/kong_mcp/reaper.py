"""Cleans up after a local gateway that could not do it itself: one that was killed leaves no process and no file.

Runs as `python -m kong_mcp.reaper FOLDER` beside the gateway. It reads process groups from standard input, one number a
line, until the gateway ends, in whatever way; then it ends the groups that are left and removes the folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_PATIENCE_SECONDS: Final = 10.0
_POLL: Final = 0.05


class Reaper:
    """The gateway's side: a context that runs the process above, and tells it of each process group."""

    def __init__(self, folder: Path) -> None:
        """Start the process for one runtime folder."""
        self._process = subprocess.Popen(  # noqa: S603 - this very module, no shell
            [sys.executable, "-m", "kong_mcp.reaper", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # a Ctrl-C is not for it
        )

    def watch(self, group: int) -> None:
        """Have a process group ended when the gateway is gone."""
        if self._process.stdin is None:
            raise RuntimeError("the reaper has no standard input")
        self._process.stdin.write(f"{group}\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate()


def reap(groups: Iterable[int], folder: Path) -> None:
    """End the process groups, politely at first, and remove the folder."""
    left = [group for group in groups if _signal(group, signal.SIGTERM)]
    until = time.monotonic() + _PATIENCE_SECONDS
    while left and time.monotonic() < until:
        time.sleep(_POLL)
        left = [group for group in left if _signal(group, 0)]
    for group in left:
        _signal(group, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def _signal(group: int, number: int) -> bool:
    """Signal a process group; return whether there is one."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
        return True
    return False


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    reap([int(line) for line in sys.stdin], Path(sys.argv[1]))
