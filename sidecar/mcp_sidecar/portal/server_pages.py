"""Pages of servers and what they offer: the list, a server, an item, its versions, and what changed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response

from mcp_core.pins.effects import effects_of
from mcp_core.pins.states import State
from mcp_core.scan import ItemKind
from mcp_core.scan.items import KIND_WORDS
from mcp_core.servers import LifeCycle
from mcp_sidecar.catalog.catalog import Catalog
from mcp_sidecar.catalog.entry import CatalogEntry
from mcp_sidecar.catalog.known import CatalogItem
from mcp_sidecar.portal import connect, difference, listing, schema_view
from mcp_sidecar.portal.listing import Column, Order
from mcp_sidecar.portal.paper import Paper
from mcp_sidecar.portal.settings import PREFIX, PortalSettings
from mcp_sidecar.portal.shown import PART, part_of, shown
from mcp_sidecar.portal.visitors import PageAsked, Visitor, not_found
from mcp_sidecar.store.values import ItemId, Seen, UnknownItemError
from mcp_sidecar.surface.review import item_kind
from mcp_sidecar.surface.surfaces import Surfaces

_WEEKS: Final = 26
_WEEK_MS: Final = 7 * 86_400_000
_ITEMS: Final = 100
"""Items of a server on one page."""
_ILL: Final = frozenset({"ill", "closed", "partly"})
_SERVERS: Final[Mapping[str, Order[CatalogEntry]]] = {
    "name": Order("Server", lambda catalog_entry: catalog_entry.title.casefold()),
    "says": Order("What it is for", lambda catalog_entry: catalog_entry.record.description.casefold()),
    "owner": Order("Owner", lambda catalog_entry: catalog_entry.record.owner.casefold()),
    "life": Order("Life cycle", lambda catalog_entry: list(LifeCycle).index(catalog_entry.record.life_cycle)),
    "tools": Order("Tools", lambda catalog_entry: catalog_entry.count(), falls=True, number=True),
    "health": Order("Health", lambda catalog_entry: catalog_entry.health.word),
}
_OFFERS: Final[Mapping[str, Order[CatalogItem]]] = {
    "name": Order("Name", lambda catalog_item: catalog_item.name.casefold()),
    "says": Order("What it does", lambda _one: ""),
    "kind": Order("Kind", lambda catalog_item: catalog_item.kind.value),
    "state": Order("State", lambda catalog_item: catalog_item.state),
}


class ServerPages:
    """Makes the pages of servers. All raise PageError, the same for what is not there and for what is not shown."""

    def __init__(self, settings: PortalSettings, catalog: Catalog, surfaces: Surfaces | None, paper: Paper) -> None:
        self._url = settings.url or ""
        self._catalog = catalog
        self._surfaces = surfaces
        self._paper = paper

    async def servers(self, asked: PageAsked) -> Response:
        """Return the list of servers."""
        visitor, query = asked.need(), asked.query
        entries = self._catalog.entries(visitor.viewer)
        found = listing.in_order(
            [catalog_entry for catalog_entry in entries if _fits(catalog_entry, query, visitor)], _SERVERS, query
        )
        list_ = listing.listed(found, f"{PREFIX}/", query)
        heads = [
            Column(column.title) if word == "says" else column for word, column in _heads(_SERVERS, f"{PREFIX}/", query)
        ]
        return self._paper.page(
            asked, "servers.html", title="Servers", here="servers", list=list_, columns=heads, any=bool(entries)
        )

    async def server(self, asked: PageAsked) -> Response:
        """Return a server's page."""
        visitor, query = asked.need(), asked.query
        one = self.entry(asked)
        path = f"{PREFIX}/servers/{one.name}"
        words = listing.words(query)
        items = [
            item
            for item in one.items
            if all(word in f"{item.name} {KIND_WORDS[item.kind]}".casefold() for word in words)
        ]
        list_ = listing.listed(listing.in_order(items, _OFFERS, query), path, query, _ITEMS)
        contents = await self._catalog.contents(one, list_.rows)
        heads = [Column(head.title) if word == "says" else head for word, head in _heads(_OFFERS, path, query)]
        url = f"{self._url}{one.record.path}"
        key = "apikey" if any(name.startswith("key-auth") for name in one.record.auth) else None
        successor = self._catalog.entry(visitor.viewer, one.record.successor) if one.record.successor else None
        return self._paper.page(
            asked,
            "server.html",
            title=one.title[:80],
            here="servers",
            one=one,
            text=shown(one.record.description, part=part_of(query.get("part", "0"))),
            list=list_,
            columns=heads,
            says={name: _says(item) for name, (item, _) in contents.items()},
            kinds=KIND_WORDS,
            url=url,
            key=key,
            tokens="auth" in one.record.policy,
            snippets=connect.snippets(one.name, url, key),
            successor=successor,
            plot=_plot(one),
        )

    async def item(self, asked: PageAsked) -> Response:
        """Return the page of a tool, or of another item."""
        one, item, said, findings = await self.read_item(asked)
        text = _says(said)
        found = tuple(findings)
        whole = json.dumps(said, indent=2, ensure_ascii=False)
        is_tool = item.kind is ItemKind.TOOL
        versions = await self._versions(one, item)
        return self._paper.page(
            asked,
            "item.html",
            title=item.name[:80] or item.kind.value,
            here="servers",
            one=one,
            item=item,
            kind=KIND_WORDS[item.kind],
            said_title=said.get("title") if isinstance(said.get("title"), str) else "",
            text=shown(text, found, part_of(asked.query.get("part", "0"))),
            findings=findings,
            tries=is_tool and item.usable,
            waits=(item.waiting or (item.shown if item.state == State.QUARANTINED else None)) if one.manages else None,
            effects=effects_of(item.kind, said) if is_tool else None,
            arguments=schema_view.table(said.get("inputSchema"), found) if is_tool else None,
            results=schema_view.table(said.get("outputSchema"), found) if is_tool else None,
            versions=versions,
            json=shown(whole[:PART]).pieces,
            cut=max(0, len(whole) - PART),
        )

    async def versions(self, asked: PageAsked) -> Response:
        """Return the versions of a server over time."""
        one = self.entry(asked)
        path = f"{PREFIX}/servers/{one.name}/versions"
        list_ = listing.listed(one.versions, path, asked.query, 20)
        return self._paper.page(
            asked, "versions.html", title="Versions", here="servers", one=one, list=list_, kinds=KIND_WORDS
        )

    async def change(self, asked: PageAsked) -> Response:
        """Return how a version of an item differs from another, or from nothing."""
        one, item = self.entry(asked), self.find(asked)
        known = {seen.digest for seen in await self._versions(one, item)}
        before, after = asked.query.get("before", ""), asked.query.get("after", "")
        if after not in known or (before and before not in known):
            raise not_found()
        first = await self._content(one, item, before) if before else {}
        lines, members = difference.lines(first, await self._content(one, item, after))
        return self._paper.page(
            asked,
            "change.html",
            title="What changed",
            here="servers",
            one=one,
            item=item,
            before=before,
            after=after,
            lines=lines,
            members=members,
        )

    def entry(self, asked: PageAsked) -> CatalogEntry:
        """Return the server that a path names."""
        found = self._catalog.entry(asked.need().viewer, asked.request.path_params["server"])
        if found is None:
            raise not_found()
        return found

    def find(self, asked: PageAsked, kind: ItemKind | None = None) -> CatalogItem:
        """Return the item that a query names."""
        try:
            kind = kind or item_kind(asked.query.get("kind", ""))
        except UnknownItemError:
            raise not_found() from None
        found = self.entry(asked).item(kind, asked.query.get("item", ""))
        if found is None:
            raise not_found()
        return found

    async def read_item(
        self, asked: PageAsked, kind: ItemKind | None = None
    ) -> tuple[CatalogEntry, CatalogItem, dict[str, Any], list[dict[str, str]]]:
        """Return the item that a query names, with what it says and what was found in it."""
        one, item = self.entry(asked), self.find(asked, kind)
        said, findings = (await self._catalog.contents(one, [item])).get((item.kind, item.name), ({}, []))
        return one, item, said, findings

    async def _versions(self, one: CatalogEntry, item: CatalogItem) -> Sequence[Seen]:
        """Return the versions of an item that somebody may see: all for who manages it, else the one that is shown."""
        if not one.manages or self._surfaces is None:
            return (item.shown,)
        id_ = ItemId(one.name, item.kind, item.name)
        try:
            return (await self._surfaces.ask(lambda store: store.standing(id_))).versions
        except UnknownItemError:
            raise not_found() from None

    async def _content(self, one: CatalogEntry, item: CatalogItem, digest: str) -> dict[str, Any]:
        if self._surfaces is None:
            raise not_found()
        id_ = ItemId(one.name, item.kind, item.name)
        try:
            return (await self._surfaces.ask(lambda store: store.content(id_, digest)))[1]
        except UnknownItemError:
            raise not_found() from None


