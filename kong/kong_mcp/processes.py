"""The programs of a local gateway as child processes: started with a log file each, watched, and always stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

_TAIL_LINES: Final = 20
_POLL: Final = 0.05


class ChildFailedError(RuntimeError):
    """A program of the gateway ended, or was not ready in time; the message holds the end of its log."""


class Child:
    """One running program, in a process group of its own, so that a Ctrl-C reaches it only through us."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Start `command` with its output in the file `log`."""
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self._process.pid

    def check(self) -> None:
        """Raise ChildFailedError when the program has ended."""
        status = self._process.poll()
        if status is not None:
            raise ChildFailedError(f"{self.name} ended with status {status}. The end of its log:\n{self.tail()}")

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return once `ready()` holds. Raises ChildFailedError when the program ends, or time does, before that."""
        until = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > until:
                raise ChildFailedError(f"{self.name} was not ready in {seconds:.0f} s. Its log:\n{self.tail()}")
            time.sleep(_POLL)

    def tail(self) -> str:
        """Return the last lines of the log, each indented."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join(f"  {line}" for line in lines) or "  (empty)"

    def stop(self, seconds: float = 10.0) -> None:
        """End the program and all that it started: politely, and after `seconds` by force."""
        group = self._process.pid
        with contextlib.suppress(ProcessLookupError):
            # To the whole group: a wrapper such as `kong start` does not hand signals on to what it runs.
            os.killpg(group, signal.SIGTERM)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                self._process.poll()  # else the group lives on in a process that ended and was not waited for
                os.killpg(group, 0)
                time.sleep(_POLL)
            os.killpg(group, signal.SIGKILL)
        self._process.wait()
