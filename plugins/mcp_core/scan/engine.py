"""Tries rules on a reading: which hold, and where. Combinations of weak signals are formed from what was found."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from mcp_core.scan.lexicon import DATA, VERBS
from mcp_core.scan.phrases import NAME, STEM, compile_phrase
from mcp_core.scan.rule import Combination, Guard, Pattern, Rule
from mcp_core.scan.text import FIELD, Reading

MOST: Final = 12
"""Places at which one phrase is noted, and as many at which it is guarded; more of the same add nothing."""

SEEN: Final = 20_000
"""Words whose bits are kept between texts, none of them longer than LONG characters."""
LONG: Final = 40

NEAR: Final = 180
"""Characters within which the signals of a `near` combination must stand."""

_SPOKEN_OF: Final = (
    "detect*|prevent*|block*|protect*|flag|flags|identif*|scan|scans|check|checks|warns|analyz*|test|tests|attempt*|"
    "guard*|against|mitigat*|reject*|whether|would|could|like|such|eg|example|examples|bug"
)
_NEGATIONS: Final = "never|not|dont|doesnt|wont|refus*|avoid|without|neither|nor|no"


def _guard(*words_and_gaps: tuple[str, int]) -> re.Pattern[str]:
    before = (f" (?:{words.replace('*', '[^ ]*')}) (?:[^ .\x00]+ ){{0,{gap}}}$" for words, gap in words_and_gaps)
    return re.compile("|".join(before))


_GUARDS: Final = {
    Guard.SPOKEN_OF: _guard((_SPOKEN_OF, 8)),
    Guard.DENIED: _guard((_SPOKEN_OF, 4), (_NEGATIONS, 2)),
    Guard.NEGATED: _guard((_SPOKEN_OF, 4), (f"{_NEGATIONS}|cannot|unless|isnt", 5)),
}
_APART: Final = re.compile(r"[^\w.\x00]+")
_WORD: Final = re.compile(r"\w+")
_COMMON: Final = dict.fromkeys(
    """a an the this that it to of in on at for from by with as is are be has have and or all any each every if when use
    call get set user users you your must should will can not no first before after tool name file value list data
    NAME""".split(),  # noqa: SIM905 - a list of words
    40,
)
"""Words that most descriptions hold: a phrase is looked up by a part of it that is rarer."""
_BEFORE: Final = 90
"""Characters before a match in which a guard is looked for."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that holds: the field's number, and start and end in that view of the reading."""

    rule: Rule | Combination
    field: int
    start: int
    end: int
    view: str = "words"
    guarded: bool = False


class _Lazy:
    """A pattern, compiled when it is first tried: most never are, and compiling all takes a third of a second."""

    def __init__(self, rule: Rule, text: str, needed: int, pattern: Pattern | None = None) -> None:
        self.rule = rule
        self.text = text
        self.needed = needed
        self.hints = pattern.hints if pattern else ()
        self.scripts = scripts(text) if pattern and pattern.composed else frozenset()

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        return re.compile(self.text)


