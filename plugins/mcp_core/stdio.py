"""What is declared of one local server: what is run for it, with what, and within which bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

DEFAULT_PORT: Final = 9170
"""Where local servers are reached, on loopback."""
SEARCH_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for, unless `env` has a PATH of its own."""


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """How much a program and all that it starts may take.

    `memory` is MiB, of each process as the kernel holds it and of all together; `cpu` seconds of each process, None for
    any number; `files` open files of each process; `processes` all that run at once; `answer` seconds until a request
    is answered; `sessions` programs that run at once, or sessions of a shared one; `idle` seconds without any request
    after which a session ends.
    """

    memory: int = 1024
    cpu: int | None = None
    files: int = 1024
    processes: int = 64
    answer: int = 300
    sessions: int = 16
    idle: int = 1800


@dataclass(frozen=True, slots=True)
class StdioServer:
    """One local server. `environment` is all that its program finds in its own, secrets among it, but for its home."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    shared: bool = False
    limits: ProcessLimits = field(default_factory=ProcessLimits)

    @property
    def path(self) -> str:
        """Where it is reached at the port of local servers."""
        return path_of(self.name)


def path_of(name: str) -> str:
    """Return the path of a local server's MCP endpoint."""
    return f"/{name}/mcp"
