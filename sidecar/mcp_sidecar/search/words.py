"""Words of names, descriptions and queries, as both sides of the search have them.

Names are split as programmers join them (get_user_name, getUserName, get-user-name, HTTPServer), words lose the endings
of English, and scripts that write no spaces are taken by pairs of signs.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_RUN: Final = re.compile(r"[^\W\d_]+|\d+")
"""Letters of any script, or digits."""
_PART: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
"""One part of a name in ASCII: the beginning of HTTPServer, user, Name, URL."""
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
"""Control characters, and halves of characters that no encoder takes."""
_BLANKS: Final = re.compile(r"\s+")
_BETWEEN: Final = re.compile(r"[.?!;\n]+ ?|,? (?:and|then|also|as well as|while)[ \n]", re.IGNORECASE)
"""What divides the parts of a query."""
MOST_CLAUSES: Final = 6
_LONGEST: Final = 40
"""Characters of one word that are told apart."""
_NO_SPACES: Final = "\u2e80"
"""From here on lie the scripts of East Asia, whose words are not divided by spaces."""
_DOUBLED: Final = frozenset("bdgkmnprt")
"""Consonants that English doubles before an ending: plan, planned."""

_SAY_NOTHING: Final = (
    "a an and any are as at be been but by can could do does for from had has have how i if in into is it"
    " its just me my of on or our please should so some that the their them then there these they this"
    " those to us was we were what when where which who whose will with would you your m s t ve re ll d im"
    " am let need want help tell use used using"
)
STOP_WORDS: Final = frozenset(_SAY_NOTHING.split())
"""Words that say nothing of what is asked for."""


def readable(text: str) -> str:
    """Return a text with blanks for control characters, and with one form for letters that have several (NFKC)."""
    return unicodedata.normalize("NFKC", _UNSEEN.sub(" ", text))


def split(text: str) -> list[str]:
    """Return the words of a text in lower case, in their order, names split into their parts."""
    found = []
    for run in _RUN.findall(readable(text)):
        parts = _PART.findall(run) if run.isascii() and run.isalpha() else [run]
        found += [part.lower() for part in parts]
    return found


def terms(text: str) -> list[str]:
    """Return what two texts can have in common: the stems of their words, without those that say nothing."""
    found = []
    for one in split(text):
        if one[0] >= _NO_SPACES:
            found += [one[at : at + 2] for at in range(max(1, len(one) - 1))]
        elif one not in STOP_WORDS:
            found.append(stem(one[:_LONGEST]))
    return found


def clauses(query: str) -> list[str]:
    """Return the parts of a query that each ask for something: sentences, and what stands between "and" and "then"."""
    # Runs of blanks first: many of them would be tried from each of their places.
    plain = _BLANKS.sub(lambda run: "\n" if "\n" in run[0] else " ", query)
    return [one for one in _BETWEEN.split(plain) if terms(one)][:MOST_CLAUSES]


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return a word without the plainest endings of English (-s, -ies, -ed, -ing, -e).

    Less than Porter's: two words that mean different things must not become one.
    """
    word = _singular(word)
    if len(word) > 5 and word.endswith("ing"):
        word = _single(word[:-3])
    elif len(word) > 4 and word.endswith("ed"):
        word = _single(word[:-2])
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 4 and word.endswith("sses"):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _single(word: str) -> str:
    return word[:-1] if len(word) > 2 and word[-1] == word[-2] and word[-1] in _DOUBLED else word
