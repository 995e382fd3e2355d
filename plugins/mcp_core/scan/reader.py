"""Reads one item, or one result: plain, disguised and encoded, and makes findings of what rules see."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Final

from mcp_core.scan import hidden, names, structure
from mcp_core.scan.combinations import COMBINATIONS
from mcp_core.scan.config import ScanConfig
from mcp_core.scan.encoded import DecodeBudget, Decoded, decoded
from mcp_core.scan.engine import Engine
from mcp_core.scan.excerpt import excerpt
from mcp_core.scan.finding import Finding, Severity
from mcp_core.scan.items import ItemKind, TextField, path_text
from mcp_core.scan.rule import Combination, ScanRule
from mcp_core.scan.rules import RULES
from mcp_core.scan.text import FIELD, PLACEHOLDERS, Reading
from mcp_core.scan.trial import Hit

LONGEST: Final = 262_144
"""Characters of one item that are read. Honest items hold a tenth of it; more is itself a finding."""

MOST_FINDINGS: Final = 200
"""Findings of one severity about one item that are kept: so that no number of light ones hides one that blocks."""


@dataclass
class ItemReading:
    """What was seen of one item: hits with the readings they are in, and findings made of them."""

    kind: ItemKind
    name: str
    fields: Sequence[TextField]
    findings: list[Finding] = field(default_factory=list)
    noted: set[tuple[str, str, Severity]] = field(default_factory=set)
    """Rules and places of the findings: each pair is one finding, however often a rule holds there."""
    kept: Counter[Severity] = field(default_factory=Counter)
    look_for_ids: Callable[[], Iterable[str]] = frozenset

    @cached_property
    def ids(self) -> frozenset[str]:
        """Ids of every rule that holds in the plain reading, weak signals too: few ask, so they are found on demand."""
        return frozenset(self.look_for_ids())

    def path(self, number: int) -> str:
        """Return the path of a field."""
        if not self.fields:
            return self.kind.value
        return path_text(self.kind, self.name, self.fields[min(number, len(self.fields) - 1)].path)


class Reader:
    """The rules of one scope under one configuration."""

    def __init__(self, config: ScanConfig, scope: str) -> None:
        self._config = config
        rules = [
            rule for rule in (*RULES, *config.patterns) if rule.scope in (scope, "both") and not config.is_off(rule)
        ]
        together = [
            combination
            for combination in COMBINATIONS
            if combination.scope in (scope, "both") and not config.is_off(combination)
        ]
        both: list[ScanRule | Combination] = [*rules, *together]
        self._severities = {rule.id: severity for rule in both if (severity := config.severity(rule)) is not None}
        self._engine = Engine(rules, together, self._severities)
        self._is_result = scope == "result"
        self._checks = [check for check in hidden.CHECKS if not config.is_off(check.rule)]

    def read(
        self, kind: ItemKind, name: str, fields: Iterable[TextField], own: Container[str] = frozenset()
    ) -> ItemReading:
        """Return what the rules see. `own` are names that are the item's own, not those of other tools."""
        kept, whole = _within(fields)
        read = [text_field for text_field in kept if not names.is_plain(text_field)]
        sight = ItemReading(kind, name, read)
        if not whole:
            self._note(sight, structure.TOO_LONG, 0)
        marks: list[Hit] = []
        if not hidden.are_plain([text_field.text for text_field in read]):
            marks += self._hidden(sight, read)
            if self._is_result:
                read = [text_field._replace(text=hidden.with_blanks(text_field.text)) for text_field in read]
        for rule, number in names.findings(kept):
            if self._weight(sight, rule) is None:
                continue
            path = path_text(kind, name, kept[number].path)
            self._note(sight, rule, 0, excerpt(kept[number].text), path=path)
        reading = Reading(names.spelled_out(read))
        sight.look_for_ids = lambda: (hit.rule.id for hit in self._engine.hits(reading, marks, own))
        for hit in self._engine.hits(reading, marks, own, weak=False):
            self._note_hit(sight, hit, reading)
        self._encoded(sight, read, own, reading)
        return sight

    def _hidden(self, sight: ItemReading, read: Sequence[TextField]) -> Iterator[Hit]:
        for number, text_field in enumerate(read):
            text = hidden.in_result(text_field.text) if self._is_result else text_field.text
            for check in hidden.checks_for(text, self._checks):
                span = next(check.spans(text), None)
                if span is not None:
                    light = self._is_result and self._is_light(check.rule, text)
                    if self._weight(sight, check.rule, guarded=light) is not None:
                        self._note(sight, check.rule, number, excerpt(text, *span), guarded=light)
                    yield Hit(check.rule, number, 0, 0)

    def _is_light(self, rule: ScanRule, text: str) -> bool:
        """Return whether a result may hold such characters for an honest reason, and nobody set what they weigh."""
        if rule.id in self._config.rules or rule.family in self._config.families:
            return False
        return rule.id not in hidden.IN_RESULTS or not hidden.IN_RESULTS[rule.id](text)

    def _encoded(self, sight: ItemReading, read: Sequence[TextField], own: Container[str], reading: Reading) -> None:
        if self._config.is_off(structure.ENCODED_STEERS) and self._config.is_off(structure.ENCODED_SENTENCE):
            return
        joined = FIELD.join(text_field.text for text_field in read)
        ends, budget = None, DecodeBudget()
        for piece in decoded(joined, words=reading.vocabulary if reading.is_plain else None, budget=budget):
            if not budget.allows(piece.text):
                break
            decoded_fields = Reading(tuple(piece.text.split(FIELD)))
            hits = [hit for hit in self._engine.hits(decoded_fields, (), own) if hit.rule.id not in sight.ids]
            if not hits and not piece.sentence:
                continue
            ends = ends or _ends(read)
            number = next((at for at, end in enumerate(ends) if piece.start < end), 0)
            if hits and (piece.sentence or len({hit.rule.id for hit in hits}) > 1 or any(map(_weighs, hits))):
                self._note(sight, structure.ENCODED_STEERS, number, excerpt(piece.text), also=f" ({piece.how}).")
            elif not _is_whole(piece):
                self._note(sight, structure.ENCODED_SENTENCE, number, excerpt(piece.text), also=f" ({piece.how}).")
        if budget.spent:
            self._note(sight, structure.TOO_LONG, 0)

    def _note_hit(self, sight: ItemReading, hit: Hit, reading: Reading) -> None:
        severity = self._weight(sight, hit.rule, guarded=hit.guarded)
        if severity is None or (hit.rule.id, sight.path(hit.field), severity) in sight.noted:
            return  # A weak signal, or known: what it would show costs more than what it adds.
        text: str = getattr(reading, hit.view)
        start = text.rfind(FIELD, 0, hit.start + 1) + 1
        end = text.find(FIELD, hit.start)
        field = text[start : end if end >= 0 else len(text)]
        span = max(0, hit.start - start), max(0, hit.end - start)
        original = sight.fields[min(hit.field, len(sight.fields) - 1)].text if sight.fields else ""
        place = _place(original, field[slice(*span)])
        shown = excerpt(field, *span) if place is None else excerpt(original, place)
        self._note(sight, hit.rule, hit.field, shown, guarded=hit.guarded)

    def _note(
        self,
        sight: ItemReading,
        rule: ScanRule | Combination,
        number: int,
        shown: str = "",
        *,
        path: str = "",
        also: str = "",
        guarded: bool = False,
    ) -> None:
        severity = self._weight(sight, rule, guarded=guarded)
        if severity is None:
            return
        path = path or sight.path(number)
        if (rule.id, path, severity) in sight.noted:
            return
        sight.noted.add((rule.id, path, severity))
        sight.kept[severity] += 1
        sight.findings.append(Finding(rule.id, rule.family, severity, path, shown, rule.message + also))

    def _weight(self, sight: ItemReading, rule: ScanRule | Combination, *, guarded: bool = False) -> Severity | None:
        """Return what a finding would weigh, or None where the rule is off, or no more of that weight are kept."""
        severity = self._config.severity(rule)
        if severity is not None and guarded:
            severity = Severity.FLAG
        return None if severity is None or sight.kept[severity] >= MOST_FINDINGS else severity


