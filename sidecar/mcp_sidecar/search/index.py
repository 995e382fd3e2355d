"""The index: made once of all items, asked by many callers, each of whom has a part of it."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mcp_sidecar.search.embedding import Embedder, Vectors
from mcp_sidecar.search.items import ItemKey, SearchItem
from mcp_sidecar.search.lexical import AllowedPostings, Floats, Postings, Words, words_of
from mcp_sidecar.search.words import readable, split, terms

Allowed: TypeAlias = Container[ItemKey] | Callable[[ItemKey], bool]
"""Which items exist for a caller: a set of them, or what says so of each."""

LONGEST_QUERY: Final = 4_000
"""Characters of a query that are read."""
MOST_WORDS: Final = 400
MOST_RESULTS: Final = 100
KEPT_VIEWS: Final = 32
"""How many different parts of an index are kept ready: callers with one policy share one."""
_BY_WORDS: Final = 0.3
_BY_MEANING: Final = 0.7


@dataclass(frozen=True, slots=True)
class Ranked:
    """One item that was found. Scores compare within one answer alone."""

    key: ItemKey
    score: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What was found, the best first; of equals the first by name, server and kind.

    `fallback` says that nothing fitted, so that these are the first of all that is allowed, in that order. `allowed` is
    how many items there were to choose from, `cut` whether the query was longer than what is read of it.
    """

    items: tuple[Ranked, ...]
    allowed: int
    fallback: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """What an index needs of one item: made once for as long as the item stays as it is."""

    item: SearchItem
    words: Words
    vector: Vectors | None


def prepare(items: Sequence[SearchItem], embedder: Embedder | None) -> list[Prepared]:
    """Return items made ready for an index. It takes about a tenth of a millisecond an item."""
    vectors: list[Vectors | None] = [None] * len(items)
    if embedder is not None and items:
        vectors = list(embedder.embed([meaning(one) for one in items]))
    return [Prepared(one, words_of(one), vector) for one, vector in zip(items, vectors, strict=True)]


def meaning(item: SearchItem) -> str:
    """Return the text of which an item's vector is made."""
    return readable(f"{' '.join(split(item.name))}: {item.title} {item.description[:600]} {item.usage[:600]}")


class Index:
    """All items of many servers, in the order of name, server and kind."""

    def __init__(self, prepared: Iterable[Prepared], embedder: Embedder | None = None) -> None:
        ordered = sorted(prepared, key=lambda one: (one.item.name, one.item.server, one.item.kind))
        self._embedder = embedder
        self._postings = Postings([one.words for one in ordered])
        vectors = [one.vector for one in ordered if one.vector is not None]
        self._vectors = np.stack(vectors) if vectors and len(vectors) == len(ordered) else None
        self._views: OrderedDict[bytes, IndexView] = OrderedDict()
        self._lock = threading.Lock()
        self.items = tuple(one.item for one in ordered)
        self.keys = tuple(one.item.key for one in ordered)

    @classmethod
    def of(cls, items: Iterable[SearchItem], embedder: Embedder | None = None) -> Index:
        """Make an index of items that nobody prepared."""
        return cls(prepare(list(items), embedder), embedder)

    def find(self, query: str, limit: int, allowed: Allowed) -> SearchResult:
        """Return at most `limit` (1 to MOST_RESULTS) of the items that are allowed: those that fit the query best.

        It is empty only where nothing is allowed. What is not allowed has no influence, not on the scores either.
        """
        return self.view(allowed).find(query, limit)

    def view(self, allowed: Allowed) -> IndexView:
        """Return what one caller may see. It may be kept for as long as what is allowed stays the same."""
        says = allowed if callable(allowed) else allowed.__contains__
        mask = np.fromiter((bool(says(key)) for key in self.keys), dtype=bool, count=len(self.keys))
        name = mask.tobytes()
        with self._lock:
            view = self._views.get(name)
            if view is not None:
                self._views.move_to_end(name)
                return view
        view = IndexView(
            tuple(key for key, kept in zip(self.keys, mask, strict=True) if kept),
            self._postings.among(mask),
            self._embedder,
            None if self._vectors is None else self._vectors[mask],
        )
        with self._lock:
            self._views[name] = view
            while len(self._views) > KEPT_VIEWS:
                self._views.popitem(last=False)
        return view


class IndexView:
    """What one caller may see of an index: the same, to the last digit, as an index that never held anything else."""

    def __init__(
        self,
        keys: tuple[ItemKey, ...],
        postings: AllowedPostings,
        embedder: Embedder | None,
        vectors: Vectors | None,
    ) -> None:
        self.keys = keys
        self._postings = postings
        self._embedder = embedder
        self._vectors = vectors

    def find(self, query: str, limit: int) -> SearchResult:
        """Return at most `limit` of the items: those that fit the query best."""
        limit = max(1, min(limit, MOST_RESULTS, len(self.keys)))
        read = query[:LONGEST_QUERY]
        scores = self._scores(readable(read)) if self.keys else None
        if scores is None:
            first = tuple(Ranked(key, 0.0) for key in self.keys[:limit])
            return SearchResult(first, len(self.keys), fallback=True, cut=read != query)
        # Of equals the first in the index's own order, which is by name.
        best = np.argsort(-scores, kind="stable")[:limit]
        found = tuple(Ranked(self.keys[at], round(float(scores[at]), 4)) for at in best)
        return SearchResult(found, len(self.keys), cut=read != query)

    def _scores(self, query: str) -> Floats | None:
        """Return a score for each item, or None where the query fits none of them."""
        by_words = self._postings.scores(_weighed(query))
        by_meaning = self._by_meaning(query)
        if by_meaning is None:
            return standard(by_words) if by_words.any() else None
        return _BY_WORDS * standard(by_words) + _BY_MEANING * standard(by_meaning)

    def _by_meaning(self, query: str) -> Floats | None:
        if self._embedder is None or self._vectors is None:
            return None
        vector = self._embedder.embed([query])[0]
        return np.asarray(self._vectors @ vector, dtype=np.float64) if vector.any() else None


def _weighed(query: str) -> dict[str, float]:
    """Return the words of a query; one that is said again counts a little more."""
    return {word: 1 + float(np.log(often)) for word, often in Counter(terms(query)[:MOST_WORDS]).items()}


def standard(scores: NDArray[np.float64]) -> Floats:
    """Return scores by how far they lie from their mean, so that those of two kinds can be added (z-scores)."""
    spread = scores.std()
    return (scores - scores.mean()) / spread if spread else np.zeros_like(scores)
