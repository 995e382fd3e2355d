"""The index: made once of all items, asked by many callers, each of whom has a part of it."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from mcp_sidecar.search.embedding import Embedder, Vectors
from mcp_sidecar.search.items import ItemKey, SearchItem
from mcp_sidecar.search.lexical import AllowedPostings, Floats, Postings, Words, words_of
from mcp_sidecar.search.recipe import RECIPE, Recipe
from mcp_sidecar.search.words import clauses, readable, split, terms

Allowed: TypeAlias = Container[ItemKey] | Callable[[ItemKey], bool]
"""Which items exist for a caller: a set of them, or what says so of each."""

LONGEST_QUERY: Final = 4_000
"""Characters of a query that are read."""
MOST_WORDS: Final = 400
MOST_RESULTS: Final = 100
_SAID: Final = 600
"""Characters of a description that a vector is made of: what comes after them blurs what an item is for."""
KEPT_VIEWS: Final = 32
"""How many different parts of an index are kept ready: callers with one policy share one."""


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
    """What an index needs of one item: made once for as long as the item stays as it is.

    `vectors` are two rows, of what the item is for and of its name; None where there is no model.
    """

    item: SearchItem
    words: Words
    vectors: Vectors | None


def prepare(items: Sequence[SearchItem], embedder: Embedder | None) -> list[Prepared]:
    """Return items made ready for an index. It takes about a tenth of a millisecond an item."""
    if embedder is None or not items:
        return [Prepared(item, words_of(item), None) for item in items]
    said, named = embedder.embed([_meaning(item) for item in items]), embedder.embed([_name(item) for item in items])
    return [
        Prepared(search_item, words_of(search_item), np.stack([said[at], named[at]]))
        for at, search_item in enumerate(items)
    ]


def _meaning(item: SearchItem) -> str:
    """Return the text that says what an item is for."""
    return readable(f"{_name(item)}: {item.title} {item.description[:_SAID]} {item.usage[:_SAID]}")


def _name(item: SearchItem) -> str:
    return " ".join(split(item.name))


class Index:
    """All items of many servers, in the order of name, server and kind."""

    def __init__(self, prepared: Iterable[Prepared], embedder: Embedder | None = None, recipe: Recipe = RECIPE) -> None:
        ordered = sorted(prepared, key=lambda one: (one.item.name, one.item.server, one.item.kind))
        self._embedder = embedder
        self._recipe = recipe
        self._postings = Postings([one.words for one in ordered], recipe)
        vectors = [one.vectors for one in ordered if one.vectors is not None]
        self._vectors = np.stack(vectors, axis=1) if vectors and len(vectors) == len(ordered) else None
        self._views: OrderedDict[bytes, IndexView] = OrderedDict()
        self._lock = threading.Lock()
        self.items = tuple(one.item for one in ordered)
        self.keys = tuple(one.item.key for one in ordered)

    @classmethod
    def of(cls, items: Iterable[SearchItem], embedder: Embedder | None = None, recipe: Recipe = RECIPE) -> Index:
        """Make an index of items that nobody prepared."""
        return cls(prepare(list(items), embedder), embedder, recipe)

    def find(self, query: str, limit: int, allowed: Allowed) -> SearchResult:
        """Return at most `limit` (1 to MOST_RESULTS) of the items that are allowed: those that fit the query best.

        It is empty only where nothing is allowed. What is not allowed has no influence, not on the scores either.
        """
        return self.view(allowed).find(query, limit)

    def forget(self) -> None:
        """Forget what callers may see: it is worked out anew when they ask."""
        with self._lock:
            self._views.clear()

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
            # Who may see everything needs no copy.
            self._vectors if self._vectors is None or mask.all() else self._vectors[:, mask],
            self._recipe,
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
        recipe: Recipe = RECIPE,
    ) -> None:
        self.keys = keys
        self._recipe = recipe
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
        # Of equals the first in the index's own order, which is by name: only what can be among the best is sorted.
        likely = np.flatnonzero(scores >= np.partition(scores, -limit)[-limit])
        best = likely[np.argsort(-scores[likely], kind="stable")][:limit]
        found = tuple(Ranked(self.keys[at], round(float(scores[at]), 4)) for at in best)
        return SearchResult(found, len(self.keys), cut=read != query)

    def _scores(self, query: str) -> Floats | None:
        """Return a score for each item, or None where the query fits none of them."""
        if not split(query):  # a model would have a vector for signs and blanks too
            return None
        # Words alone gain nothing from clauses.
        parts = clauses(query) if self._recipe.clauses and self._embedder is not None else []
        asked = [query, *(parts if len(parts) > 1 else ())]
        by_words = np.stack([self._postings.scores(_weighed(text)) for text in asked])
        by_meaning = self._by_meaning(asked)
        if by_meaning is None and not by_words[0].any():
            return None
        scores = self._recipe.words * by_words
        if by_meaning is not None:
            said, named = by_meaning
            scores += self._recipe.meaning * standard(said) + self._recipe.names * standard(named)
        best = scores[1:].max(axis=0) if len(asked) > 1 else 0.0
        return np.asarray(scores[0] + self._recipe.clauses * best)

    def _by_meaning(self, asked: Sequence[str]) -> tuple[Floats, Floats] | None:
        """Return how like each of some texts the items are, by what they are for and by name: a row for each text."""
        if self._embedder is None or self._vectors is None:
            return None
        wanted = self._embedder.embed(asked)
        if not wanted[0].any():
            return None
        said, named = ((vector @ wanted.T).T.astype(np.float64) for vector in self._vectors)
        return said, named


def _weighed(query: str) -> dict[str, float]:
    """Return the words of a query; one that is said again counts a little more."""
    return {word: 1 + float(np.log(often)) for word, often in Counter(terms(query)[:MOST_WORDS]).items()}


def standard(scores: Floats) -> Floats:
    """Return scores, a row for each query, by how far they lie from the mean of their row (z-scores)."""
    spread = scores.std(axis=-1, keepdims=True)
    spread[spread == 0] = 1.0
    return np.asarray((scores - scores.mean(axis=-1, keepdims=True)) / spread)
