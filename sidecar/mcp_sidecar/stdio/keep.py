"""Keeps one local program within its bounds, and ends it with all that it started.

Runs by its path as `python -I -S keep.py PARENT LIMITS COMMAND...`, between the supervisor and the program, and uses
the standard library alone. The kernel's limits hold each process; what they cannot count, all processes together, is
looked at every half second. Orphans of the program become children of this process (prctl(2), PR_SET_CHILD_SUBREAPER),
so a program that forks twice and leaves its session is found too. It ends when the program or the supervisor does.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
from typing import Any, Final, NoReturn

POLL_SECONDS: Final = 0.5
GRACE_SECONDS: Final = 2.0
NOT_FOUND: Final = 127
OVER: Final = 120
"""Exit status where the program took more than it may; a line on standard error says what of."""
_PROC: Final = "/proc"
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38
_BACKSTOP: Final = 512
"""Processes of this user beyond those that run now: the kernel's bound until the next look. It does not hold root."""


def descendants(root: int) -> dict[int, int]:
    """Return all processes below one, with their resident memory in pages (proc(5), stat)."""
    parents: dict[int, int] = {}
    pages: dict[int, int] = {}
    for entry in os.listdir(_PROC):  # noqa: PTH208 - often, and pathlib takes several times as long
        if entry.isdecimal():
            with contextlib.suppress(OSError), open(f"{_PROC}/{entry}/stat", "rb") as file:  # noqa: PTH123
                fields = file.read().rpartition(b")")[2].split()
                parents[int(entry)], pages[int(entry)] = int(fields[1]), int(fields[21])
    children: dict[int, list[int]] = {}
    for process, parent in parents.items():
        children.setdefault(parent, []).append(process)
    found, left = {}, [root]
    while left:
        for process in children.get(left.pop(), ()):
            found[process] = pages[process]
            left.append(process)
    return found


def end_all() -> None:
    """End everything below this process: politely, then by force, until nothing is left."""
    for process in descendants(os.getpid()):
        _signal(process, signal.SIGTERM)
    until = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < until:
        _reap()
        if not descendants(os.getpid()):
            return
        time.sleep(0.05)
    kill_all()


def kill_all() -> None:
    """Kill everything below this process. It is stopped first: what forks on and on is caught by no single sweep."""
    while found := descendants(os.getpid()):
        for process in found:
            _signal(process, signal.SIGSTOP)
        for process in found:
            _signal(process, signal.SIGKILL)
        _reap()


def _signal(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(process, number)


def _reap(program: int = 0) -> int | None:
    """Wait for all that ended; return the program's status where it is among them."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == program:
                status = os.waitstatus_to_exitcode(ended[1])
    return status


def _run(limits: dict[str, Any], command: list[str], users: int) -> NoReturn:
    """Become the program, within the kernel's limits."""
    mebibytes = limits["memory"] * 1024 * 1024
    bounds = {
        resource.RLIMIT_CORE: 0,
        # Not the address space: what V8 and others reserve and do not use is no memory.
        resource.RLIMIT_DATA: mebibytes,
        resource.RLIMIT_NOFILE: limits["files"],
        resource.RLIMIT_NPROC: users + limits["processes"] + _BACKSTOP,
    }
    if limits["cpu"] is not None:
        bounds[resource.RLIMIT_CPU] = limits["cpu"]
    for kind, wanted in bounds.items():
        hard = resource.getrlimit(kind)[1]
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (most, most))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - what is declared is run, and no shell reads it
    except OSError as error:
        where = "" if "/" in command[0] else f" in {os.environ.get('PATH', os.defpath)}"
        os.write(2, f"cannot run {command[0]}: {error.strerror}{where}\n".encode())
        os._exit(NOT_FOUND)


def _excess(limits: dict[str, Any]) -> str | None:
    """Return what the program and all that it started take too much of."""
    found = descendants(os.getpid())
    if len(found) > limits["processes"]:
        return f"more than {limits['processes']} processes run"
    if sum(found.values()) * os.sysconf("SC_PAGE_SIZE") > limits["memory"] * 1024 * 1024:
        return f"it takes more than {limits['memory']} MiB of memory"
    return None


def main(parent: int, limits: dict[str, Any], command: list[str]) -> int:
    """Run the program until it ends, and return its status."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the line above
        return OVER
    stopping = [signal.SIGTERM, signal.SIGINT, signal.SIGCHLD]
    signal.pthread_sigmask(signal.SIG_BLOCK, stopping)
    users = sum(1 for entry in os.listdir(_PROC) if entry.isdecimal())  # noqa: PTH208
    program = os.fork()
    if program == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, stopping)
        _run(limits, command, users)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)  # the program's streams are its own: the supervisor sees them end when it does
    os.dup2(nothing, 1)
    while True:
        if (status := _reap(program)) is not None:
            kill_all()
            return status if status >= 0 else 128 - status
        if (excess := _excess(limits)) is not None:
            kill_all()
            os.write(2, f"ended: {excess}\n".encode())
            return OVER
        caught = signal.sigtimedwait(stopping, POLL_SECONDS)
        if caught is not None and caught.si_signo != signal.SIGCHLD:
            end_all()
            return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]))
