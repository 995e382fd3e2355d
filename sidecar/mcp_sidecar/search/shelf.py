"""Keeps what was prepared of each item, and the index of all of them, until an item changes."""

from __future__ import annotations

from collections.abc import Iterable

from mcp_sidecar.search.embedding import Embedder
from mcp_sidecar.search.index import Index, Prepared, prepare
from mcp_sidecar.search.items import SearchItem


class Shelf:
    """One index for all callers. Each item is prepared once for each form that it has, whoever asks."""

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder
        self._prepared: dict[SearchItem, Prepared] = {}
        self._index = Index([], embedder)

    def index(self, items: Iterable[SearchItem]) -> Index:
        """Return the index of these items: the one of last time where they are the same, else made of what is new.

        Two items with the same server, kind and name are one: the later one counts.
        """
        wanted = list({search_item.key: search_item for search_item in items}.values())
        if len(wanted) == len(self._prepared) and all(search_item in self._prepared for search_item in wanted):
            return self._index
        new = [search_item for search_item in wanted if search_item not in self._prepared]
        ready = self._prepared | {one.item: one for one in prepare(new, self._embedder)}
        self._prepared = {search_item: ready[search_item] for search_item in wanted}
        self._index = Index(self._prepared.values(), self._embedder)
        return self._index
