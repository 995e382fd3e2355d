"""BM25 over fields (BM25F), with all that it counts and averages counted over what one caller may see.

Robertson, Zaragoza: The Probabilistic Relevance Framework: BM25 and Beyond (2009), section 3.5. A library would have
counted over the whole index: how rare a word is would then tell of items that the caller must not know of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mcp_sidecar.search.items import SearchItem
from mcp_sidecar.search.words import terms

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Weighed:
    """How much a word counts in one of an item's texts, and how much the length of that text does."""

    weight: float
    length: float


FIELDS: Final[Mapping[str, Weighed]] = {
    "name": Weighed(3.0, 0.75),
    "title": Weighed(1.5, 0.75),
    "description": Weighed(1.0, 0.75),
    "parameters": Weighed(0.5, 0.75),
    "details": Weighed(0.3, 0.75),
    "usage": Weighed(1.0, 0.75),
    "server": Weighed(1.0, 0.75),
}
"""Chosen on two of four sets of queries and seen on the others: docs/search.md."""
_SATURATION: Final = 1.2
"""k1 of BM25: how soon a word that is said again counts no more."""

Words: TypeAlias = tuple[Mapping[str, int], ...]
"""Of one item, field by field, how often which word stands there."""


def words_of(item: SearchItem) -> Words:
    """Return the words of an item, in the order of FIELDS."""
    texts = {
        "name": item.name,
        "title": item.title,
        "description": item.description,
        "parameters": " ".join(name for name, _ in item.parameters),
        "details": " ".join(says for _, says in item.parameters),
        "usage": item.usage,
        "server": item.server,
    }
    return tuple(Counter(terms(texts[name])) for name in FIELDS)


class Postings:
    """Where which word stands, of all items of an index: rows of word, item, field and how often, in that order."""

    def __init__(self, documents: Sequence[Words]) -> None:
        self.vocabulary: dict[str, int] = {}
        number = self.vocabulary.setdefault
        rows = [
            (number(word, len(self.vocabulary)), item, field, often)
            for item, fields in enumerate(documents)
            for field, counts in enumerate(fields)
            for word, often in counts.items()
        ]
        table = np.array(sorted(rows), dtype=np.int64).reshape(-1, 4)
        self._word, self._item, self._field, self._often = (np.ascontiguousarray(column) for column in table.T)
        self._lengths = np.array(
            [[sum(counts.values()) for counts in fields] for fields in documents], dtype=np.float64
        ).reshape(-1, len(FIELDS))

    def among(self, allowed: NDArray[np.bool_]) -> AllowedPostings:
        """Return what one caller may see of it. `allowed` is by item."""
        return AllowedPostings(self, allowed)

    def table(self, allowed: NDArray[np.bool_]) -> tuple[Ints, Ints, Floats]:
        """Return word, item (counted among the allowed) and how often, weighed by field and length."""
        weights = np.array([one.weight for one in FIELDS.values()])
        by_length = np.array([one.length for one in FIELDS.values()])
        lengths = self._lengths[allowed]
        mean = lengths.mean(axis=0)
        mean[mean == 0] = 1.0
        norm = 1 - by_length + by_length * lengths / mean
        kept = allowed[self._item]
        word, field = self._word[kept], self._field[kept]
        item = (np.cumsum(allowed) - 1)[self._item[kept]]
        often = weights[field] * self._often[kept] / norm[item, field]
        first = np.ones(len(word), dtype=bool)
        first[1:] = (word[1:] != word[:-1]) | (item[1:] != item[:-1])
        starts = np.flatnonzero(first)
        return word[starts], item[starts], np.add.reduceat(often, starts)


class AllowedPostings:
    """BM25 of what one caller may see, as an index would have it that never held anything else."""

    def __init__(self, postings: Postings, allowed: NDArray[np.bool_]) -> None:
        self._vocabulary = postings.vocabulary
        self._count = int(allowed.sum())
        if not self._count or not self._vocabulary or not allowed.any():
            self._starts = np.zeros(len(self._vocabulary) + 1, dtype=np.int64)
            return
        word, self._item, often = postings.table(allowed)
        self._starts = np.searchsorted(word, np.arange(len(self._vocabulary) + 1))
        holds = np.diff(self._starts)
        rarity = np.log1p((self._count - holds + 0.5) / (holds + 0.5))
        self._score = rarity[word] * often * (_SATURATION + 1) / (often + _SATURATION)

    def scores(self, query: Mapping[str, float]) -> Floats:
        """Return a score for each item, 0 where no word of the query stands there. `query` weighs its words."""
        total = np.zeros(self._count)
        for word in sorted(query):
            number = self._vocabulary.get(word)
            if number is not None:
                rows = slice(self._starts[number], self._starts[number + 1])
                if rows.start != rows.stop:
                    total[self._item[rows]] += query[word] * self._score[rows]
        return total
