"""Hints: short texts of which any match of an expression holds one. They are looked for before it is tried."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from mcp_core.scan.text import Reading
from mcp_core.scan.trial import Expression

SEEN: Final = 4_000
"""Sets of signs for which is kept what a text may match that has these."""

_LETTERS: Final = re.compile("[a-z_]+")
_SIGNS: Final = re.compile("[^a-z0-9_ ]+")


_Possible: TypeAlias = tuple[Expression, int, tuple[str, ...]]
"""An expression, the bits of its gate's words, and the hints of which a text may hold one."""


class Hinted:
    """Expressions on the characters of a text. Tells which of them a text may match."""

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self._expressions = expressions
        self._signs = sorted({sign_of(hint) for expression in expressions for hint in expression.hints} - {""})
        self._by_signs: dict[frozenset[str], list[_Possible]] = {}

    def in_text(self, reading: Reading, present: int) -> list[Expression]:
        """Return those of which a text holds a hint, and, as `present` are the bits of its words, the gate's words."""
        code = reading.code
        signs = frozenset([sign for sign in self._signs if sign in code])
        possible = self._by_signs.get(signs)
        if possible is None:
            if len(self._by_signs) >= SEEN:
                self._by_signs.clear()
            possible = self._by_signs[signs] = self._with_signs(signs)
        found = []
        for expression, needed, hints in possible:
            if needed and present & needed != needed:
                continue
            if not hints or holds_any(reading, hints):
                found.append(expression)
        return found

    def _with_signs(self, signs: Container[str]) -> list[_Possible]:
        """Return the expressions that such a text may match, each with the hints of which it may hold one.

        No hints say that the text holds one for certain, or that the expression has none.
        """
        found: list[_Possible] = []
        for expression in self._expressions:
            hints = tuple(hint for hint in expression.hints if sign_of(hint) in signs or not sign_of(hint))
            if hints or not expression.hints:
                found.append(
                    (expression, expression.needed, () if any(hint == sign_of(hint) for hint in hints) else hints)
                )
        return found


def holds_any(reading: Reading, hints: Sequence[str]) -> bool:
    """Return whether a text holds one of some hints. Of a long one its letters and signs are asked first."""
    code = reading.code
    if reading.is_long:
        letters, signs = reading.letters, reading.signs
        for hint in hints:
            word, sign = _parts(hint)
            if word in letters and sign in signs and hint in code:
                return True
        return False
    for hint in hints:  # noqa: SIM110 - a generator costs as much as some of these
        if hint in code:
            return True
    return False


@lru_cache(maxsize=1024)
def sign_of(hint: str) -> str:
    """Return a sign of a hint that most texts do not hold, so that all hints with it are dismissed at once."""
    return next((one for one in hint if not one.isalnum() and one not in " _"), "")


@lru_cache(maxsize=1024)
def _parts(hint: str) -> tuple[str, str]:
    """Return the longest run of letters and the longest run of signs in a hint."""
    return max(_LETTERS.findall(hint), key=len, default=""), max(_SIGNS.findall(hint), key=len, default="")
