"""What is wrong with a server file, and where: a line for the person who writes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

_SHOWN = 60


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to mend. `line` counts from 1; `where` is the field, `replicas[0]` say, or empty for the whole file.

    `text` says what was found and what to write instead. A warning refuses nothing.
    """

    file: str
    line: int
    where: str
    text: str
    warning: bool = False

    def __str__(self) -> str:
        """Return the line that is printed: FILE:LINE: FIELD: what was found; what to write."""
        word = "warning: " if self.warning else ""
        where = f"{self.where}: " if self.where else ""
        return f"{self.file}:{self.line}: {word}{where}{self.text}"

    def to_json(self) -> dict[str, Any]:
        """Return what `kong-mcp server check --json` prints of it."""
        level = "warning" if self.warning else "error"
        return {"file": self.file, "line": self.line, "field": self.where, "level": level, "message": self.text}


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about a word that is not known: the nearest that is, else all of them."""
    names = sorted(known)
    close = get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"write one of {', '.join(names)}"


def shown(text: str) -> str:
    """Return a text as an error may show it: short, on one line, in ASCII."""
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return ascii(cut)
