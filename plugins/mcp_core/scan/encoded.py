"""Encoded text: everything in a field that decodes to words, decoded. Bounded in number, size and depth."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeAlias
from urllib.parse import unquote

from mcp_core.scan.runs import REST, Runs
from mcp_core.scan.text import FIELD

MOST: Final = 24
"""Pieces of one encoding that are read each for itself. What the others decode to is read as one text: no number of
harmless pieces hides another."""
MOST_DECODED: Final = 6_291_456
"""Characters of one item that are decoded, those of each encoding and depth counted: the longest item as a whole, two
dozen times. Nothing that is shorter than a third of it can be written in so many ways at once."""
_WITHIN_ANOTHER: Final = 256
"""Characters that each piece within another counts besides its own: to try one costs as much, however short it is.
Honest texts have thousands of digests, and none of them within another."""
DEPTH: Final = 2
"""Encodings within each other that are undone."""
SHORT: Final = 4_096
"""Characters up to which a text of which anything is encoded is read anew as a whole."""
AROUND: Final = 400
"""Characters before and after what is encoded that are read with it in longer texts."""
_NO_TEXT: Final = "\ufffd"
WINDOW: Final = 96
"""Characters of which enough are of words for what is decoded to be text, wherever in it they stand."""
_SAMPLE: Final = 2_000
"""Characters by which most texts are told: the beginning."""
_SENTENCE: Final = 32
"""Words of which some are common in a sentence."""
_PADDED: Final = 6
"""Characters after a run that may belong to its encoding."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text that was decoded: how, from which characters, and whether it reads as a sentence. No FIELD is decoded."""

    how: str
    start: int
    end: int
    text: str
    sentence: bool = True


@dataclass(slots=True)
class DecodeBudget:
    """How much of an item is decoded. `spent` says that something was left, which nobody has read then."""

    left: int = field(default=MOST_DECODED)
    spent: bool = False

    def allows(self, text: str, more: int = 0) -> bool:
        """Return whether a text may still be decoded or read, and count it, and so many characters more."""
        cost = len(text) + more
        if cost > self.left:
            self.spent = True
            return False
        self.left -= cost
        return True


_BASE64: Final = re.compile(r"[A-Za-z0-9+/_\r\n-]{20,}+={0,2}")
_BASE32: Final = re.compile(r"[A-Z2-7]{24,}+={0,6}")
_HEX: Final = re.compile(r"(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[ ,:;-]{0,2}){12,}")
_BINARY: Final = re.compile(r"(?:[01]{8}[ ,]{0,2}){6,}")
_DECIMAL: Final = re.compile(r"(?:\b[0-9]{2,3}\b[ ,;]{1,2}){10,}[0-9]{0,3}")
_PERCENT: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[a-zA-Z]{2,10});")
_ESCAPE: Final = re.compile(r"\\(?:u\{?([0-9A-Fa-f]{4,6})\}?|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|([0-7]{3}))")
_BASE85: Final = re.compile(r"(?<![^\s\x00])[!-~]{30,}")
_WITHIN: Final = {
    _BASE64: Runs("A-Za-z0-9+/_\r\n-", 20),
    _BASE32: Runs("A-Z2-7", 24),
    _BASE85: Runs("!-~", 30),
    _HEX: Runs("0-9A-Fa-fx\\\\ ,:;-", 24),
    _BINARY: Runs("01 ,", 48),
    _DECIMAL: Runs("0-9 ,;", 30),
}
"""Expression -> the runs of characters within which alone it can begin: few texts have many."""
_WORDLIKE: Final = Runs(r"!-~\r\n", 20)
_NUMERIC: Final = _WITHIN[_HEX]
"""Runs without which there are none of the narrower classes."""
_SIGNS: Final = frozenset("!#$%&()*+;<=>?@^`{|}~,'\"")
_SPACED: Final = re.compile(r"(?<![^\W_])(?:[^\W_][ \t._*|/\\-]{1,3}(?=[^\W_](?![^\W_]))){4,}[^\W_]")
_MORSE: Final = re.compile(r"(?:[.-]{1,6}[ /]{1,3}){12,}")
_ROT13_WORDS: Final = frozenset(
    ("gur", "naq", "lbh", "gb", "hfre", "fraq", "vtaber", "svyr", "orsber", "guvf", "zhfg", "bs")
)
_REVERSED_WORDS: Final = frozenset(
    ("eht", "dna", "uoy", "resu", "elif", "siht", "tsum", "erofeb", "daer", "dnes", "fo", "rof")
)
_TELLING: Final = 2
"""Such words from which a text may be written so."""
_LEET_WORD: Final = re.compile(r"[013457@$!|](?:(?<=[a-zA-Z].)(?=[a-zA-Z])|(?<=\s.)(?=[a-zA-Z]{2}))")
_SINGLE: Final = re.compile(rb"sas{1,3}as{1,3}as{1,3}as")
_KINDS: Final = (
    bytes(ord("a" if chr(code).isalnum() else "s" if chr(code) in " \t._*|/\\-" else ".") for code in range(128))
    + b"a" * 128
)
_SINGLES: Final = re.compile(r"[ \t._*|/\\-][^\W_](?=[ \t._*|/\\-])(?:[ \t._*|/\\-]{1,3}[^\W_](?=[ \t._*|/\\-])){3}")
_LEET: Final = (str.maketrans("013457@$|!", "oieastasii"), str.maketrans("013457@$|!", "oleastasll"))
_MARK: Final = re.compile(r"(?<=[a-zA-Z])!(?=\s{1,3}[A-Z\"']|\s{0,3}\Z)")
_LEET_KINDS: Final = (
    bytes(
        ord("d" if chr(code) in "013457@$!|" else "a" if chr(code).isalpha() else "s" if chr(code).isspace() else ".")
        for code in range(128)
    )
    + b"s" * 128
)
_BREAKS: Final = re.compile(r"[\s\x00]")
_LETTERS: Final = re.compile(r"[^\W\d_]+| +")
_BLANK: Final = bytes(code for code in range(128) if _BREAKS.match(chr(code)))
_LETTERS_AND_BLANKS: Final = _BLANK + bytes(code for code in range(128) if chr(code).isalpha())
_SEEN: Final = _BLANK + bytes(range(32, 127))
_WORDS: Final = re.compile(r"[a-zA-Z]{2,}")
_COMMON: Final = frozenset(
    re.findall(
        "[a-z]+",
        "the and you to of in is a for this that with must before user read send file all not do any your it on from "
        "first call use ignore previous instructions tool when always never then be are as please into system http "
        "el la de que los und der die das nicht le les des pour il non per",
    )
)


