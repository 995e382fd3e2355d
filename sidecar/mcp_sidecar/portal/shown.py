"""Text of a server as a person must see it: what is hidden is named, look-alikes are marked, findings stand on it.

Nothing here is markup: pieces of text with what is to be said of each, which the templates escape.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from mcp_core.scan import escaped
from mcp_core.scan.characters import INVISIBLE, latin_look

PART: Final = 12_000
"""Characters of one text that a page shows; the rest is on further pages."""
_LEAD: Final = 30
"""Characters of an excerpt before the place that a rule saw (mcp_core.scan.excerpt)."""
_MOST_NAMED: Final = 3
_MARK: Final = re.compile(
    f"(?P<hidden>[{INVISIBLE}\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ue000-\\uf8ff\\ud800-\\udfff]+)"
    rf"|(?P<word>[^\W\d_{INVISIBLE}]+)"
)
_LATIN: Final = re.compile(r"[A-Za-z]")


class PieceSort(StrEnum):
    """What a piece of text is."""

    PLAIN = "plain"
    HIDDEN = "hidden"
    """Characters that nobody sees: `text` names them."""
    LOOKALIKE = "lookalike"
    """A word with letters that are not the Latin ones that they look like."""
    FOUND = "found"
    """A rule holds here."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text. `note` says what its characters are, `found` what a rule says of this place."""

    text: str
    sort: PieceSort = PieceSort.PLAIN
    note: str = ""
    found: str = ""
    block: bool = False

    @property
    def title(self) -> str:
        """What is said of it to whoever points at it."""
        return "; ".join(filter(None, (self.note, self.found)))


@dataclass(frozen=True, slots=True)
class Text:
    """One part of a text in pieces. `before` and `after` count characters that other parts have."""

    pieces: tuple[Piece, ...]
    before: int = 0
    after: int = 0


def shown(text: str, findings: Sequence[Mapping[str, Any]] = (), part: int = 0) -> Text:
    """Return a part of a text, its hidden and look-alike characters marked, and findings where their excerpts stand."""
    start = min(max(part, 0) * PART, max(0, (len(text) - 1) // PART * PART))
    cut = text[start : start + PART]
    pieces: list[Piece] = []
    done = 0
    for first, last, note, block in _places(cut, findings):
        pieces += _marked(cut[done:first])
        pieces += [_over(piece, note, block=block) for piece in _marked(cut[first:last])]
        done = last
    pieces += _marked(cut[done:])
    return Text(tuple(pieces), start, max(0, len(text) - start - len(cut)))


def plain(text: str, most: int = 200) -> tuple[Piece, ...]:
    """Return the beginning of a text on one line, marked."""
    line = " ".join(text[: most * 4].split(" ")).replace("\n", " ").replace("\r", " ").replace("\t", " ")
    pieces = tuple(_marked(line[:most]))
    return (*pieces, Piece("...")) if len(line) > most or len(text) > most * 4 else pieces


def value(given: Any, most: int = 200) -> tuple[Piece, ...]:
    """Return a JSON value on one line, marked."""
    return plain(given if isinstance(given, str) else _json(given), most)


def _json(given: Any) -> str:
    try:
        return json.dumps(given, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return "(cannot be shown)"


def _over(piece: Piece, note: str, *, block: bool) -> Piece:
    return replace(
        piece, sort=PieceSort.FOUND if piece.sort is PieceSort.PLAIN else piece.sort, found=note, block=block
    )


def _marked(text: str) -> Iterator[Piece]:
    if text.isascii() and text.replace("\n", "").replace("\t", "").replace("\r", "").isprintable():
        if text:
            yield Piece(text)
        return
    done = 0
    for found in _MARK.finditer(text):
        if found["word"] is not None and not _is_lookalike(found["word"]):
            continue
        if found.start() > done:
            yield Piece(text[done : found.start()])
        done = found.end()
        yield _hidden(found[0]) if found["hidden"] is not None else _lookalike(found[0])
    if done < len(text):
        yield Piece(text[done:])


def _is_lookalike(word: str) -> bool:
    """Return whether a word passes for a Latin one: letters of both kinds, or nothing but letters that look Latin."""
    others = [] if word.isascii() else [one for one in word if ord(one) > 0x24F]
    if not others:
        return False
    looks = [other for other in others if latin_look(other)]
    if _LATIN.search(word):
        return bool(looks)
    return len(looks) == len(others) == len(word) > 1


def _lookalike(word: str) -> Piece:
    read_as = "".join((latin_look(one) if ord(one) > 0x24F else "") or one for one in word)
    foreign = dict.fromkeys(one for one in word if ord(one) > 0x24F and latin_look(one))
    names = ", ".join(_name(one) for one in list(foreign)[:_MOST_NAMED])
    return Piece(
        word, PieceSort.LOOKALIKE, f"Not {escaped(read_as)!r}: {names}{', ...' if len(foreign) > _MOST_NAMED else ''}"
    )


def _hidden(run: str) -> Piece:
    if len(run) == 1:
        return Piece(f"U+{ord(run):04X}", PieceSort.HIDDEN, _name(run))
    read_as = "".join(chr(ord(one) - 0xE0000) for one in run if 0xE0020 <= ord(one) <= 0xE007E)
    says = f" that say {escaped(read_as)[:300]!r}" if read_as else ""
    different = list(dict.fromkeys(run))
    names = ", ".join(_name(one) for one in different[:_MOST_NAMED])
    more = ", ..." if len(different) > _MOST_NAMED else ""
    return Piece(f"{len(run)} hidden characters{says}", PieceSort.HIDDEN, f"{names}{more}")


def _name(one: str) -> str:
    return f"U+{ord(one):04X} {unicodedata.name(one, 'without a name')}"


def _places(text: str, findings: Iterable[Mapping[str, Any]]) -> list[tuple[int, int, str, bool]]:
    """Return where excerpts of findings stand: start, end, what the rule says, and whether it blocks; none overlap."""
    wanted = [(one, str(one.get("excerpt", ""))) for one in findings]
    if not wanted:
        return []
    written, starts = _written(text)
    places = []
    for finding, excerpt in wanted:
        core = excerpt.removeprefix("...").removesuffix("...")
        at = written.find(core) if core else -1
        if at < 0:
            continue
        lead = _LEAD if excerpt.startswith("...") and len(core) > _LEAD else 0
        note = f"{finding.get('rule', '')}: {finding.get('message', '')}"
        places.append((starts[at + lead], starts[at + len(core) - 1] + 1, note, finding.get("severity") == "block"))
    places.sort(key=lambda place: (place[0], -place[1]))
    kept: list[tuple[int, int, str, bool]] = []
    for place in places:
        if not kept or place[0] >= kept[-1][1]:
            kept.append(place)
        else:
            first, last, note, block = kept[-1]
            if place[2] not in note:
                kept[-1] = (first, max(last, place[1]), f"{note}; {place[2]}", block or place[3])
    return kept


def _written(text: str) -> tuple[str, Sequence[int]]:
    """Return a text as excerpts write it, and for each of its characters the place in the text that it came from."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text, range(len(text))
    pieces, starts = [], []
    for place, one in enumerate(text):
        shown_as = escaped(one)
        pieces.append(shown_as)
        starts += [place] * len(shown_as)
    return "".join(pieces), starts


def part_of(text: str) -> int:
    """Return the number of a part of a long text, 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
