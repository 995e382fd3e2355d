"""What the log of local servers tells a person: programs that end, and what they write where messages belong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kong_mcp.happenings import Happening, Sort, line, shown

_ENDED: Final = "the local program ended"
_PROBLEMS: Final = {
    "the local program did not answer in time": "see what it waits for; limits.answer of its server file says how long",
    "a line of standard output is no message": "have it write its log to standard error: messages alone stand there",
    "a line was too long and is passed over": "have it answer in less than 8 MiB",
    "standard output is read no more": "have it write messages alone to standard output",
}
"""What happened -> what to do."""
_NOT_FOUND: Final = 127
_MOST: Final = 1000
"""Programs whose last words are kept."""


class Programs:
    """Reads the log lines of `kong-mcp stdio serve`. What programs said stands in them fit to print."""

    def __init__(self) -> None:
        self._last_words: dict[object, str] = {}

    def happening(self, logged: Mapping[str, Any]) -> Happening | None:
        """Return what a log line tells people, or None for one that tells them nothing."""
        event, server, program = str(logged.get("event")), str(logged.get("server")), str(logged.get("program"))
        if event == "standard error":
            said = self._last_words.pop(program, "")
            self._last_words[program] = str(logged.get("text") or "") or said
            if len(self._last_words) > _MOST:  # programs that the gateway ended itself say no more
                del self._last_words[next(iter(self._last_words))]
            return None
        if event == _ENDED:
            status, said = logged.get("status"), self._last_words.pop(program, "")
            parts = [f"{_ENDED} with status {shown(status)}", f"it said last: {shown(said)}" if said else ""]
            what = "command, or have it installed" if status == _NOT_FOUND else "command, its env, or the program"
            return Happening(Sort.TROUBLE, server, line(server, parts, f"mend its {what}; local.log has all it said"))
        if event in _PROBLEMS:
            return Happening(Sort.TROUBLE, server, line(server, [event], _PROBLEMS[event]))
        return None
