"""The socket file that Kong connects to: private to its owner, and taken over without a moment in which it is missing.

It is bound and listening under another name first and then renamed, so a server that starts during `kong reload` takes
over from one that is still draining; that one leaves the file alone, for it is not its own any more.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Final

from kong_pluginserver.errors import PluginServerError

_LONGEST_PATH: Final = 107
_BACKLOG: Final = 4096


class Listener:
    """A listening unix socket at `path`, mode 0600.

    Raises:
        PluginServerError: the path is too long, or its directory is missing or may not be written.
    """

    def __init__(self, path: Path) -> None:
        if len(os.fsencode(path)) > _LONGEST_PATH:
            raise PluginServerError(
                f"{path}: a socket path may have at most {_LONGEST_PATH} bytes; choose a shorter one"
            )
        if not path.parent.is_dir():
            raise PluginServerError(f"{path.parent}: no such directory; make it before the server starts")
        if path.exists() and not path.is_socket():
            raise PluginServerError(f"{path}: exists and is no socket; choose another --socket or remove it")
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        try:
            self._identity = self._bind(path)
        except OSError as error:
            self.socket.close()
            raise PluginServerError(f"{path}: cannot make the socket: {error.strerror}") from None

    def _bind(self, path: Path) -> tuple[int, int]:
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
            self.socket.listen(_BACKLOG)
            found = os.stat(temporary, dir_fd=directory)
            os.rename(temporary, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        finally:
            os.close(directory)
        return found.st_dev, found.st_ino

    def unlink(self) -> None:
        """Remove the socket file, unless another server has put its own there."""
        try:
            found = self.path.stat()
            if (found.st_dev, found.st_ino) == self._identity:
                self.path.unlink()
        except FileNotFoundError:
            return

    def close(self) -> None:
        """Stop listening."""
        self.socket.close()
