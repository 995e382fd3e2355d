"""Who is cut off while requests are open: each request says by what, and ends when that comes to pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import anyio

from mcp_core.auth.revoked import Revoked, session_mark
from mcp_core.outcome import FORBIDDEN, Reject
from mcp_core.reasons import Reason
from mcp_core.seal import from_base64url

CUT_OFF: Final = Reject(
    FORBIDDEN,
    "Whoever asked this, its client or its session was cut off while it was open.",
    Reason.CUT_OFF,
    status=403,
)


class Watched:
    """One open request. `scope` is cancelled once it is cut off."""

    def __init__(self, cuts: Cuts, marks: Sequence[str]) -> None:
        self.scope = anyio.CancelScope()
        self._cuts = cuts
        self._digests = [digest for mark in marks if (digest := from_base64url(mark)) is not None]

    def opens(self, session: str) -> None:
        """Take that the request has opened a session, by which it can be cut off from now on."""
        self._digests += filter(None, [from_base64url(session_mark(session))])
        self.look()

    def look(self) -> None:
        """Cancel the request if it is cut off now."""
        if any(map(self._cuts.holds, self._digests)):
            self.scope.cancel()


class Cuts:
    """The open requests of a process, and the list by which they are cut off. Takes a clock of Unix time in seconds."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._revoked = Revoked()
        self._open: set[Watched] = set()

    def __len__(self) -> int:
        return len(self._open)

    def holds(self, digest: bytes) -> bool:
        """Return whether something is cut off now."""
        return self._revoked.holds(digest, self._wall())

    def name(self, marks: Sequence[str]) -> bool:
        """Return whether a request with these marks is cut off now."""
        return any(self.holds(digest) for mark in marks if (digest := from_base64url(mark)) is not None)

    def hear(self, revoked: Revoked) -> None:
        """Take the node's list as it is now, and cut off what it names."""
        self._revoked = revoked
        for watched in tuple(self._open):
            watched.look()

    @contextmanager
    def watch(self, marks: Sequence[str]) -> Iterator[Watched]:
        """Give a request its scope, which is cancelled when one of its marks is cut off: at once where one is."""
        watched = Watched(self, marks)
        self._open.add(watched)
        try:
            # The guard may have let it in by an older list than ours.
            watched.look()
            yield watched
        finally:
            self._open.discard(watched)
