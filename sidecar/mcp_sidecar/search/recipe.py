"""How much each way of finding counts. Chosen on some sets of queries and measured on others: docs/search.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Weighed:
    """How much a word counts in one of an item's texts, and how much the length of that text does (BM25's b)."""

    weight: float
    length: float = 0.75


FIELDS: Final[Mapping[str, Weighed]] = MappingProxyType(
    {
        "name": Weighed(3.0),
        "title": Weighed(1.5),
        "description": Weighed(1.0),
        "parameters": Weighed(0.5),
        "details": Weighed(0.3),
        "usage": Weighed(1.0),
        "server": Weighed(1.0),
    }
)
"""An item's texts: `parameters` are their names, `details` what is said of them."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a score is added up from.

    `words` is what a point of BM25 counts: it says of itself how much a query's words tell. `meaning`, the likeness of
    query and description, and `names`, that of query and name alone, say so by how far they lie from their own mean
    (z-scores). `clauses` is what the best of a query's clauses adds, for queries that ask for several things.
    `saturation` is k1 of BM25: how soon a word that is said again counts no more.
    """

    words: float = 0.15
    meaning: float = 0.56
    names: float = 0.24
    clauses: float = 0.5
    saturation: float = 1.2
    fields: Mapping[str, Weighed] = field(default_factory=lambda: FIELDS)


RECIPE: Final = Recipe()
