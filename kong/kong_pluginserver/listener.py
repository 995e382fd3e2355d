"""The socket file that Kong connects to: private to its owner, and taken over without a moment in which it is missing.

It is bound and listening under another name first and then renamed, so a server that starts while an old one is still
draining takes over from it; the old one leaves the file alone, for it is not its own any more.

Or whoever starts the server has made the socket and hands it over (systemd.socket(5), sd_listen_fds(3)). Then it stays
when the server ends, and what Kong asks meanwhile waits in its backlog for the next server.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import socket
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

from kong_pluginserver import log
from kong_pluginserver.errors import PluginServerError

_LONGEST_PATH: Final = 107
_BACKLOG: Final = 4096
_FIRST_PASSED: Final = 3


class Listener:
    """A listening unix socket at `path`, mode 0600; with a `group` 0660, for the members of it (a name or number) too.

    Attributes:
        passed_on: another process made the socket, and keeps it when this one ends.

    Raises:
        PluginServerError: the path is too long, or its directory is missing or may not be written, or the group is none
            of this user's.
    """

    def __init__(self, path: Path, group: str | None = None) -> None:
        if len(os.fsencode(path)) > _LONGEST_PATH:
            raise PluginServerError(
                f"{path}: a socket path may have at most {_LONGEST_PATH} bytes; choose a shorter one"
            )
        if not path.parent.is_dir():
            raise PluginServerError(f"{path.parent}: no such directory; make it before the server starts")
        if path.exists() and not path.is_socket():
            raise PluginServerError(f"{path}: exists and is no socket; choose another --socket or remove it")
        self.path = path
        passed = _passed(path, os.environ)
        self.passed_on = passed is not None
        self.socket = passed or socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        if self.passed_on:
            return
        gid = None if group is None else _gid(group)
        if _is_served(path):
            log.line("warning", "socket_taken_over", socket=str(path), other="a server answers there, and goes on")
        try:
            self._identity = self._bind(path, gid)
        except OSError as error:
            self.socket.close()
            # EPERM is chown's, EACCES the folder's.
            why = f"; this user must be in the group {group}" if group and error.errno == errno.EPERM else ""
            raise PluginServerError(f"{path}: cannot make the socket: {error.strerror}{why}") from None

    def _bind(self, path: Path, gid: int | None) -> tuple[int, int]:
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        temporary = f".{os.getpid()}.new"
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=directory)
            mask = os.umask(0o177)
            try:
                # Through the directory's descriptor, so that the temporary name cannot be too long for a socket.
                self.socket.bind(f"/proc/self/fd/{directory}/{temporary}")
            finally:
                os.umask(mask)
            if gid is not None:
                os.chown(temporary, -1, gid, dir_fd=directory)
                os.chmod(temporary, 0o660, dir_fd=directory)
            self.socket.listen(_BACKLOG)
            found = os.stat(temporary, dir_fd=directory)
            os.rename(temporary, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=directory)
            raise
        finally:
            os.close(directory)
        return found.st_dev, found.st_ino

    def unlink(self) -> None:
        """Remove the socket file, unless a server that came after has put its own there, or it was passed on."""
        if self.passed_on:
            return
        try:
            found = self.path.stat()
            if (found.st_dev, found.st_ino) == self._identity:
                self.path.unlink()
        except FileNotFoundError:
            return

    def close(self) -> None:
        """Stop listening."""
        self.socket.close()


def _is_served(path: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        asking.connect(str(path))
        return True
    return False


def _gid(group: str) -> int:
    if group.isascii() and group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise PluginServerError(f"--socket-group {group}: there is no such group") from None


def _passed(path: Path, environment: MutableMapping[str, str]) -> socket.socket | None:
    """Return the socket that was passed to this process (sd_listen_fds(3)), None if there is none.

    Raises:
        PluginServerError: it is not the one that Kong connects to.
    """
    count, owner = environment.pop("LISTEN_FDS", ""), environment.pop("LISTEN_PID", "")
    if owner != str(os.getpid()):
        return None
    passed = socket.socket(fileno=_FIRST_PASSED) if count == "1" else None
    if passed is None or passed.family != socket.AF_UNIX or passed.getsockname() != str(path):
        raise PluginServerError(f"{path}: what systemd passed is not this one socket; name the same path in both units")
    passed.set_inheritable(False)
    return passed