def decoded(
    text: str, depth: int = DEPTH, words: AbstractSet[str] | None = None, budget: DecodeBudget | None = None
) -> Iterator[Decoded]:
    """Yield every piece of a text that decodes to words, and what those decode to in turn, within the budget.

    `words` are words of the text in lower case, at least those that stand between white space, where somebody has them.
    """
    budget = DecodeBudget() if budget is None else budget
    for piece in _pieces(text, words, budget, more=0 if depth == DEPTH else _WITHIN_ANOTHER):
        yield Decoded(piece.how, piece.start, piece.end, piece.text, _is_sentence(piece.text))
        if depth > 1:
            for inner in decoded(piece.text, depth - 1, budget=budget):
                yield Decoded(f"{piece.how}, {inner.how}", piece.start, piece.end, inner.text, inner.sentence)


def _pieces(text: str, known: AbstractSet[str] | None, budget: DecodeBudget, *, more: int) -> Iterator[Decoded]:
    data = text.encode("utf-8", "surrogatepass")
    for how, pattern, decode in _runs_in(data):
        read = (
            Decoded(how, found.start(), found.end(), plain)
            for found in _found(pattern, text, data)
            if budget.allows(found[0], more) and (plain := decode(found[0]).replace(FIELD, " ")) and _is_text(plain)
        )
        yield from islice(read, MOST)
        if rest := list(read):
            yield Decoded(how, rest[0].start, rest[-1].end, "\n\n".join(one.text for one in rest))
    before = ""
    for how, pattern, least, decode in _wholes_in(data):
        places = [found.start() for found in pattern.finditer(text)]
        if len(places) >= least:
            part = text if len(text) <= SHORT else _around(text, places)
            if not budget.allows(part):
                return
            plain = FIELD.join([decode(one).replace(FIELD, " ") for one in part.split(FIELD)])
            if plain not in (part, before) and _is_text(plain):  # without a 1, both readings of leetspeak are one
                yield Decoded(how, places[0], len(text), plain)
            before = plain
    if known is not None and len(known & _ROT13_WORDS) < _TELLING > len(known & _REVERSED_WORDS):
        return
    words = set(text.lower().split())
    if len(words & _ROT13_WORDS) >= _TELLING and budget.allows(text) and _is_text(text):
        yield Decoded("rot13", 0, len(text), codecs.decode(text, "rot13"))
    if len(words & _REVERSED_WORDS) >= _TELLING and budget.allows(text) and _is_text(text):
        yield Decoded("reversed text", 0, len(text), text[::-1])


