"""Runs of characters of one class, found at the speed of a search for a fixed text.

An expression such as `[01 ,]{48,}` is tried at every character of a text. Here each character becomes one that says
whether it is of the class (bytes.translate), and what is looked for is so many of these in a row, which few texts hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_IN, _OUT = ord("x"), ord(".")
REST: Final = bytes(range(0x80, 0xC0))
"""Bytes of UTF-8 after the first of a character: without them each character is one byte."""


class Runs:
    """The longest runs of a class of characters, at least so many of them."""

    def __init__(self, inside: str, least: int) -> None:
        """`inside` is the inside of a character class of regular expressions."""
        pattern = re.compile(f"[{inside}]")
        # Bytes from 128 are parts of characters beyond ASCII, and of no class.
        self._table = bytes(_IN if code < 128 and pattern.match(chr(code)) else _OUT for code in range(256))
        self._least = b"x" * least

    def are_in(self, data: bytes) -> bool:
        """Return whether there is any such run in a text, whose UTF-8 is `data`."""
        return self._least in data.translate(self._table)

    def places(self, text: str, data: bytes) -> Iterator[tuple[int, int]]:
        """Return start and end of each run of a text, whose UTF-8 is `data`."""
        # Of a character beyond ASCII the first byte is left, so that places of bytes are those of characters.
        kinds = data.translate(self._table, b"" if text.isascii() else REST)
        start = kinds.find(self._least)
        while start >= 0:
            end = kinds.find(b".", start)
            end = len(kinds) if end < 0 else end
            yield start, end
            start = kinds.find(self._least, end)
