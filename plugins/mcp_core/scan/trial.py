"""One expression of a rule in one text: tried when somebody asks, and at as few places as will do."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import islice
from re import _parser  # type: ignore[attr-defined]  # the one that knows how long a match can be
from typing import Final, NamedTuple

from mcp_core.scan.lexicon import DATA, VERBS
from mcp_core.scan.rule import Combination, Pattern, ScanRule, Weakening
from mcp_core.scan.text import FIELD, Reading

MOST: Final = 12
"""Places at which one phrase is noted, and as many at which it is guarded; more of the same add nothing."""

_SPOKEN_OF: Final = (
    "detect*|prevent*|block*|protect*|flag|flags|identif*|scan|scans|check|checks|warns|analyz*|test|tests|attempt*|"
    "guard*|against|mitigat*|reject*|whether|would|could|like|such|eg|example|examples|bug"
)
_NEGATIONS: Final = "never|not|dont|doesnt|wont|refus*|avoid|without|neither|nor|no"


def _guard(*words_and_gaps: tuple[str, int]) -> re.Pattern[str]:
    before = (f" (?:{words.replace('*', '[^ ]*')}) (?:[^ .\x00]+ ){{0,{gap}}}$" for words, gap in words_and_gaps)
    return re.compile("|".join(before))


_GUARDS: Final = {
    Weakening.SPOKEN_OF: _guard((_SPOKEN_OF, 8)),
    Weakening.DENIED: _guard((_SPOKEN_OF, 4), (_NEGATIONS, 2)),
    Weakening.NEGATED: _guard((_SPOKEN_OF, 4), (f"{_NEGATIONS}|cannot|unless|isnt", 5)),
}
_APART: Final = re.compile(r"[^\w.\x00]+")
_WORD: Final = re.compile(r"\w+")
_BEFORE: Final = 90
"""Characters before a match in which a guard is looked for."""
_LONG_TEXT: Final = 2_000
"""Characters of a text from which an expression is tried around its hints alone."""
_WIDE: Final = 1_000
"""Characters of a match up to which that is less work."""
_MANY: Final = 64
"""Hints in one text up to which that is less work."""
_MARGIN: Final = 16
"""Characters behind a match that an expression may look at."""


class Hit(NamedTuple):
    """A rule that holds: the field's number, and start and end in that view of the reading."""

    rule: ScanRule | Combination
    field: int
    start: int
    end: int
    view: str = "words"
    guarded: bool = False


