"""Finds tools by what they do: one index of all that agents are shown, of which each person searches their own part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final, TypeAlias

import anyio
import anyio.to_thread
import structlog

from mcp_core.scan import ItemKind
from mcp_sidecar.catalog.catalog import Catalog
from mcp_sidecar.catalog.entry import CatalogEntry
from mcp_sidecar.catalog.known import CatalogItem
from mcp_sidecar.search.embedding import Embedder
from mcp_sidecar.search.index import Index, IndexView, SearchResult
from mcp_sidecar.search.items import ItemKey, SearchItem, search_item
from mcp_sidecar.search.models import quick_embedder
from mcp_sidecar.search.shelf import Shelf
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.surface.viewers import READER, Viewer

PAUSE: Final = 2.0
"""Seconds between two looks at whether the catalog changed: an index takes a tenth of a millisecond an item."""
_EVERYBODY: Final = Viewer("the index", READER)


Row: TypeAlias = tuple[CatalogEntry, CatalogItem]


class Usable:
    """The tools that somebody may use at one revision of the catalog, and their part of the index once it was asked."""

    def __init__(self, rows: Sequence[Row], revision: int) -> None:
        self.rows = rows
        self.revision = revision
        self.view: tuple[Index, IndexView] | None = None

    @cached_property
    def by_key(self) -> dict[ItemKey, Row]:
        """The same by key, for who searches: a list in pages needs none."""
        return {(catalog_entry.name, item.kind, item.name): (catalog_entry, item) for catalog_entry, item in self.rows}


class Finder:
    """Keeps the index equal to the catalog. What is not there yet is found by name until it is."""

    def __init__(self, catalog: Catalog, embedder: Callable[[], Embedder | None] = quick_embedder) -> None:
        self._catalog = catalog
        self._embedder = embedder
        self._shelf: Shelf | None = None
        self._index: Index | None = None
        self._texts: dict[ItemKey, str] = {}
        self._threads = anyio.CapacityLimiter(2)
        self._revision = -1

    async def follow(self) -> None:
        """Keep up with the catalog, for ever."""
        while True:
            try:
                await self.refresh()
            except StoreError:
                pass  # the keeper of surfaces has told of it, and the last index goes on
            except Exception:  # noqa: BLE001 - the outermost edge of a round: the next one may go better
                structlog.get_logger().exception("the index of tools was not made")
            await anyio.sleep(PAUSE)

    async def refresh(self) -> None:
        """Make the index anew where the catalog changed. Raises StoreError."""
        revision = self._catalog.revision
        if revision == self._revision:
            return
        items: list[SearchItem] = []
        for catalog_entry in self._catalog.entries(_EVERYBODY):
            tools = [item for item in catalog_entry.items if item.kind is ItemKind.TOOL]
            for (kind, name), (content, _) in (await self._catalog.contents(catalog_entry, tools)).items():
                items.append(search_item(catalog_entry.name, kind, name, content))
        self._index = await anyio.to_thread.run_sync(self._make, items, limiter=self._threads)
        self._texts = {one.key: one.description for one in items}
        self._revision = revision

    def _make(self, items: Sequence[SearchItem]) -> Index:
        if self._shelf is None:
            self._shelf = Shelf(self._embedder())
        return self._shelf.index(items)

    def text(self, key: ItemKey) -> str | None:
        """Return what an item says of itself, as the index knows it: agents are shown it. None for what is too new."""
        return self._texts.get(key)

    async def find(self, query: str, allowed: Usable, limit: int) -> SearchResult | None:
        """Return what fits best of what somebody may use; None where there is no index yet."""
        index = self._index
        if index is None:
            return None
        return await anyio.to_thread.run_sync(_find, index, query, allowed, limit, limiter=self._threads)


def _find(index: Index, query: str, allowed: Usable, limit: int) -> SearchResult:
    if allowed.view is None or allowed.view[0] is not index:
        allowed.view = index, index.view(allowed.by_key)
    return allowed.view[1].find(query, limit)
