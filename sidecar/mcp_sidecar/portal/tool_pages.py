"""What somebody may use: every tool that their agents may call now, and a search by what a tool does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.responses import Response

from mcp_core.scan import ItemKind
from mcp_sidecar.catalog.catalog import Catalog, ShownServers
from mcp_sidecar.portal import listing
from mcp_sidecar.portal.finding import Finder, Row, Usable
from mcp_sidecar.portal.listing import Column
from mcp_sidecar.portal.paper import Paper
from mcp_sidecar.portal.settings import PREFIX
from mcp_sidecar.portal.visitors import PageAsked
from mcp_sidecar.surface.viewers import Viewer

_PATH: Final = f"{PREFIX}/tools"
_MOST_FOUND: Final = 50
_LEAST_FOUND: Final = 5
_MOST_KEPT: Final = 64
"""Lists of tools that are kept, of people who may use the same: some hundred bytes a tool."""


class ToolPages:
    """Makes the pages of tools."""

    def __init__(self, catalog: Catalog, finder: Finder, paper: Paper) -> None:
        self._catalog = catalog
        self._finder = finder
        self._paper = paper
        self._kept: dict[ShownServers, Usable] = {}

    async def tools(self, asked: PageAsked) -> Response:
        """Return the tools that somebody may use."""
        visitor, query = asked.need(), asked.query
        usable = self._usable(visitor.viewer)
        rows, note = await self._found(usable, query.get("q", "")[: listing.MOST_ASKED])
        list_ = listing.listed(rows, _PATH, query)
        return self._paper.page(
            asked,
            "tools.html",
            title="What can I use",
            here="tools",
            list=list_,
            columns=[Column("Tool"), Column("What it does"), Column("Server"), Column("")],
            says=await self._says(list_.rows),
            note=note,
        )

    def _usable(self, viewer: Viewer) -> Usable:
        """Return the tools that somebody may use now, kept until the catalog changes."""
        revision, shown = self._catalog.revision, self._catalog.shown(viewer)
        kept = self._kept.get(shown)
        if kept is None or kept.revision != revision:
            rows = [
                (entry, item)
                for entry in shown.by_name.values()
                for item in entry.items
                if item.kind is ItemKind.TOOL and item.usable and not item.gone
            ]
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            kept = self._kept[shown] = Usable(rows, revision)
        return kept

    async def _found(self, usable: Usable, asked: str) -> tuple[Sequence[Row], str]:
        """Return the tools that fit what is asked, the best first, and what is to be said of how they were found."""
        if not asked.strip():
            return usable.rows, ""
        found = await self._finder.find(asked, usable, _MOST_FOUND)
        if found is None:
            words = asked.casefold().split()
            return [row for row in usable.rows if _fits(row, words)], "Found by name: the index is still being made."
        if found.fallback:
            return [], ""
        best = [one for place, one in enumerate(found.items) if place < _LEAST_FOUND or one.score > 0]
        rows = [usable.by_key[one.key] for one in best if one.key in usable.by_key]
        return rows, "The best first, by words and by meaning."

    async def _says(self, rows: Sequence[Row]) -> dict[tuple[str, str], str]:
        """Return what each tool says of itself."""
        known = {(entry.name, item.name): self._finder.text((entry.name, item.kind, item.name)) for entry, item in rows}
        said = {key: text for key, text in known.items() if text is not None}
        new = [(entry, item) for entry, item in rows if (entry.name, item.name) not in said]
        for entry in {entry.name: entry for entry, _ in new}.values():
            items = [item for other, item in new if other is entry]
            for (_, name), (content, _) in (await self._catalog.contents(entry, items)).items():
                text = content.get("description")
                said[entry.name, name] = text if isinstance(text, str) else ""
        return said


def _fits(row: Row, words: Sequence[str]) -> bool:
    entry, item = row
    text = f"{item.name} {entry.name} {entry.record.title}".casefold().replace("_", " ")
    return all(word in text or word in item.name.casefold() for word in words)
