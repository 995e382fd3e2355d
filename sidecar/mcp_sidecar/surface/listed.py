"""The servers that are listed in a file, read anew whenever it changes: a file that cannot be read changes nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import structlog

from mcp_core.errand import Address
from mcp_core.servers import LIMITS, McpServer, ServersFileError, read_servers


def read_file(path: str) -> dict[str, McpServer]:
    """Return the servers that a file lists. Raises ServersFileError."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(LIMITS.body + 1)
    except OSError as error:
        raise ServersFileError(f"cannot be read: {error.strerror}") from None
    return read_servers(text)


class ListedServers:
    """One record a server: those of the file, and before it those that are named in the settings without one."""

    def __init__(self, path: str | None, named: Mapping[str, Address | None]) -> None:
        self._path = path
        self._named = named
        self._seen: tuple[int, ...] | None = None
        self._problem = ""
        self.all: Mapping[str, McpServer] = {}
        self.changed_at = 0
        """When the file that holds was written (Unix milliseconds); 0 where there is none."""
        self.refresh()

    @property
    def names(self) -> set[str]:
        """The names of all servers that are listed or named."""
        return {*self._named, *self.all}

    def address(self, name: str) -> Address | None:
        """Return where a server is, as far as it is said."""
        return self.all[name].address if name in self.all else self._named.get(name)

    def refresh(self) -> None:
        """Read the file again if it is another one. One that cannot be read is told of once; the last one holds on."""
        if self._path is None:
            return
        try:
            now = os.stat(self._path)  # noqa: PTH116 - as cheap as it can be: this is asked every second
            seen = (now.st_mtime_ns, now.st_size, now.st_ino)
            if seen == self._seen:
                return
            self._seen = seen
            self.all, self.changed_at = read_file(self._path), now.st_mtime_ns // 1_000_000
        except (OSError, ServersFileError) as error:
            if str(error) != self._problem:
                self._problem = str(error)
                structlog.get_logger().error("the servers file cannot be used", path=self._path, problem=str(error))
            return
        self._problem = ""
        structlog.get_logger().info("servers listed", path=self._path, servers=len(self.all))
