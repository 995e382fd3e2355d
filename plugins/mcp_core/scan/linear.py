r"""Regular expressions that cannot blow up: the subset that operators may write.

Allowed are literals, escapes such as \d and \b, character classes, groups, alternatives and bounded repetition
({m,n} up to 64, ? too). Not allowed are *, + and open bounds, repetition of anything that repeats, look-arounds and
back-references. The work for one place of the text is then bounded by the expression alone.
"""

from __future__ import annotations

import re
from typing import Any, Final

LONGEST: Final = 500
"""Characters of an expression."""
MOST_REPEATED: Final = 64
STEPS: Final = 2_000
"""Ways through an expression that one place of a text may cost."""

_BOUND: Final = re.compile(r"\{(\d{1,4})(?:,(\d{1,4}))?\}")
_ATOM: Final = re.compile(
    r"\\[dDwWsSbB.^$*+?{}\[\]|()\\/:;,'\"=<>@#&%!~-]|\\x[0-9a-fA-F]{2}|\[\^?\]?(?:[^\]\\\n]|\\.){0,120}\]|[^\\\[\](){}*+?|]"
)


class LinearError(ValueError):
    """The expression is outside of the subset; the message says where."""


def check_linear(text: Any) -> str:
    """Return the expression, in lower case where it stands for letters, if it is in the subset.

    Raises:
        LinearError: if it is not, saying what to write instead.
    """
    if not isinstance(text, str) or not 1 <= len(text) <= LONGEST:
        raise LinearError(f"write an expression of 1 to {LONGEST} characters")
    ways, at, _ = _alternatives(text, 0, 0)
    if at != len(text):
        raise LinearError(f"a ) without its ( at {at}")
    if ways > STEPS:
        raise LinearError("it can match in too many ways; write smaller bounds, or several patterns")
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise LinearError(f"it is not an expression: {error}") from None
    if pattern.match(""):
        raise LinearError("it matches the empty text; name something that must be there")
    return f"(?i:{text})"


def _alternatives(text: str, at: int, depth: int) -> tuple[int, int, bool]:
    """Read alternatives up to their end. Returns how many ways they can match, where they end, and if they repeat."""
    if depth > 8:
        raise LinearError("its groups are nested more than 8 deep")
    ways, total, repeats = 1, 0, False
    while at < len(text) and text[at] != ")":
        if text[at] == "|":
            total, ways, at = total + ways, 1, at + 1
            continue
        inner, at, inner_repeats = _element(text, at, depth)
        least, most, at = _repetition(text, at)
        if most > 1 and inner_repeats:
            raise LinearError(f"it repeats something that repeats, before {at}")
        repeats = repeats or inner_repeats or most > 1
        ways = min(ways * inner**most * (most - least + 1), 1 << 40)
    return total + ways, at, repeats


def _element(text: str, at: int, depth: int) -> tuple[int, int, bool]:
    if text[at] == "(":
        start = at + 3 if text.startswith("(?:", at) else at + 1
        if text[start : start + 1] == "?":
            raise LinearError(f"look-arounds, names and flags are not allowed, at {at}; write (?:...)")
        ways, end, repeats = _alternatives(text, start, depth + 1)
        if text[end : end + 1] != ")":
            raise LinearError(f"a ( without its ) at {at}")
        return ways, end + 1, repeats
    atom = _ATOM.match(text, at)
    if atom is None:
        raise LinearError(f"{text[at : at + 10]!r} at {at} is not allowed; repeat with {{m,n}}, and escape signs")
    return 1, atom.end(), False


def _repetition(text: str, at: int) -> tuple[int, int, int]:
    """Return how often a repetition at this place matches at least and at most, and where it ends."""
    if text[at : at + 1] == "?":
        return 0, 1, at + 1
    bound = _BOUND.match(text, at)
    if bound is None:
        return 1, 1, at
    least, most = int(bound[1]), int(bound[2] or bound[1])
    if not least <= most <= MOST_REPEATED:
        raise LinearError(f"{bound[0]} at {at}: write bounds up to {MOST_REPEATED}")
    lazy = text[bound.end() : bound.end() + 1] == "?"
    return least, most, bound.end() + lazy
