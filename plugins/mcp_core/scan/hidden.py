"""Hidden characters: what a model reads and a person does not see, or sees as something else.

Honest descriptions hold next to none of these; where a script or an emoji needs one, that use is allowed.
Sources: UTS #39 (mixed scripts, confusables), UTS #51 (emoji sequences), UAX #9 (bidirectional controls).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from mcp_core.scan.characters import latin_look
from mcp_core.scan.rule import BLOCK, FLAG, ScanRule

Span: TypeAlias = tuple[int, int]

_PLAIN: Final = bytes((9, 10, 13, *range(32, 127)))
_FLAG_EMOJI: Final = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f")
_TAGS: Final = re.compile("[\U000e0000-\U000e007f]+")
_SELECTORS: Final = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef\u180b-\u180f]+")
_ZERO_WIDTH: Final = re.compile("[\u200b-\u200d\u2060-\u2064\u206a-\u206f\ufeff\u034f\u180e\ufff9-\ufffb\u17b4\u17b5]+")
_BIDI: Final = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
_RTL: Final = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_TERMINAL: Final = re.compile("[\x1b\x9b\x08]")
_CONTROL: Final = re.compile("[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9a\x9c-\x9f]")
_FILLER: Final = re.compile(
    "[\u115f\u1160\u3164\uffa0\u2800](?:(?<!\u2800)|(?<![\u2800-\u28ff].)(?![\u2800-\u28ff])|(?<=\u2800)\u2800{7,})"
)
_SOFT: Final = re.compile("\u00ad")
_STYLED: Final = re.compile(
    "[\U0001d400-\U0001d7ff\u24b6-\u24e9\U0001f110-\U0001f189\u2100-\u214f\u1d00-\u1d2f\u0250-\u02af]"
)
_FULLWIDTH: Final = re.compile("[\uff21-\uff3a\uff41-\uff5a]{3,}")
_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_MARK: Final = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
_LATIN: Final = re.compile(r"[A-Za-z]")
_FOREIGN: Final = re.compile(
    "[\u0370-\u058f\u13a0-\u13ff\u1c80-\u1c8f\u2c60-\u2dff\ua4d0-\ua4ff\ua640-\ua69f\uab30-\uabbf]"
)
_NEEDS_JOINERS: Final = re.compile("[\u0600-\u08ff\u0900-\u0dff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u200d]")
_PADDING: Final = re.compile(r"[ \t\u00a0\u3000]{120}|(?:\r?\n[ \t]{0,8}){25}")
_LOOKED_FOR: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xa0\xad\u0250-\u02af\u0300-\u058f\u061c\u115f\u1160\u13a0-\u13ff\u17b4\u17b5"
    "\u180b-\u180f\u1ab0-\u1aff\u1c80-\u1c8f\u1d00-\u1d2f\u1dc0-\u1dff\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u20d0-\u20ff\u2100-\u214f\u24b6-\u24e9\u2800-\u28ff\u2c60-\u2dff\u3000\u3164\ua4d0-\ua4ff\ua640-\ua69f"
    "\uab30-\uabbf\ufe00-\ufe2f\ufeff\uff21-\uff5a\uffa0\ufff9-\ufffb\U0001d400-\U0001d7ff\U0001f110-\U0001f189"
    "\U000e0000-\U000e01ef]"
)
"""Every character that a check below looks for, in one class."""


@dataclass(frozen=True, slots=True)
class Check:
    """A rule about characters, and the function that finds the places it holds at."""

    rule: ScanRule
    spans: Callable[[str], Iterator[Span]]


def _all(pattern: re.Pattern[str]) -> Callable[[str], Iterator[Span]]:
    return lambda text: (found.span() for found in pattern.finditer(text))


def _many(pattern: re.Pattern[str], least: int) -> Callable[[str], Iterator[Span]]:
    """Hold once, at the first place, where there are at least so many."""

    def spans(text: str) -> Iterator[Span]:
        first = pattern.search(text)
        if first and len(pattern.findall(text)) >= least:
            yield first.span()

    return spans


def _tags(text: str) -> Iterator[Span]:
    return (found.span() for found in _TAGS.finditer(_FLAG_EMOJI.sub(lambda flag: " " * len(flag[0]), text)))


def _selectors(text: str) -> Iterator[Span]:
    for found in _SELECTORS.finditer(text):
        before = text[found.start() - 1 : found.start()]
        plain = not before or before.isspace() or (before.isascii() and before not in "0123456789#*")
        foreign = found[0] >= "\U000e0100" and unicodedata.category(before or " ") != "Lo"
        if plain or foreign or len(found[0]) > 1:
            yield found.span()


def _zero_width(text: str) -> Iterator[Span]:
    for found in _ZERO_WIDTH.finditer(text):
        around = text[max(0, found.start() - 1) : found.start()] + text[found.end() : found.end() + 1]
        joins = len(found[0]) == 1 and len(around) == 2
        if joins and (
            all(map(_joinable, around)) or (found[0] == "\u200b" and not _LATIN.search(around) and not around.isascii())
        ):
            continue
        if found.start() == 0 and found[0] == "\ufeff":
            continue
        yield found.span()


def _joinable(one: str) -> bool:
    """Return whether joiners belong next to a character: scripts that shape by them, and emoji."""
    return bool(_NEEDS_JOINERS.match(one)) or unicodedata.category(one) in ("So", "Sk") or one in "\ufe0f\u2640\u2642"


def _overrides(text: str) -> Iterator[Span]:
    return (found.span() for found in _BIDI.finditer(text) if found[0] in "\u202d\u202e" or not _RTL.search(text))


def _marks(text: str) -> Iterator[Span]:
    """Combining marks on ASCII letters that no language composes with them, or several on one letter."""
    if not _MARK.search(text):
        return
    places = []
    previous = ""
    for place, one in enumerate(unicodedata.normalize("NFC", text)):
        if unicodedata.category(one) in ("Mn", "Me") and not _SELECTORS.match(one) and one != "\u034f":
            if previous.isascii() and previous.strip():
                places.append(place)
        else:
            previous = one
    if len(places) >= 3:
        yield min(places[0], len(text) - 1), min(places[-1] + 1, len(text))


def _mixed(text: str) -> Iterator[Span]:
    """Words of Latin letters with letters of another alphabet that look like Latin ones among them."""
    for found in _WORD.finditer(text) if _FOREIGN.search(text) else ():
        word = found[0]
        if not word.isascii() and _LATIN.search(word) and any(map(latin_look, _FOREIGN.findall(word))):
            yield found.span()


PADDING: Final = ScanRule("hidden.padding", FLAG, "It pushes text out of sight with blank space.", trait="disguise")
_PAD: Final = 50
_BLANK: Final = " " * 60
_PADDED: Final = re.compile(r"\n[ \t\r\n]{24}")

CHECKS: Final = (
    Check(
        ScanRule(
            "hidden.tag-characters",
            BLOCK,
            "It holds invisible tag characters, which spell text that only a model reads.",
        ),
        _tags,
    ),
    Check(
        ScanRule(
            "hidden.variation-selectors",
            BLOCK,
            "It holds variation selectors that select nothing: they can carry text.",
        ),
        _selectors,
    ),
    Check(
        ScanRule("hidden.zero-width", BLOCK, "It holds zero-width characters where no script needs them."), _zero_width
    ),
    Check(
        ScanRule("hidden.bidi", BLOCK, "It holds controls that show text in another order than it is read."), _overrides
    ),
    Check(
        ScanRule(
            "hidden.terminal", BLOCK, "It holds terminal control sequences, which can hide or rewrite what is shown."
        ),
        _all(_TERMINAL),
    ),
    Check(ScanRule("hidden.control", BLOCK, "It holds control characters."), _all(_CONTROL)),
    Check(ScanRule("hidden.filler", BLOCK, "It holds letters that show nothing."), _all(_FILLER)),
    Check(ScanRule("hidden.soft-hyphens", BLOCK, "It is cut up by soft hyphens, which nobody sees."), _many(_SOFT, 3)),
    Check(ScanRule("hidden.combining-marks", BLOCK, "Its letters are covered with combining marks."), _marks),
    Check(
        ScanRule(
            "hidden.styled-letters",
            BLOCK,
            "It is written in mathematical or enclosed letters, which filters do not read.",
        ),
        _many(_STYLED, 12),
    ),
    Check(
        ScanRule("hidden.fullwidth-letters", FLAG, "It is written in fullwidth Latin letters.", trait="disguise"),
        _many(_FULLWIDTH, 3),
    ),
    Check(ScanRule("hidden.mixed-script", BLOCK, "It holds words whose letters are of two alphabets."), _mixed),
    Check(PADDING, _all(_PADDING)),
)

RULES: Final[tuple[ScanRule, ...]] = tuple(check.rule for check in CHECKS)
"""The rules of the family."""


_STANDS_FOR: Final = 8
"""Invisible characters from which they could spell something: a letter takes eight that stand for a bit."""
_TAGGED: Final = 4
"""Tag characters, each of which stands for a letter."""
_DENSE: Final = 20
"""Visible characters for each invisible one, below which an answer holds too many of them for a web page."""
_MANY: Final = 64
_SGR: Final = re.compile(r"(?:\x1b\[|\x9b)([0-9;:]{1,64})m")
_CONCEAL: Final = 8
_COLOURED: Final = {38, 48, 58}
_COLOUR: Final = {5: 2, 2: 4}
"""The parameter after one of those -> how many more belong to the colour, itself counted (ECMA-48; ITU T.416)."""
_CUT: Final = re.compile(r"(?<=[^\W\d_])[\x01-\x06\x0e-\x1a\x7f-\x84\x86-\x9a\x9c-\x9f]+(?=[^\W\d_])")
_CUTS: Final = 2


def _many_tags(text: str) -> bool:
    return any(end - start >= _TAGGED for start, end in _tags(text))


def _spelling_selectors(text: str) -> bool:
    return sum(end - start for start, end in _selectors(text)) >= _STANDS_FOR


def _spelling_zero_width(text: str) -> bool:
    """Return whether zero-width characters could stand for bits: of two kinds, and many in a row or all over it."""
    found = [text[start:end] for start, end in _zero_width(text)]
    if any(len(run) >= _STANDS_FOR and len(set(run)) > 1 for run in found):
        return True
    every = "".join(found)
    few = len(every) < _MANY or len(every) * _DENSE < len(text)
    return not few and len(set(every)) > 1


def _conceals(text: str) -> bool:
    """Return whether a terminal is told to show nothing of what follows (ECMA-48, 8.3.117, parameter 8)."""
    return any(_is_conceal(found[1]) for found in _SGR.finditer(text))


def _is_conceal(parameters: str) -> bool:
    numbers = [int(one or 0) for one in parameters.replace(":", ";").split(";")]
    at = 0
    while at < len(numbers):
        if numbers[at] == _CONCEAL:
            return True
        if numbers[at] in _COLOURED and at + 1 < len(numbers):
            at += _COLOUR.get(numbers[at + 1], 1)
        at += 1
    return False


def _cuts_words(text: str) -> bool:
    """Return whether controls that no text needs stand within words or between them, again and again."""
    return len(_CUT.findall(text)) >= _CUTS


IN_RESULTS: Final[dict[str, Callable[[str], bool]]] = {
    "hidden.tag-characters": _many_tags,
    "hidden.variation-selectors": _spelling_selectors,
    "hidden.zero-width": _spelling_zero_width,
    "hidden.bidi": lambda text: "\u202e" in text or "\u202d" in text,
    "hidden.terminal": _conceals,
    "hidden.control": _cuts_words,
}
"""Rule -> whether what it found weighs in a result as it does in a surface; those that are not here never do.

