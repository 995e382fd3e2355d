"""The small language of rules: phrases of words, concepts and gaps, compiled to patterns that cannot blow up.

A phrase is words with one space between them:

    word  word*  one|OTHER|third*   alternatives: words (`*` stands for any ending) and concepts in capitals, which are
                                    lists of words and expressions (mcp_core.scan.lexicon)
    ~4                              up to four words of the same sentence
    word?                           alternatives that may be missing
    NAME                            a word that looks like the name of a tool: read_file

There is no repetition but the gap, which is bounded: a phrase is matched in time linear in the text. Each phrase knows
words of which a text must hold one for it to match, so that most phrases are never tried on most texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mcp_core.scan.lexicon import CONCEPTS

MAX_GAP: Final = 12
"""Words that one gap may span."""

STEM: Final = 4
"""Letters of a stem by which texts and phrases are compared before a phrase is tried."""

NAME: Final = "NAME"
"""What stands in a phrase for a word that looks like the name of a tool."""

_GAP: Final = re.compile(r"~(\d{1,2})")
_WORD: Final = re.compile(r"[a-z0-9_]+\*?|[A-Z]{2,}")


class PhraseError(ValueError):
    """A phrase cannot be read; the message says which part of it."""


@dataclass(frozen=True)
class Phrase:
    """A compiled phrase. `needs` holds, for each part that must occur, its possible words; stems end with `*`."""

    pattern: str
    needs: tuple[frozenset[str], ...]


def compile_phrase(text: str) -> Phrase:
    """Return the compiled phrase. Raises PhraseError on anything that is not one."""
    pattern, needs = [], []
    elements = text.split(" ")
    if len(elements) > 16:
        raise PhraseError(f"{text!r} has more than 16 parts")
    for element in elements:
        if gap := _GAP.fullmatch(element):
            if not 1 <= int(gap[1]) <= MAX_GAP:
                raise PhraseError(f"{element!r} in {text!r}: a gap is ~1 to ~{MAX_GAP}")
            pattern.append(rf"(?:[^ .\x00]+ ){{0,{int(gap[1])}}}?")
            continue
        words = _words(element.removesuffix("?"), text)
        pattern.append(f"(?:{'|'.join(map(_one, words))}){'?' if element.endswith('?') else ''}")
        if not element.endswith("?"):
            needs.append(frozenset(map(_key, words)))
    if not needs:
        raise PhraseError(f"{text!r} has no word that must occur")
    return Phrase("".join(pattern), tuple(needs))


def _words(element: str, phrase: str) -> list[str]:
    words: list[str] = []
    for one in element.split("|"):
        if not _WORD.fullmatch(one):
            raise PhraseError(f"{one!r} in {phrase!r} is neither a word, a concept in capitals nor a gap such as ~3")
        if one == NAME:
            words.append(one)
        elif one.isupper():
            if one not in CONCEPTS:
                raise PhraseError(f"{one!r} in {phrase!r} is not a concept; there are {', '.join(CONCEPTS)}")
            words += CONCEPTS[one]
        elif one.endswith("*") and len(one) <= STEM:
            raise PhraseError(f"{one!r} in {phrase!r}: write at least {STEM} letters before *")
        else:
            words.append(one)
    return list(dict.fromkeys(words))


def _one(word: str) -> str:
    if word == NAME:
        return "[^ ]{1,60}_[^ ]{1,60} "
    return re.escape(word[:-1]) + r"[^ ]* " if word.endswith("*") else re.escape(word) + " "


def _key(words: str) -> str:
    """Return the word of an expression by which it is looked up: its longest, which is most likely its rarest."""
    if words == NAME:
        return NAME
    return words[:STEM] + "*" if words.endswith("*") else max(words.split(" "), key=len)