def _runs_in(data: bytes) -> Iterator[_Run]:
    """Yield what a text may be encoded by, as far as its longest runs of characters tell."""
    runs = (*(_UNBROKEN if _WORDLIKE.are_in(data) else ()), *(_NUMBERS if _NUMERIC.are_in(data) else ()))
    for run in runs:
        if _WITHIN[run[1]].are_in(data):
            yield run
    if b".- " in data or b"-. " in data:
        yield "morse", _MORSE, _morse


def _wholes_in(data: bytes) -> Iterator[_Whole]:
    """Yield what a whole text may be written in, as far as its signs and the order of its characters tell."""
    for sign, encoding in _SIGNED:
        if sign in data:
            yield encoding
    rest = b"" if data.isascii() else REST
    if _SINGLE.search(data.translate(_KINDS, rest)):
        yield _LETTER_SPACING
    kinds = data.translate(_LEET_KINDS, rest)
    if b"ada" in kinds or b"sdaa" in kinds:
        yield from _LEETSPEAK


def _around(text: str, places: Sequence[int]) -> str:
    """Return what stands around the places of a long text: the rest was not encoded, and is read as it stands."""
    spans: list[tuple[int, int]] = []
    end = -1
    for place in places:
        if place + AROUND <= end:  # no blank stands between, so it would be the same end
            continue
        blank = text.rfind(" ", max(0, end), max(0, place - AROUND))
        begin = spans.pop()[0] if spans and blank <= end else max(0, blank)
        end = text.find(" ", place + AROUND)
        end = len(text) if end < 0 else end
        spans.append((begin, end))
    return "\n\n".join(text[begin:end] for begin, end in spans)


def _found(pattern: re.Pattern[str], text: str, data: bytes) -> Iterator[re.Match[str]]:
    """Yield what `pattern.finditer` does, and try it only within runs of the characters that it is made of."""
    within = _WITHIN.get(pattern)
    if within is None:
        yield from pattern.finditer(text)
        return
    for start, end in within.places(text, data):
        # One character more: where a word ends depends on it, and what pads base64 comes after.
        yield from pattern.finditer(text, start, min(len(text), end + _PADDED))


def _utf8(data: bytes) -> str:
    """Return the text of some bytes. Those of long ones that are of no text stay visible: they must not hide a rest."""
    coding = "utf-16-le" if data[1:2] == b"\0" else "utf-8"
    try:
        return data.decode(coding)
    except UnicodeDecodeError:
        return data.decode(coding, "replace") if len(data) >= WINDOW else ""