class Engine:
    """The rules of one scope, ready to be tried."""

    def __init__(self, rules: Iterable[Rule], combinations: Sequence[Combination]) -> None:
        self._words: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._known: dict[frozenset[str], int] = {}
        self._phrases: dict[int, list[_Lazy]] = defaultdict(list)
        self._patterns: list[_Lazy] = []
        self._composed: list[_Lazy] = []
        self._combinations = tuple(combinations)
        for rule in rules:
            for text in rule.phrases:
                pattern, needed, rarest = self._learn(text)
                self._phrases[rarest].append(_Lazy(rule, " " + pattern, needed))
            for one in rule.patterns:
                gate = self._learn(one.gate)[1] if one.gate else 0
                (self._composed if one.composed else self._patterns).append(_Lazy(rule, one.regex, gate, one))

        self._rarest = sum(self._phrases)
        self._hints: dict[str, set[str]] = defaultdict(set)
        for lazy in self._patterns:
            for hint in () if lazy.needed else lazy.hints:
                self._hints[_sign(hint)].add(hint)

    def _learn(self, text: str) -> tuple[str, int, int]:
        """Take in a phrase. Returns its expression, the bits that a text's words must set, and the rarest of them."""
        phrase, needed, bits = compile_phrase(text), 0, []
        for words in phrase.needs:
            bit = self._bit(words)
            bits.append((sum(_COMMON.get(word, 1) for word in words), bit))
            needed |= bit
        return phrase.pattern, needed, min(bits)[1]

    def _bit(self, words: frozenset[str]) -> int:
        """Return the bit of a list of words, which phrases that hold the same list share."""
        bit = self._known.get(words)
        if bit is None:
            bit = self._known[words] = 1 << len(self._known)
            for word in words:
                known, key = (self._stems, word[:STEM]) if word.endswith("*") else (self._words, word)
                known[key] = known.get(key, 0) | bit
        return bit

    def hits(self, reading: Reading, marks: Sequence[Hit] = (), own: Container[str] = frozenset()) -> list[Hit]:
        """Return where rules hold in a reading, weak signals and combinations too.

        `marks` are hits of rules that are not about words, for combinations; `own` are the item's own names.
        """
        sentences = [
            (bits, start, end) for start, end in reading.sentences if (bits := self._bits(reading.words, start, end))
        ]
        present = 0
        for bits, _, _ in sentences:
            present |= bits
        found = [*self._in_words(reading, sentences, present, own), *self._in_code(reading, present, own)]
        if len(found) + len(marks) > 1:
            found += self._combined((*found, *marks))
        return found

    def _bits(self, words: str, start: int, end: int) -> int:
        bits = 0
        seen = self._seen
        for word in words[start:end].split():
            one = seen.get(word)
            if one is None:
                one = self._words.get(word, 0) | self._stems.get(word[:STEM], 0)
                if "_" in word:
                    one |= self._words.get(NAME, 0)
                if len(seen) >= SEEN:
                    seen.clear()
                if len(word) <= LONG:
                    seen[word] = one
            if one:
                bits |= one
        return bits

    def _in_words(
        self, reading: Reading, sentences: Sequence[tuple[int, int, int]], present: int, own: Container[str]
    ) -> Iterator[Hit]:
        candidates = present & self._rarest
        while candidates:
            bit = candidates & -candidates
            candidates ^= bit
            for one in self._phrases[bit]:
                needed = one.needed
                if present & needed != needed:
                    continue
                places = [(start, end) for bits, start, end in sentences if bits & needed == needed]
                if places:
                    yield from _phrase_hits(one, reading, places, own)

    def _in_code(self, reading: Reading, present: int, own: Container[str]) -> Iterator[Hit]:
        code = reading.code
        held = {hint for sign, hints in self._hints.items() if sign in code for hint in hints if hint in code}
        for one in self._patterns:
            if one.needed:
                if present & one.needed != one.needed or (one.hints and not any(hint in code for hint in one.hints)):
                    continue
            elif one.hints and held.isdisjoint(one.hints):
                continue
            for hit in _matches(one, code, "code"):
                if not one.rule.names or _names_other(code[hit.start : hit.end], own):
                    yield hit
        if self._composed and not code.isascii():
            composed = reading.composed
            there = scripts(composed)
            for one in self._composed:
                if not one.scripts.isdisjoint(there):
                    yield from _matches(one, composed, "composed")

    def _combined(self, hits: Sequence[Hit]) -> list[Hit]:
        by_trait: dict[str, list[Hit]] = defaultdict(list)
        for hit in hits:
            if isinstance(hit.rule, Rule) and hit.rule.trait and not hit.guarded:
                by_trait[hit.rule.trait].append(hit)
        found = []
        for combination in self._combinations:
            groups = [[hit for name in names for hit in by_trait.get(name, ())] for names in combination.traits]
            if all(groups) and (place := _together(groups, near=combination.near)):
                found.append(Hit(combination, place.field, place.start, place.end, view=place.view))
        return found


def _sign(hint: str) -> str:
    """Return a sign of a hint that most texts do not hold, so that all hints with it are dismissed at once."""
    return next((one for one in hint if not one.isalnum() and one not in " _"), "")


def _phrase_hits(one: _Lazy, reading: Reading, places: Sequence[tuple[int, int]], own: Container[str]) -> Iterator[Hit]:
    words, rule = reading.words, one.rule
    guard, noted = _GUARDS.get(rule.guard), [0, 0]
    for start, end in places:
        for match in one.compiled.finditer(words, start, end):
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
    return frozenset() if text.isascii() else frozenset(map(_script, {one for one in text if one > "\x7f"}))


@lru_cache(maxsize=8192)
def _script(one: str) -> str:
    return unicodedata.name(one, "").partition(" ")[0]


def _matches(one: _Lazy, text: str, view: str) -> Iterator[Hit]:
    guard, noted = _GUARDS.get(one.rule.guard), [0, 0]
    for match in one.compiled.finditer(text):
        before = _APART.sub(" ", text[max(0, match.start() - _BEFORE) : match.start()])
        guarded = guard is not None and guard.search(f" {before.strip(' ')} ") is not None
        if noted[guarded] < MOST:
            field = text.count(FIELD, 0, match.start())
            yield Hit(one.rule, field, match.start(), match.end(), view, guarded)
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


def _together(groups: Sequence[Sequence[Hit]], *, near: bool) -> Hit | None:
    """Return the hit around which the groups meet, one hit of each, and None where they do not."""
    if not near:
        return min(groups[0], key=_place)
    for anchor in groups[0]:
        if all(any(_is_near(anchor, other) for other in group) for group in groups[1:]):
            return anchor
    return None


def _is_near(one: Hit, other: Hit) -> bool:
    # Words and code run in parallel, words a little shorter: near enough for what is near.
    return one.field == other.field and abs(one.start - other.start) <= NEAR


def _place(hit: Hit) -> tuple[int, int]:
    return hit.field, hit.start
