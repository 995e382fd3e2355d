"""Why answers do not reach agents, for a terminal: read from the sidecar's log as it grows, each cause told once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

EVENTS: Final = frozenset({"answer withheld", "server refused"})
"""What the sidecar's log lines that have a cause in them are called."""
_MOST: Final = 1000
"""Causes that are told at most: a server that finds ever new ones is in the log."""


class Causes:
    """Follows one log."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read = 0
        self._told: set[str] = set()

    def new(self) -> list[str]:
        """Return a line for each cause that was not told yet."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        told = []
        for raw in whole.splitlines():
            line = _described(raw)
            if line is not None and line not in self._told and len(self._told) < _MOST:
                self._told.add(line)
                told.append(line)
        return told


def _described(raw: bytes) -> str | None:
    """Return a log line as people read it, or None for one that tells of nothing that was kept from an agent.

    What a server said stands in the log fit to print.
    """
    try:
        line: Any = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(line, dict) or line.get("event") not in EVENTS:
        return None
    parts = [f"{line.get('server')}: {line['event']}", f"{line.get('method') or 'stream'}", str(line.get("why"))]
    if line.get("points_to"):
        parts.append(f"it points to {line['points_to']}")
    if line.get("said"):
        parts.append(f"it said: {line['said']}")
    if line.get("do"):
        parts.append(f"what to do: {line['do']}")
    return "; ".join(parts)
