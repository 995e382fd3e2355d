"""Text of a server made fit to print: short, ASCII, and without anything that a terminal or a reader would obey."""

from __future__ import annotations

from typing import Final

LENGTH: Final = 160
"""Characters of an excerpt."""

_LEAD: Final = 30
"""Characters shown before the place that a rule saw."""


def escaped(text: str) -> str:
    r"""Return the text with everything but printable ASCII written as \xNN, \uNNNN or \UNNNNNNNN."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return text.encode("ascii", "backslashreplace").decode() if text.isprintable() else _escaped(text)


def _escaped(text: str) -> str:
    return "".join(
        one if " " <= one <= "~" else one.encode("unicode_escape", "surrogatepass").decode("ascii") for one in text
    )


def excerpt(text: str, start: int = 0, end: int | None = None) -> str:
    """Return at most LENGTH characters of the text around `start` to `end`, escaped."""
    first = max(0, start - _LEAD)
    last = min(len(text), max(start + LENGTH, first + LENGTH) if end is None else max(end, first + LENGTH))
    shown = escaped(text[first : min(last, first + LENGTH)])
    return (
        ("..." if first else "") + shown
        if len(shown) <= LENGTH - 6
        else "..." * bool(first) + shown[: LENGTH - 6] + "..."
    )