def _base64(text: str) -> str:
    if text.islower():  # names and paths: base64 of words has capitals
        return ""
    if "\n" in text or "\r" in text:
        text = text.replace("\n", "").replace("\r", "")
    text = text.rstrip("=").replace("-", "+").replace("_", "/")
    if len(text) % 4 == 1:
        text = text[:-1]
    try:
        return _utf8(base64.b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return ""


def _base32(text: str) -> str:
    text = text.rstrip("=")
    try:
        return _utf8(base64.b32decode(text + "=" * (-len(text) % 8)))
    except (binascii.Error, ValueError):
        return ""


def _base85(text: str) -> str:
    if len(_SIGNS.intersection(text)) < 4:
        return ""
    for decode in (base64.b85decode, base64.a85decode):
        try:
            if (plain := _utf8(decode(text))) and _is_text(plain):
                return plain
        except (binascii.Error, ValueError):
            continue
    return ""


def _hex(text: str) -> str:
    digits = re.sub(r"0x|\\x|[^0-9A-Fa-f]", "", text)
    return _utf8(bytes.fromhex(digits[: len(digits) & ~1]))


def _binary(text: str) -> str:
    return _utf8(bytes(int(one, 2) for one in re.findall(r"[01]{8}", text)))


def _decimal(text: str) -> str:
    codes = [int(one) for one in re.findall(r"\d{2,3}", text)]
    return "".join([chr(code) if 9 <= code < 127 else _NO_TEXT for code in codes])


def _escapes(text: str) -> str:
    def character(found: re.Match[str]) -> str:
        wide = found[1] or found[2] or found[3]
        code = int(wide, 16) if wide else int(found[4], 8)
        return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else " "

    return _ESCAPE.sub(character, text)


def _spaced(text: str) -> str:
    """Close up s p a c e d letters; a wider gap is a space between words."""
    wide = re.sub(r"[ \t]{2,}|[._*|/\\-]{2,3}|[ \t][._*|/\\-][ \t]", "\x00", text)
    return re.sub(r"[ \t._*|/\\-]", "", wide).replace("\x00", " ")


def _closed_up(text: str) -> str:
    return _SPACED.sub(lambda run: f" {_spaced(run[0])} ", text)


def _letters_of(text: str, signs: dict[int, int]) -> str:
    """Undo leetspeak. Where no "!" stands within a word, one that ends a sentence goes on ending it."""
    if "!" in text and not re.search("[a-zA-Z]![a-zA-Z]", text):
        text = _MARK.sub(".", text)
    return text.translate(signs)


def _morse(text: str) -> str:
    words = [[_CODES.get(sign, "") for sign in word.split()] for word in re.split(r"\s{0,2}/\s{0,2}|\s{3,}", text)]
    return " ".join("".join(word) for word in words)


_CODES: Final = dict(
    zip(
        re.findall(
            "[.-]+",
            ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- "
            "--.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----.",
        ),
        "abcdefghijklmnopqrstuvwxyz0123456789",
        strict=True,
    )
)


_Run: TypeAlias = tuple[str, re.Pattern[str], Callable[[str], str]]
_UNBROKEN: Final[tuple[_Run, ...]] = (
    ("base64", _BASE64, _base64),
    ("base32", _BASE32, _base32),
    ("base85", _BASE85, _base85),
)
_NUMBERS: Final[tuple[_Run, ...]] = (
    ("hex", _HEX, _hex),
    ("binary", _BINARY, _binary),
    ("decimal codes", _DECIMAL, _decimal),
)
"""How runs of characters are encoded, and how to undo it."""

_Whole: TypeAlias = tuple[str, re.Pattern[str], int, Callable[[str], str]]
_SIGNED: Final[tuple[tuple[bytes, _Whole], ...]] = (
    (b"%", ("percent encoding", _PERCENT, 3, unquote)),
    (b"&", ("character entities", _ENTITY, 2, html.unescape)),
    (b"\\", ("escapes", _ESCAPE, 4, _escapes)),
)
_LETTER_SPACING: Final[_Whole] = ("letter spacing", _SINGLES, 1, _closed_up)
_LEETSPEAK: Final[tuple[_Whole, ...]] = (
    ("leetspeak", _LEET_WORD, 4, lambda text: _letters_of(text, _LEET[0])),
    ("leetspeak, l", _LEET_WORD, 4, lambda text: _letters_of(text, _LEET[1])),
)
"""What whole texts are written in: how, where, from how many places on, and how to undo it."""


def _is_text(text: str) -> bool:
    """Return whether decoded characters are text, or hold some: what stands before and after it must not hide it."""
    if len(text) <= _SAMPLE:
        if _reads(text):
            return True
    elif _reads(text[:_SAMPLE]):
        return True
    if len(text) <= WINDOW:
        return False
    return any(_reads(text[at : at + WINDOW], odd=1) for at in range(0, len(text) - WINDOW // 2, WINDOW // 2))


def _reads(text: str, odd: float = 0.02) -> bool:
    """Return whether characters are those of text: mostly letters and spaces, all but a share of `odd` printable."""
    if text.isascii():  # the same, several times as fast
        data = text.encode()
        others, unprintable = len(data.translate(None, _LETTERS_AND_BLANKS)), len(data.translate(None, _SEEN))
    else:
        sample = _BREAKS.sub(" ", text)
        others = len(_LETTERS.sub("", sample))
        unprintable = 0 if sample.isprintable() else sum(not one.isprintable() for one in sample)
    return len(text) >= 6 and others <= 0.4 * len(text) and unprintable <= odd * len(text)


def _is_sentence(text: str) -> bool:
    """Return whether decoded text, or a part of it, reads as a sentence: several words, common ones among them."""
    words = _WORDS.findall(text[:_SAMPLE])
    if len(words) >= 4 and _common(words) >= max(1, len(words) // 8):
        return True
    if len(text) > _SAMPLE:
        words = _WORDS.findall(text)
    return any(
        _common(words[at : at + _SENTENCE]) >= _SENTENCE // 8
        for at in range(0, len(words) - _SENTENCE // 2, _SENTENCE // 2)
    )


def _common(words: Sequence[str]) -> int:
    return sum([word.lower() in _COMMON for word in words])