def _place(original: str, words: str) -> int | None:
    """Return where a field says two words that a rule saw side by side and as they stand; None if nowhere."""
    seen = words.split()
    for pair in pairwise(seen):
        if all(word.isalnum() and word not in PLACEHOLDERS for word in pair):
            found = re.search(r"\W{1,8}".join(pair), original, re.IGNORECASE)
            return found.start() if found else None
    return None


def _weighs(hit: Hit) -> bool:
    return hit.rule.severity is Severity.BLOCK and not hit.guarded


def _within(fields: Iterable[TextField]) -> tuple[list[TextField], bool]:
    """Return the fields up to LONGEST characters, and whether those are all."""
    every = list(fields)
    if sum([len(text_field.text) for text_field in every]) + len(every) < LONGEST:
        return every, True
    kept, left = [], LONGEST
    for text_field in every:
        if len(text_field.text) > left:
            kept.append(TextField(text_field.path, text_field.text[:left], text_field.role, text_field.key))
            return kept, False
        left -= len(text_field.text) + 1
        kept.append(text_field)
        if left <= 0:
            return kept, False
    return kept, True


def _ends(read: Sequence[TextField]) -> list[int]:
    ends, at = [], 0
    for text_field in read:
        at += len(text_field.text) + 1
        ends.append(at)
    return ends


_NOT_PIECES: Final = ("percent encoding", "character entities", "escapes", "rot13", "reversed text", "leetspeak")


def _is_whole(piece: Decoded) -> bool:
    """Return whether a decoding is of the whole text, most of which may never have been encoded."""
    return piece.how.startswith(_NOT_PIECES)
