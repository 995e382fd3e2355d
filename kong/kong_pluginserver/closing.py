"""Connections of a worker that has ended, until they are closed.

Kong may be waiting for an answer, be about to send a reply, or have put the connection into its pool; nobody here
knows. What is sent must be right for all three. A refusal is read as the next PDK call in the first two cases, and in
the third Kong drops a pooled connection that has something to read. The end alone is read as a plugin server that died.
Either way the descriptor stays open for a moment, for Kong's own send must not fail on it.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Final

_MOMENT: Final = 2.0


class ClosingConnections:
    """The connections that are still open, with the monotonic time at which they are closed."""

    def __init__(self) -> None:
        self._open: list[tuple[float, socket.socket]] = []

    def add(self, peer: socket.socket, last_frames: bytes, now: float) -> None:
        """Send `last_frames` if there are any, and that nothing will follow; close in a moment."""
        with contextlib.suppress(OSError):
            if last_frames:
                peer.send(last_frames)
            peer.shutdown(socket.SHUT_WR)
        self._open.append((now + _MOMENT, peer))

    def end(self, now: float) -> None:
        """Close what has been open long enough."""
        while self._open and self._open[0][0] <= now:
            self._open.pop(0)[1].close()

    def peers(self) -> list[socket.socket]:
        """Return all that are open."""
        return [peer for _, peer in self._open]
