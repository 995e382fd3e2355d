"""Idle connections, kept for what comes next to the same address: 60 s, as Kong keeps them by default."""

import asyncio
from typing import Final

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_SECONDS: Final = 60.0
_MOST: Final = 512


class IdleConnections:
    """The idle connections to one address."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, Connection]] = []

    def take(self) -> Connection | None:
        """Return one that can still be used, or None."""
        now = asyncio.get_running_loop().time()
        while self._kept:
            since, (reader, writer) = self._kept.pop()
            if now - since < _SECONDS and not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return None

    def give(self, connection: Connection) -> None:
        """Keep a connection that is ready for more."""
        if len(self._kept) < _MOST and not connection[1].is_closing():
            self._kept.append((asyncio.get_running_loop().time(), connection))
        else:
            connection[1].close()

    def close(self) -> None:
        """Close all of them."""
        while self._kept:
            self._kept.pop()[1][1].close()