def _heads(orders: Mapping[str, Order[Any]], path: str, query: Mapping[str, str]) -> list[tuple[str, Column]]:
    return list(zip(orders, listing.columns(orders, path, query), strict=True))


def _fits(one: CatalogEntry, query: Mapping[str, str], visitor: Visitor) -> bool:
    record, state = one.record, query.get("state", "")
    if (life := query.get("life")) and record.life_cycle != life:
        return False
    if state == "waits" and not (one.manages and one.states[State.QUARANTINED.value]):
        return False
    if (state == "ill" and one.health.word not in _ILL) or (state == "mine" and not visitor.viewer.owns(record.owner)):
        return False
    words = listing.words(query)
    if not words:
        return True
    text = " ".join((one.name, record.title, record.owner, *record.tags, record.description)).casefold()
    return all(word in text for word in words)


def _says(item: Mapping[str, Any]) -> str:
    """Return what an item says of itself: its description, else its text or its address."""
    for member in ("description", "instructions", "text", "uri", "uriTemplate"):
        if isinstance(text := item.get(member), str) and text:
            return text
    return ""


def _plot(one: CatalogEntry) -> list[int]:
    """Return how many items changed in each of the last weeks, the oldest first; nothing where none did."""
    now, weeks = time.time_ns() // 1_000_000, [0] * _WEEKS
    for version in one.versions:
        age = (now - version.at) // _WEEK_MS
        if 0 <= age < _WEEKS:
            weeks[_WEEKS - 1 - age] += len(version.changes)
    return weeks if any(weeks) else []
