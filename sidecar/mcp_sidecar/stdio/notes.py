"""What a local program says beside its protocol, as bounded log lines."""

from __future__ import annotations

import time
from typing import Final

import structlog

from mcp_core.scan.excerpt import escaped

SHOWN: Final = 500
"""Characters of one line that are logged."""
BURST: Final = 50
"""Lines of one program that are logged in any PERIOD; the others are counted."""
PERIOD: Final = 10.0


class ProgramNotes:
    """Writes what one program says, so much of it as a log can take."""

    def __init__(self, server: str, pid: int) -> None:
        self._log = structlog.get_logger().bind(server=server, program=pid)
        self._begun = time.monotonic()
        self._written = 0
        self._left_out = 0

    def say(self, event: str, text: bytes = b"", **more: object) -> None:
        """Write one line, or count it where there were too many."""
        now = time.monotonic()
        if now - self._begun > PERIOD:
            self.close()
            self._begun, self._written = now, 0
        if self._written == BURST:
            self._left_out += 1
            return
        self._written += 1
        if text:
            more["text"] = escaped(text[: 4 * SHOWN].decode(errors="replace"))[:SHOWN]
        self._log.warning(event, **more)

    def close(self) -> None:
        """Say how many lines were left out."""
        if self._left_out:
            self._log.warning("lines of the program were left out", lines=self._left_out)
            self._left_out = 0
