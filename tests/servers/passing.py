"""Starts a program as systemd does that passes a socket on (sd_listen_fds(3)); the caller keeps the socket."""

import os
import socket
import sys

_BACKLOG = 4096
"""Connections that may wait while no program listens; it is systemd's own default (Backlog= of systemd.socket(5))."""
_PASS = """import os, sys
number, count, owner = sys.argv[1:4]
os.dup2(int(number), 3)
os.environ.update(LISTEN_FDS=count, LISTEN_PID=owner or str(os.getpid()))
os.execv(sys.argv[4], sys.argv[4:])
"""


def listening(path):
    """Return a listening unix socket at a path, for children to inherit."""
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen(_BACKLOG)
    os.set_inheritable(made.fileno(), True)
    return made


def passed(made, command, *, count=1, owner=""):
    """Return the command that runs another with the socket; start it with `pass_fds=[made.fileno()]`."""
    return [sys.executable, "-c", _PASS, str(made.fileno()), str(count), str(owner), *map(str, command)]