Results are other people's texts, and hold colours of a shell, form feeds of documents and invisible characters of web
pages. What is said in them is read without those, so that they hide nothing from the other rules.
"""

_ORDINARY_OUTPUT: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-9;:]{0,64}m|\x1b\[[0-2]?K|[\x07\x0b\x0c]|(?:\A|(?<=\n))\ufeff|[\u200e\u200f]"
)
_ORDINARY: Final = re.compile("[\x07\x0b\x0c\x1b\x9b\ufeff\u200e\u200f]")
"""What such output holds one of."""


def in_result(text: str) -> str:
    """Return the text of a result without what is ordinary in one, and not worth a word unless it conceals.

    That are colours, cleared lines, bells and feeds, a byte order mark before a line, and marks of direction.
    """
    if _ORDINARY.search(text) is None or _conceals(text):
        return text
    return _ORDINARY_OUTPUT.sub("", text)


_BLANKS: Final = re.compile("[\x00\x0b\x0c\x1c-\x1f\x85]")
_WIDE: Final = re.compile("(?:[^\x00]\x00){4,}")


def with_blanks(text: str) -> str:
    """Return the text of a result with a blank where a feed or NUL parts words; NULs of UTF-16 part nothing."""
    if text.isprintable() or _BLANKS.search(text) is None:
        return text
    if "\0" in text:
        text = _WIDE.sub(lambda wide: wide[0][::2], text)
    return _BLANKS.sub(" ", text)


def are_plain(texts: Iterable[str]) -> bool:
    """Return whether no check could find anything in texts, and nothing in them is ordinary in a result alone."""
    every = ".".join(texts)
    return every.isascii() and _is_plain(every) and not _is_padded(every)


def _is_plain(text: str) -> bool:
    """Return whether ASCII holds no controls but tabs and the ends of lines."""
    return text.isprintable() or not text.encode().translate(None, _PLAIN)


def _is_padded(text: str) -> bool:
    """Return whether there may be so much blank space in a text that it hides what comes behind."""
    return len(text) >= _PAD and (_BLANK in text or _PADDED.search(text) is not None)


def checks_for(text: str, checks: Sequence[Check]) -> Sequence[Check]:
    """Return those of the checks that could find anything in a text: most texts hold none of their characters."""
    if text.isascii():
        if not _is_plain(text):
            return checks
    elif _LOOKED_FOR.search(text):
        return checks
    return [check for check in checks if check.rule is PADDING] if _is_padded(text) else ()
