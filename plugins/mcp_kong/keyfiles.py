"""The file of issuers' keys, as one process of the plugin server reads it: who may have signed a token.

A file that was read well is kept until another one can be. Keys count no longer than the file says, and none count
where there is no file: a token that nobody can check opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from mcp_core.auth.keyfile import IssuerKeys, read_file
from mcp_core.auth.keysets import KeySet
from mcp_kong.sealed_files import CHECK_SECONDS, SealedFile

ISSUER_KEYS_VARIABLE: Final = "KONG_MCP_ISSUER_KEYS"
"""Environment variable with the path of the file that this node's sidecar writes."""

MISS_SECONDS: Final = 0.005
"""The same for whoever brings a token of a key that is not known: it may have come a moment ago."""


class KeyFile:
    """One file."""

    def __init__(self, path: str, ring: Sequence[bytes], clock: Callable[[], float], wall: Callable[[], float]) -> None:
        """Take a monotonic clock and one of Unix time, both in seconds. Nothing is read yet."""
        self._wall = wall
        self._file: SealedFile[dict[str, IssuerKeys]] = SealedFile(
            path, lambda data: read_file(data, ring, msgspec.msgpack.decode), clock, "issuers' keys"
        )

    def keys(self, issuer: str) -> KeySet | None:
        """Return the keys of an issuer that count now, or None where there are none."""
        self.look(CHECK_SECONDS)
        found = (self._file.value or {}).get(issuer)
        return None if found is None or found.until <= self._wall() else found.keys

    def look(self, seconds: float) -> bool:
        """Read the file if it is another one, where nobody has looked for so long. Returns whether it was read."""
        return self._file.look(seconds)


_files: Final[dict[tuple[str, tuple[bytes, ...]], KeyFile]] = {}


def key_file(path: str, ring: tuple[bytes, ...], clock: Callable[[], float], wall: Callable[[], float]) -> KeyFile:
    """Return the process's reader of a file: all guards of a process share it."""
    return _files.setdefault((path, ring), KeyFile(path, ring, clock, wall))


def between_events() -> None:
    """Read what is new while no request waits."""
    for file in _files.values():
        file.look(CHECK_SECONDS)
