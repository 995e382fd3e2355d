"""Characters as a reader takes them: what cannot be seen is gone, and look-alikes are the letters they look like.

Decompositions are the standard library's; which letters of other scripts look like Latin ones is Unicode's data
(UTS #39, confusables), from the package confusable-homoglyphs, loaded when the first such letter is met.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from mcp_core.keys import IGNORABLE

INVISIBLE: Final = IGNORABLE + "\u2800\ufff9-\ufffb"
"""Characters that show nothing, as the inside of a character class."""

FOLDS: Final = 20_000
"""Characters whose reading is kept: more than the living scripts have, less than would fill memory."""

_INVISIBLE: Final = re.compile(f"[{INVISIBLE}]")
_TERMINAL: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,40}[ -/]{0,8}[@-~]|\x1b[@-_]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_FEW: Final = 100
"""Different characters up to which replacing one after the other is faster than translating all."""
_PHRASES: Final = {"\ufdfa": "\u0635", "\ufdfb": "\u062c"}
"""Arabic ligatures of whole phrases, which decompose to 18 and 8 characters, and the letter that each begins with."""
_LETTER: Final = re.compile(r"(?:LETTER|SYMBOL)(?: [A-Z]+)* ([A-Z])(?: WITH .*)?")


def visible(text: str) -> str:
    """Return the text without what shows nothing: invisible characters, controls and terminal sequences."""
    if _CONTROL.search(text):
        text = _TERMINAL.sub("", text)
    return text if text.isascii() else _INVISIBLE.sub("", text)


def composed(text: str) -> str:
    """Return the visible text, compatibility forms (fullwidth, styled, circled) replaced, in lower case."""
    return unicodedata.normalize("NFKC", _without_phrases(visible(text))).lower()


def folded(text: str) -> str:
    """Return the visible text in lower case, without accents, letters that look like Latin ones made those."""
    if text.isascii():
        return visible(text).lower()
    text = unicodedata.normalize("NFKD", _without_phrases(visible(text)))
    others = [one for one in set(text) if one > "\x7f"]
    if len(others) > _FEW:
        return text.translate(_FOLDS).lower()
    for other in others:
        read_as = _FOLDS[ord(other)]
        if read_as != other:
            text = text.replace(other, read_as)
    return text.lower()


def _without_phrases(text: str) -> str:
    """Return the text with a letter for each ligature that would make it many times as long."""
    for one, letter in _PHRASES.items() if not text.isascii() else ():
        text = text.replace(one, letter)
    return text


class _Folds(dict[int, str]):
    """Code point -> what it is read as, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        if len(self) >= FOLDS:
            self.clear()
        self[code] = read_as = _fold(chr(code))
        return read_as


def _fold(one: str) -> str:
    if one.isascii():
        return one
    kind = unicodedata.category(one)
    if kind in ("Mn", "Me"):
        return ""
    if kind[0] == "P":
        return _PUNCTUATION.get(one, " ")
    if kind[0] == "Z":
        return " "
    return latin_look(one) or one


_PUNCTUATION: Final = {"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u2013": "-", "\u2014": " - ", "\u3002": ". "}


def latin_look(one: str) -> str:
    """Return the ASCII letter or letters that a character of another alphabet looks like; empty where there is none."""
    if 0x2E80 <= ord(one) < 0xA4D0 or 0xAC00 <= ord(one) < 0xFB00:  # East Asian scripts are never read as Latin
        return ""
    if (looks := _confusables().get(one)) is not None:
        return looks
    found = _LETTER.search(unicodedata.name(one, "")) if unicodedata.name(one, "").startswith(_LATIN_NAMES) else None
    return found[1].lower() if found else ""


_LATIN_NAMES: Final = ("LATIN ", "NEGATIVE ", "REGIONAL INDICATOR", "TURNED ", "SQUARED ", "CIRCLED ")


def _confusables() -> dict[str, str]:
    if not _TABLE:
        from confusable_homoglyphs.confusables import confusables_data  # noqa: PLC0415 - a megabyte that few texts need

        for one, looks in confusables_data.items():
            if len(one) == 1 and not one.isascii() and one.isalpha():
                letters = sorted(look["c"].lower() for look in looks if look["c"].isascii() and look["c"].isalpha())
                if letters:
                    _TABLE[one] = letters[0]
    return _TABLE


_TABLE: Final[dict[str, str]] = {}
_FOLDS: Final = _Folds()
