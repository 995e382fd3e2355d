"""Who is cut off, as one process of the plugin server knows it. Without a file nobody can tell, so nothing passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from mcp_core.auth import revoked
from mcp_core.auth.denied import KeysMissing
from mcp_core.auth.revoked import Revoked, marks_of
from mcp_core.headers import Headers
from mcp_core.methods import SESSION_HEADER
from mcp_core.principal import NOBODY, Principal
from mcp_core.reasons import Reason
from mcp_kong.sealed_files import CHECK_SECONDS, SealedFile

REVOKED_VARIABLE: Final = "KONG_MCP_REVOKED"
"""Environment variable with the path of the file that this node's sidecar writes."""

UNKNOWN: Final = KeysMissing(
    Reason.NO_REVOCATIONS, "The gateway does not know at present who was cut off, so nothing passes. Try again."
)


class Revocations:
    """One file."""

    def __init__(
        self, path: str, ring: tuple[bytes, ...], clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        """Take a monotonic clock and one of Unix time, both in seconds."""
        self._wall = wall
        self._file: SealedFile[Revoked] = SealedFile(
            path, lambda data: revoked.read_file(data, ring, msgspec.msgpack.decode), clock, "revocations"
        )

    def cuts(self, principal: Principal) -> bool | None:
        """Return whether a token's subject or client is cut off, None where nobody can tell."""
        self._file.look(CHECK_SECONDS)
        known = self._file.value
        return None if known is None else known.cuts(principal, self._wall())

    def cuts_session(self, token: str) -> bool:
        """Return whether a session is cut off, or nobody can tell."""
        self._file.look(CHECK_SECONDS)
        known = self._file.value
        return known is None or known.cuts_session(token, self._wall())

    @property
    def sign(self) -> str | None:
        """The sign of the file that is in force, None for none."""
        return self._file.sign

    def look(self) -> None:
        """Read the file if it is another one."""
        self._file.look(CHECK_SECONDS)


def cuts_of(revoked: Revocations | None, principal: Principal | None, headers: Headers) -> tuple[str, ...]:
    """Return the digests by which a request is cut off while it is open; none where there is no list."""
    if revoked is None:
        return ()
    session = headers.get(SESSION_HEADER)
    return marks_of(principal or NOBODY, session if isinstance(session, str) else None)


_files: Final[dict[tuple[str, tuple[bytes, ...]], Revocations]] = {}


def revocations(
    path: str, ring: tuple[bytes, ...], clock: Callable[[], float], wall: Callable[[], float]
) -> Revocations:
    """Return the process's reader of a file: all guards of a process share it."""
    return _files.setdefault((path, ring), Revocations(path, ring, clock, wall))


def between_events() -> None:
    """Read what is new while no request waits."""
    for file in _files.values():
        file.look()