class Expression:
    """A pattern, compiled when it is first tried: most never are, and compiling all takes a third of a second."""

    def __init__(self, rule: ScanRule, text: str, needed: int, pattern: Pattern | None = None) -> None:
        self.rule = rule
        self.text = text
        self.needed = needed
        self.hints = pattern.hints if pattern else ()
        self._probe = pattern.probe if pattern else ""
        self.guard = _GUARDS.get(rule.guard)
        self.scripts = scripts(text) if pattern and pattern.composed else frozenset()
        self.order = 0
        self.trait = 0
        self.weighs = False

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The expression, for all of a text."""
        return re.compile(self.text)

    @cached_property
    def _bare(self) -> re.Pattern[str] | None:
        """The expression without the word boundary that it begins with: re finds what begins with a letter faster.

        Not where any letter will do: it would be tried at each letter of a word.
        """
        text = self.text.removeprefix(r"\b")
        return None if text == self.text or text[0] == "[" or _has_alternatives(text) else re.compile(text)

    def _search(self, text: str, start: int, end: int) -> Iterator[re.Match[str]]:
        bare = self._bare
        if bare is None:
            yield from self.compiled.finditer(text, start, end)
            return
        while found := bare.search(text, start, end):
            at = found.start()
            if at and (text[at - 1].isalnum() or text[at - 1] == "_"):
                start = at + 1
            else:
                yield found
                start = found.end()

    @cached_property
    def width(self) -> int:
        """Characters that a match has at most."""
        return int(_parser.parse(self.text).getwidth()[1])

    def places(self, text: str) -> Iterator[re.Match[str]]:
        """Yield what `compiled.finditer(text)` does, and look only around the probe's matches or hints of a long text.

        Every match holds one of the hints, and a place where the probe matches, and is no longer than `width`.
        """
        if self._probe and re.search(self._probe, text) is None:
            return
        if len(text) > _LONG_TEXT and (self.hints or self._probe) and self.width < _WIDE:
            held = self._probed_in(text) if self._probe else self._hinted_in(text)
            if len(held) <= _MANY:
                for start, end in self._around(held):
                    yield from self._search(text, start, min(end, len(text)))
                return
        yield from self._search(text, 0, len(text))

    def _probed_in(self, text: str) -> list[tuple[int, int]]:
        """Return where the probe matches, at most at one place more than is of use."""
        return [found.span() for found in islice(re.finditer(self._probe, text), _MANY + 1)]

    def _hinted_in(self, text: str) -> list[tuple[int, int]]:
        """Return where the hints stand, at most at one place more than is of use."""
        held: list[tuple[int, int]] = []
        for hint in self.hints:
            at = text.find(hint)
            while at >= 0 and len(held) <= _MANY:
                held.append((at, at))
                at = text.find(hint, at + 1)
        return sorted(held)

    def _around(self, held: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        for first, last in held:
            start, end = max(0, first - self.width), last + self.width + _MARGIN
            if spans and start <= spans[-1][1]:
                start, _ = spans.pop()
            spans.append((start, end))
        return spans


class Trial:
    """A pattern that may hold in a text, tried when somebody asks. `places` are sentences, for phrases alone."""

    __slots__ = ("_found", "_own", "_places", "_reading", "_view", "one")

    def __init__(
        self,
        expression: Expression,
        reading: Reading,
        own: Container[str],
        places: Sequence[tuple[int, int]] = (),
        view: str = "code",
    ) -> None:
        self.one = expression
        self._reading = reading
        self._own = own
        self._places = places
        self._view = view
        self._found: list[Hit] | None = None

    @property
    def hits(self) -> list[Hit]:
        """Return where it holds, at most MOST places, and as many where it is guarded."""
        if self._found is None:
            self._found = list(self._search())
        return self._found

    def _search(self) -> Iterable[Hit]:
        if self._places:
            return _phrase_hits(self.one, self._reading, self._places, self._own)
        text: str = getattr(self._reading, self._view)
        return _matches(self.one, text, self._view, self._own)

    @property
    def unguarded(self) -> list[Hit]:
        """Return where it holds with all its force."""
        return [hit for hit in self.hits if not hit.guarded]


def _has_alternatives(text: str) -> bool:
    """Return whether an expression has alternatives outside of its groups."""
    return "|" in _INNERMOST.sub("", _INNERMOST.sub("", _INNERMOST.sub("", _CLASS.sub("", text))))


_CLASS: Final = re.compile(r"\\.|\[\^?\]?(?:[^\]\\]|\\.)*\]")
_INNERMOST: Final = re.compile(r"\([^()]*\)")


def _phrase_hits(
    expression: Expression, reading: Reading, places: Sequence[tuple[int, int]], own: Container[str]
) -> Iterator[Hit]:
    words, rule = reading.words, expression.rule
    guard, noted = expression.guard, [0, 0]
    for start, end in places:
        for match in expression.compiled.finditer(words, start, end):
            if rule.names and not _names_other(match[0], own):
                continue
            before = max(start, match.start() - _BEFORE)
            guarded = guard is not None and guard.search(words, before, match.start() + 1) is not None
            # Guarded ones count for themselves: any number of them must not hide one that is not.
            if noted[guarded] < MOST:
                yield Hit(rule, reading.field_at(match.start()), match.start(), match.end(), guarded=guarded)
            noted[guarded] += 1
            if noted[False] >= MOST:
                return


def scripts(text: str) -> frozenset[str]:
    """Return the scripts of a text's letters beyond ASCII, by the first word of their names: CJK, HANGUL, ARABIC."""
    return frozenset() if text.isascii() else frozenset([_script(one) for one in set(text) if one > "\x7f"])


@lru_cache(maxsize=8192)
def _script(one: str) -> str:
    return unicodedata.name(one, "").partition(" ")[0]


def _matches(expression: Expression, text: str, view: str, own: Container[str]) -> Iterator[Hit]:
    guard, noted = expression.guard, [0, 0]
    for match in expression.places(text):
        start, end = match.span()
        if expression.rule.names and view == "code" and not _names_other(text[start:end], own):
            continue
        before = _APART.sub(" ", text[max(0, start - _BEFORE) : start])
        guarded = guard is not None and guard.search(f" {before.strip(' ')} ") is not None
        if noted[guarded] < MOST:
            yield Hit(expression.rule, text.count(FIELD, 0, start), start, end, view, guarded)
        noted[guarded] += 1
        if noted[False] >= MOST:
            return


def _names_other(text: str, own: Container[str]) -> bool:
    for word in _WORD.findall(text):
        if "_" in word and word not in own:
            parts = word.split("_")
            if parts[-1] not in DATA and not VERBS.isdisjoint(parts):
                return True
    return False
