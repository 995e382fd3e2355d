"""Tries rules on a reading: which hold, and where. Combinations of weak signals are formed from what was found."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final

from mcp_core.scan.hints import Hinted
from mcp_core.scan.phrases import NAME, STEM, compile_phrase
from mcp_core.scan.rule import Combination, ScanRule
from mcp_core.scan.text import Reading
from mcp_core.scan.trial import Expression, Hit, Trial, scripts

SEEN: Final = 20_000
"""Words whose bits are kept between texts, none of them longer than LONG characters."""
LONG: Final = 40

NEAR: Final = 180
"""Characters within which the signals of a `near` combination must stand."""

_DIGIT: Final = re.compile("[0-9]")

_COMMON: Final = dict.fromkeys(
    """a an the this that it to of in on at for from by with as is are be has have and or all any each every if when use
    call get set user users you your must should will can not no first before after tool name file value list data
    NAME""".split(),  # noqa: SIM905 - a list of words
    40,
)
"""Words that most descriptions hold: a phrase is looked up by a part of it that is rarer."""


class Engine:
    """The rules of one scope, ready to be tried. `weighs` says which of them are reported by themselves."""

    def __init__(
        self, rules: Iterable[ScanRule], combinations: Sequence[Combination], weighs: Container[str] = frozenset()
    ) -> None:
        self._words: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        self._untold = 0
        """Bits of lists with a word that has digits, which a vocabulary leaves out."""
        self._seen: dict[str, int] = {}
        self._known: dict[frozenset[str], int] = {}
        self._phrases: dict[int, list[Expression]] = defaultdict(list)
        self._fitting: dict[int, tuple[Expression, ...]] = {}
        patterns: list[Expression] = []
        self._composed: list[Expression] = []
        self._combinations = tuple(combinations)
        traits = {name for combination in combinations for names in combination.traits for name in names}
        self._traits = {name: 1 << number for number, name in enumerate(sorted(traits))}
        self._masks = {
            combination: tuple(sum(self._traits[name] for name in names) for names in combination.traits)
            for combination in combinations
        }
        self._feasibles: dict[int, list[Combination]] = {}
        for rule in rules:
            for text in rule.phrases:
                pattern, needed, rarest = self._learn(text)
                self._phrases[rarest].append(Expression(rule, " " + pattern, needed))
            for one in rule.patterns:
                gate = self._learn(one.gate)[1] if one.gate else 0
                (self._composed if one.composed else patterns).append(Expression(rule, one.regex, gate, one))
        self._rarest = sum(self._phrases)
        self._hinted = Hinted(patterns)
        ordered = [lazy for bit in sorted(self._phrases) for lazy in self._phrases[bit]]
        for number, lazy in enumerate((*ordered, *patterns, *self._composed)):
            lazy.order = number
            lazy.trait = self._traits.get(lazy.rule.trait, 0)
            lazy.weighs = lazy.rule.id in weighs

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
                if _DIGIT.search(key):
                    self._untold |= bit
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
        known = self._bits_of(reading.vocabulary)
        present = _all_of(known)
        if reading.is_long:
            present |= self._untold
        in_code = self._in_code(reading, present, own)
        phrases, in_code = self._asked(self._fit(present), in_code, marks, weak=weak)
        if reading.is_long and (phrases or any(trial.one.needed for trial in in_code)):
            # What is not in the vocabulary is not in the text. What is, may not be: the words themselves decide.
            known = self._bits_of(reading.unique)
            present = _all_of(known)
            in_code = [trial for trial in in_code if present & trial.one.needed == trial.one.needed]
            phrases, in_code = self._asked(self._fit(present), in_code, marks, weak=weak)
        trials = [Trial(expression, reading, own, at) for expression, at in self._places(reading, known, phrases)]
        trials += in_code
        if not trials:
            return []
        found = [hit for trial in trials if weak or trial.one.weighs for hit in trial.hits]
        return found + self._combined(trials, marks)

    def _asked(
        self, phrases: Sequence[Expression], in_code: list[Trial], marks: Sequence[Hit], *, weak: bool
    ) -> tuple[Sequence[Expression], list[Trial]]:
        """Return those of what may hold that are to be tried: without `weak` what is reported or may be of use."""
        if weak:
            return phrases, in_code
        traits = self._useful(phrases, in_code, marks)
        return (
            [phrase for phrase in phrases if phrase.weighs or phrase.trait & traits],
            [trial for trial in in_code if trial.one.weighs or trial.one.trait & traits],
        )

    def _useful(self, phrases: Iterable[Expression], in_code: Iterable[Trial], marks: Iterable[Hit]) -> int:
        """Return the traits on which a combination may depend that can hold."""
        there = useful = 0
        for expression in phrases:
            there |= expression.trait
        for trial in in_code:
            there |= trial.one.trait
        for mark in marks:
            there |= self._trait(mark)
        for combination in self._feasible(there):
            for mask in self._masks[combination]:
                useful |= mask
        return useful

    def _combined(self, trials: Sequence[Trial], marks: Sequence[Hit]) -> list[Hit]:
        by_trait: dict[str, list[Trial]] = {}
        held: dict[str, list[Hit]] = {}
        marked = [mark for mark in marks if isinstance(mark.rule, ScanRule) and not mark.guarded]
        there = 0
        for trial in trials:
            if trial.one.trait:
                there |= trial.one.trait
                by_trait.setdefault(trial.one.rule.trait, []).append(trial)
        for mark in marked:
            there |= self._trait(mark)

        def hits_of(trait: str) -> list[Hit]:
            hits = held.get(trait)
            if hits is None:
                hits = [hit for trial in by_trait.get(trait, ()) for hit in trial.unguarded]
                hits += [mark for mark in marked if isinstance(mark.rule, ScanRule) and mark.rule.trait == trait]
                held[trait] = hits
            return hits

        found = []
        for combination in self._feasible(there):
            groups: list[list[Hit]] = []
            for names in combination.traits:
                groups.append([hit for name in names for hit in hits_of(name)])
                if not groups[-1]:  # most combinations fail at one of the first
                    break
            else:
                if place := _together(groups, near=combination.near):
                    found.append(Hit(combination, place.field, place.start, place.end, place.view))
        return found

    def _trait(self, mark: Hit) -> int:
        return self._traits.get(mark.rule.trait, 0) if isinstance(mark.rule, ScanRule) else 0

    def _feasible(self, there: int) -> list[Combination]:
        """Return the combinations all of whose groups have a trait among these."""
        known = self._feasibles.get(there)
        if known is None:
            if len(self._feasibles) >= SEEN:
                self._feasibles.clear()
            known = [
                combination
                for combination in self._combinations
                if all(there & mask for mask in self._masks[combination])
            ]
            self._feasibles[there] = known
        return known

    def _places(
        self, reading: Reading, known: Mapping[str, int], phrases: Sequence[Expression]
    ) -> list[tuple[Expression, list[tuple[int, int]]]]:
        """Return the phrases all of whose parts have a word in one sentence, with those sentences."""
        if not phrases:
            return []
        needed = 0
        for phrase in phrases:
            needed |= phrase.needed
        bits_of = {word: bits & needed for word, bits in known.items() if bits & needed}
        asked = frozenset(phrases)
        words, places = reading.words, dict[Expression, list[tuple[int, int]]]()
        for start, end in reading.sentences:
            bits = 0
            for word in bits_of.keys() & words[start:end].split():
                bits |= bits_of[word]
            for expression in self._fit(bits) if bits & self._rarest else ():
                if expression not in asked:
                    continue
                if expression in places:
                    places[expression].append((start, end))
                else:
                    places[expression] = [(start, end)]
        return sorted(places.items(), key=_order)

    def _fit(self, bits: int) -> tuple[Expression, ...]:
        """Return the phrases all of whose parts have their bits."""
        known = self._fitting.get(bits)
        if known is not None:
            return known
        fitting, candidates = [], bits & self._rarest
        while candidates:
            bit = candidates & -candidates
            candidates ^= bit
            fitting += [
                expression for expression in self._phrases[bit] if bits & expression.needed == expression.needed
            ]
        if len(self._fitting) >= SEEN:
            self._fitting.clear()
        self._fitting[bits] = known = tuple(fitting)
        return known

    def _bits_of(self, words: Iterable[str]) -> dict[str, int]:
        """Return the bits of those of the words that have any. What is kept between texts decides over none of them."""
        found = {}
        seen = self._seen
        for word in words:
            one = seen.get(word)
            if one is None:
                one = self._words.get(word, 0) | self._stems.get(word[:STEM], 0)
                if "_" in word:
                    one |= self._words.get(NAME, 0)
                if len(word) <= LONG:
                    if len(seen) >= SEEN:
                        seen.clear()
                    seen[word] = one
            if one:
                found[word] = one
        return found

    def _in_code(self, reading: Reading, present: int, own: Container[str]) -> list[Trial]:
        trials = [Trial(pattern, reading, own) for pattern in self._hinted.in_text(reading, present)]
        if self._composed and not reading.code.isascii():
            there = scripts(reading.composed)
            trials += [
                Trial(expression, reading, own, view="composed")
                for expression in self._composed
                if not expression.scripts.isdisjoint(there)
            ]
        return trials


def _all_of(known: Mapping[str, int]) -> int:
    """Return the bits of some words together."""
    present = 0
    for bits in known.values():
        present |= bits
    return present


def _together(groups: Sequence[Sequence[Hit]], *, near: bool) -> Hit | None:
    """Return the hit around which the groups meet, one hit of each, and None where they do not."""
    if not near:
        return min(groups[0], key=_place)
    for anchor in groups[0]:
        if all(any(_is_near(anchor, other) for other in group) for group in groups[1:]):
            return anchor
    return None


def _is_near(hit: Hit, other: Hit) -> bool:
    # Words and code run in parallel, words a little shorter: near enough for what is near.
    return hit.field == other.field and abs(hit.start - other.start) <= NEAR


def _place(hit: Hit) -> tuple[int, int]:
    return hit.field, hit.start


def _order(item: tuple[Expression, object]) -> int:
    return item[0].order
