"""Tries rules on a reading: which hold, and where. Combinations of weak signals are formed from what was found."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import islice
from re import _parser  # type: ignore[attr-defined]  # the one that knows how long a match can be
from typing import Final, NamedTuple

from mcp_core.scan.lexicon import DATA, VERBS
from mcp_core.scan.phrases import NAME, STEM, compile_phrase
from mcp_core.scan.rule import Combination, Guard, Pattern, Rule
from mcp_core.scan.text import FIELD, Reading

MOST: Final = 12
"""Places at which one phrase is noted; more of the same add nothing."""

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
        self._probe = pattern.probe if pattern else ""
        self.scripts = scripts(text) if pattern and pattern.composed else frozenset()
        self.order = 0

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        return re.compile(self.text)

    @cached_property
    def _bare(self) -> re.Pattern[str] | None:
        """The expression without the \\b that it begins with, if it does: re finds what begins with a letter faster."""
        text = self.text.removeprefix(r"\b")
        return None if text == self.text or _has_alternatives(text) else re.compile(text)

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
        """Yield what `compiled.finditer(text)` does, and look only around the hints of a long text.

        Every match holds one of the hints, and is no longer than `width`.
        """
        if self._probe and re.search(self._probe, text) is None:
            return
        if self.hints and len(text) > _LONG_TEXT and self.width < _WIDE:
            spans = self._spans(text)
            if spans is not None:
                for start, end in spans:
                    yield from self._search(text, start, min(end, len(text)))
                return
        yield from self._search(text, 0, len(text))

    def _spans(self, text: str) -> list[tuple[int, int]] | None:
        held: list[int] = []
        for hint in self.hints:
            at = text.find(hint)
            while at >= 0:
                held.append(at)
                if len(held) > _MANY:
                    return None
                at = text.find(hint, at + 1)
        spans: list[tuple[int, int]] = []
        for at in sorted(held):
            start, end = max(0, at - self.width), at + self.width + _MARGIN
            if spans and start <= spans[-1][1]:
                start, _ = spans.pop()
            spans.append((start, end))
        return spans


class _Trial:
    """A pattern that may hold in a text, tried when somebody asks. `places` are sentences, for phrases alone."""

    __slots__ = ("_found", "_own", "_places", "_reading", "_view", "one")

    def __init__(
        self,
        one: _Lazy,
        reading: Reading,
        own: Container[str],
        places: Sequence[tuple[int, int]] = (),
        view: str = "code",
    ) -> None:
        self.one = one
        self._reading = reading
        self._own = own
        self._places = places
        self._view = view
        self._found: list[Hit] | None = None

    @property
    def hits(self) -> list[Hit]:
        if self._found is None:
            self._found = list(self._search())
        return self._found

    def _search(self) -> Iterable[Hit]:
        if self._places:
            return _phrase_hits(self.one, self._reading, self._places, self._own)
        text: str = getattr(self._reading, self._view)
        for hint in self.one.hints:
            if hint in text:
                break
        else:
            if self.one.hints:
                return ()
        return _matches(self.one, text, self._view, self._own)

    @property
    def unguarded(self) -> list[Hit]:
        return [hit for hit in self.hits if not hit.guarded]


class Engine:
    """The rules of one scope, ready to be tried. `weighs` says which of them are reported by themselves."""

    def __init__(
        self, rules: Iterable[Rule], combinations: Sequence[Combination], weighs: Container[str] = frozenset()
    ) -> None:
        self._words: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._known: dict[frozenset[str], int] = {}
        self._phrases: dict[int, list[_Lazy]] = defaultdict(list)
        self._fitting: dict[int, tuple[_Lazy, ...]] = {}
        self._patterns: list[_Lazy] = []
        self._composed: list[_Lazy] = []
        self._combinations = tuple(combinations)
        self._weighs = weighs
        traits = {name for one in combinations for names in one.traits for name in names}
        self._traits = {name: 1 << number for number, name in enumerate(sorted(traits))}
        self._masks = [
            (one, tuple(sum(self._traits[name] for name in names) for names in one.traits)) for one in combinations
        ]
        self._feasibles: dict[int, list[tuple[Combination, tuple[int, ...]]]] = {}
        self._by_signs: dict[frozenset[str], list[_Lazy]] = {}
        for rule in rules:
            for text in rule.phrases:
                pattern, needed, rarest = self._learn(text)
                self._phrases[rarest].append(_Lazy(rule, " " + pattern, needed))
            for one in rule.patterns:
                gate = self._learn(one.gate)[1] if one.gate else 0
                (self._composed if one.composed else self._patterns).append(_Lazy(rule, one.regex, gate, one))
        self._rarest = sum(self._phrases)
        self._signs = sorted({_sign(hint) for one in self._patterns for hint in one.hints})
        for number, one in enumerate(one for bit in sorted(self._phrases) for one in self._phrases[bit]):
            one.order = number

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

    def hits(
        self,
        reading: Reading,
        marks: Sequence[Hit] = (),
        own: Container[str] = frozenset(),
        *,
        weak: bool = True,
    ) -> list[Hit]:
        """Return where rules hold in a reading, combinations too, and with `weak` all weak signals.

        Without `weak` only those weak signals are looked for, and returned, on which a combination may depend.
        `marks` are hits of rules that are not about words, for combinations; `own` are the item's own names.
        """
        places, present = self._fitting_phrases(reading)
        trials = [_Trial(one, reading, own, at) for one, at in places]
        trials += self._in_code(reading, present, own)
        if not trials:
            return []
        if weak:
            found = [hit for trial in trials for hit in trial.hits]
            return found + self._combined((*found, *marks)) if len(found) + len(marks) > 1 else found
        return self._strong(trials, marks)

    def _strong(self, trials: Sequence[_Trial], marks: Sequence[Hit]) -> list[Hit]:
        by_trait: dict[str, list[_Trial]] = {}
        found, there = [], 0
        for trial in trials:
            rule = trial.one.rule
            if rule.id in self._weighs:
                found += trial.hits
            if rule.trait and rule.trait in self._traits:
                there |= self._traits[rule.trait]
                by_trait.setdefault(rule.trait, []).append(trial)
        marked: dict[str, list[Hit]] = {}
        for mark in marks:
            if isinstance(mark.rule, Rule) and mark.rule.trait in self._traits and not mark.guarded:
                there |= self._traits[mark.rule.trait]
                marked.setdefault(mark.rule.trait, []).append(mark)
        held: dict[str, list[Hit]] = {}
        for combination, masks in self._feasible(there):
            groups = []
            # The first groups are the rarest by the order of the table: most combinations fail at one of them.
            for names, mask in zip(combination.traits, masks, strict=True):
                if not there & mask:
                    break
                hits: list[Hit] = []
                for name in names:
                    one = held.get(name)
                    if one is None:
                        one = [hit for trial in by_trait.get(name, ()) for hit in trial.unguarded]
                        held[name] = one = one + marked.get(name, [])
                        if not one:
                            there &= ~self._traits[name]
                    hits += one
                if not hits:
                    break
                groups.append(hits)
            else:
                if place := _together(groups, near=combination.near):
                    found.append(Hit(combination, place.field, place.start, place.end, place.view))
        return found

    def _feasible(self, there: int) -> list[tuple[Combination, tuple[int, ...]]]:
        """Return the combinations all of whose groups have a trait among these."""
        known = self._feasibles.get(there)
        if known is None:
            if len(self._feasibles) >= SEEN:
                self._feasibles.clear()
            known = [one for one in self._masks if all(there & mask for mask in one[1])]
            self._feasibles[there] = known
        return known

    def _fitting_phrases(self, reading: Reading) -> tuple[list[tuple[_Lazy, list[tuple[int, int]]]], int]:
        """Return the phrases all of whose parts have a word in one sentence, with those sentences; and all bits."""
        words = reading.words
        present = self._bits(set(words.split()))
        places: dict[_Lazy, list[tuple[int, int]]] = {}
        # What does not fit into the whole text fits into none of its sentences.
        for start, end in reading.sentences if self._fit(present) else ():
            for one in self._fit(self._bits(words[start:end].split())):
                if one in places:
                    places[one].append((start, end))
                else:
                    places[one] = [(start, end)]
        return sorted(places.items(), key=_order), present

    def _fit(self, bits: int) -> tuple[_Lazy, ...]:
        """Return the phrases all of whose parts have their bits."""
        known = self._fitting.get(bits)
        if known is not None:
            return known
        fitting, candidates = [], bits & self._rarest
        while candidates:
            bit = candidates & -candidates
            candidates ^= bit
            fitting += [one for one in self._phrases[bit] if bits & one.needed == one.needed]
        if len(self._fitting) >= SEEN:
            self._fitting.clear()
        self._fitting[bits] = known = tuple(fitting)
        return known

    def _bits(self, words: Iterable[str]) -> int:
        bits = 0
        seen = self._seen
        for word in words:
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

    def _in_code(self, reading: Reading, present: int, own: Container[str]) -> Iterator[_Trial]:
        code = reading.code
        signs = frozenset([sign for sign in self._signs if sign in code])
        patterns = self._by_signs.get(signs)
        if patterns is None:
            if len(self._by_signs) >= SEEN:
                self._by_signs.clear()
            patterns = self._by_signs[signs] = [
                one for one in self._patterns if not one.hints or any(_sign(hint) in signs for hint in one.hints)
            ]
        for one in patterns:
            if present & one.needed == one.needed:
                yield _Trial(one, reading, own)
        if self._composed and not code.isascii():
            there = scripts(reading.composed)
            for one in self._composed:
                if not one.scripts.isdisjoint(there):
                    yield _Trial(one, reading, own, view="composed")

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


def _order(item: tuple[_Lazy, object]) -> int:
    return item[0].order


def _has_alternatives(text: str) -> bool:
    """Return whether an expression has alternatives outside of its groups."""
    return "|" in _INNERMOST.sub("", _INNERMOST.sub("", _INNERMOST.sub("", _CLASS.sub("", text))))


_CLASS: Final = re.compile(r"\\.|\[\^?\]?(?:[^\]\\]|\\.)*\]")
_INNERMOST: Final = re.compile(r"\([^()]*\)")


@lru_cache(maxsize=1024)
def _sign(hint: str) -> str:
    """Return a sign of a hint that most texts do not hold, so that all hints with it are dismissed at once."""
    return next((one for one in hint if not one.isalnum() and one not in " _"), "")


def _phrase_hits(one: _Lazy, reading: Reading, places: Sequence[tuple[int, int]], own: Container[str]) -> Iterator[Hit]:
    words, rule = reading.words, one.rule
    guard, noted = _GUARDS.get(rule.guard), 0
    for start, end in places:
        for match in one.compiled.finditer(words, start, end):
            if rule.names and not _names_other(match[0], own):
                continue
            before = max(start, match.start() - _BEFORE)
            guarded = guard is not None and guard.search(words, before, match.start() + 1) is not None
            yield Hit(rule, reading.field_at(match.start()), match.start(), match.end(), guarded=guarded)
            noted += 1
        if noted >= MOST:
            break


def scripts(text: str) -> frozenset[str]:
    """Return the scripts of a text's letters beyond ASCII, by the first word of their names: CJK, HANGUL, ARABIC."""
    return frozenset() if text.isascii() else frozenset([_script(one) for one in set(text) if one > "\x7f"])


@lru_cache(maxsize=8192)
def _script(one: str) -> str:
    return unicodedata.name(one, "").partition(" ")[0]


def _matches(one: _Lazy, text: str, view: str, own: Container[str]) -> Iterator[Hit]:
    guard = _GUARDS.get(one.rule.guard)
    for match in islice(one.places(text), MOST):
        start, end = match.span()
        if one.rule.names and view == "code" and not _names_other(text[start:end], own):
            continue
        before = _APART.sub(" ", text[max(0, start - _BEFORE) : start])
        guarded = guard is not None and guard.search(f" {before.strip(' ')} ") is not None
        yield Hit(one.rule, text.count(FIELD, 0, start), start, end, view, guarded)


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
