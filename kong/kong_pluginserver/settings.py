"""The settings of one server, with their defaults: the only place where a default is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What the command line says.

    Attributes:
        plugins: directory of the plugin files.
        socket: path of the socket that Kong connects to.
        workers: processes that run plugins.
        deadline: seconds that one event may take.
        upload: seconds that a client may take to send a request body, for which the deadline waits.
        drain: seconds that events in flight may take once the server is told to end.
        max_body: bytes of the largest request body, or of any other reply of Kong's, that is read.
        socket_group: name or number of the group that may connect beside the socket's owner; None for nobody.
        end_with_parent: whether it ends when the process is gone that started it, as a child of Kong's must.
    """

    plugins: Path
    socket: Path
    workers: int = 2
    deadline: float = 5.0
    upload: float = 60.0
    drain: float = 10.0
    max_body: int = 16 * 1024 * 1024
    socket_group: str | None = None
    end_with_parent: bool = False

    @property
    def tick(self) -> float:
        """Seconds between two looks at the deadlines."""
        return min(max(self.deadline / 10, 0.02), 0.25)
