"""The registry's list for one viewer: filtered, in pages, each server encoded once until something of it changes."""

from __future__ import annotations

import base64
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec

from mcp_sidecar.catalog.catalog import Catalog
from mcp_sidecar.catalog.entry import CatalogEntry
from mcp_sidecar.catalog.server_json import past, registry_name, removed, response
from mcp_sidecar.catalog.settings import CatalogSettings
from mcp_sidecar.surface.viewers import Viewer

LATEST: Final = "latest"
PAGE: Final = 30
MOST_PAGE: Final = 100
"""Entries of a page: unless it is said, and at most."""
MOST_SEARCH: Final = 200
MOST_CURSOR: Final = 600
CURSOR: Final = re.compile(r"([A-Za-z0-9_-]{4})*([A-Za-z0-9_-]{2,3})?")
"""Base64url without padding (RFC 4648, section 5). A cursor that nobody wrote is a place in the list too."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOST_LISTS: Final = 4
"""Viewers whose encoded servers are kept: a server takes 1 to 2 KB for each."""


class RegistryQueryError(ValueError):
    """A question that cannot be answered; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class RegistryQuery:
    """What is asked of the list. `updated_since` is in Unix milliseconds; `version` is "latest", a version, or ""."""

    cursor: str = ""
    limit: int = PAGE
    search: str = ""
    updated_since: int | None = None
    version: str = ""
    include_deleted: bool = False

    @classmethod
    def read(cls, given: Mapping[str, str]) -> RegistryQuery:
        """Read query parameters; others than these say nothing. Raises QueryError."""
        since = _time(given["updated_since"]) if "updated_since" in given else None
        deleted = read_flag(given, "include_deleted")
        for name, most in (("search", MOST_SEARCH), ("version", 255), ("cursor", MOST_CURSOR)):
            if len(given.get(name, "")) > most:
                raise RegistryQueryError(f"{name}: write {most} characters at most")
        return cls(
            given.get("cursor", ""),
            _limit(given.get("limit")),
            given.get("search", "").casefold(),
            since,
            given.get("version", ""),
            bool(deleted) or since is not None,
        )


def read_flag(given: Mapping[str, str], name: str) -> bool | None:
    """Read true or false; None where it is not there. Raises QueryError."""
    text = given.get(name)
    if text not in (None, "true", "false"):
        raise RegistryQueryError(f"{name}: write true or false")
    return None if text is None else text == "true"


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise RegistryQueryError(f"limit: write a number from 1; more than {MOST_PAGE} is {MOST_PAGE}")
    return min(int(text), MOST_PAGE)


def _time(text: str) -> int:
    try:
        # RFC 3339: a date, a time and an offset; Python reads more than that.
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or "t" not in text.lower():
        raise RegistryQueryError("updated_since: write a time as RFC 3339 has it, such as 2026-08-07T13:15:04Z")
    return (moment - _EPOCH) // timedelta(milliseconds=1)


class _Row:
    """One version of one server, and its JSON, which is made when it is first told."""

    __slots__ = ("_encoded", "_make", "_stamp", "deleted", "entry", "haystack", "key", "of", "successor", "updated_at")

    def __init__(
        self, entry: CatalogEntry, name: str, version: str, make: Callable[[], dict[str, Any]], *, deleted: bool
    ) -> None:
        self.entry = entry
        self.of = entry.stamp[:2]
        self.key = (name, version)
        self.deleted = deleted
        self.successor = ""
        self.updated_at = entry.updated_at
        self.haystack = f"{name}\n{entry.title}\n{' '.join(entry.record.tags)}".casefold()
        self._make = make
        self._stamp: object = None
        self._encoded = b""

    def encoded(self) -> bytes:
        stamp = self.entry.stamp
        if self._stamp != stamp:
            self._encoded, self._stamp = msgspec.json.encode(self._make()), stamp
        return self._encoded


class _List:
    """All rows that one viewer may be told of, at one revision of the catalog: those of today, and all."""

    def __init__(self, revision: int, today: Sequence[_Row], all_: Sequence[_Row]) -> None:
        self.revision = revision
        self.rows = {False: today, True: all_}
        self.keys = {deleted: [row.key for row in rows] for deleted, rows in self.rows.items()}
        self.by_key = {row.key: row for row in all_}
        self.latest = {row.key[0]: row for row in today}


class ServerRegistry:
    """The registry of a catalog."""

    def __init__(self, catalog: Catalog, settings: CatalogSettings) -> None:
        self._catalog = catalog
        self._settings = settings
        self._lists: dict[Viewer, _List] = {}

    def page(self, viewer: Viewer, query: RegistryQuery) -> bytes:
        """Return a page of the list, as the JSON of a ServerList. Raises QueryError for a cursor that is none."""
        list_ = self._list(viewer)
        rows = list_.rows[query.include_deleted]
        start = bisect_right(list_.keys[query.include_deleted], read_cursor(query.cursor)) if query.cursor else 0
        found: list[_Row] = []
        for row in self._matching(rows, start, query):
            if len(found) == query.limit:
                return _written(found, write_cursor(found[-1].key))
            found.append(row)
        return _written(found)

    def versions(self, viewer: Viewer, name: str, *, include_deleted: bool) -> bytes | None:
        """Return all versions of a server, the newest first, as the JSON of a ServerList; None where there is none."""
        list_ = self._list(viewer)
        rows = [row for row in list_.rows[include_deleted] if row.key[0] == name] if include_deleted else []
        latest = list_.latest.get(name)
        if latest is not None:
            rows = [latest, *(row for row in rows if row is not latest)]
        return _written(rows) if rows else None

    def version(self, viewer: Viewer, name: str, version: str, *, include_deleted: bool) -> bytes | None:
        """Return one version of a server, as the JSON of a ServerResponse; None where there is none."""
        list_ = self._list(viewer)
        row = list_.latest.get(name) if version == LATEST else list_.by_key.get((name, version))
        return None if row is None or (row.deleted and not include_deleted) else row.encoded()

    def _matching(self, rows: Sequence[_Row], start: int, query: RegistryQuery) -> Iterator[_Row]:
        version, since, search = query.version, query.updated_since, query.search
        for at in range(start, len(rows)):
            row = rows[at]
            if search and search not in row.haystack:
                continue
            if since is not None and row.updated_at <= since:
                continue
            if version and (row.deleted if version == LATEST else row.key[1] != version):
                continue
            yield row

    def _list(self, viewer: Viewer) -> _List:
        kept = self._lists.get(viewer)
        if kept is None or kept.revision != self._catalog.revision:
            revision = self._catalog.revision
            last = {} if kept is None else kept.by_key
            if kept is None and len(self._lists) >= MOST_LISTS:
                self._lists.pop(next(iter(self._lists)))
            rows = [self._row(viewer, entry, last) for entry in self._catalog.entries(viewer)]
            today = sorted(rows, key=lambda row: row.key)
            present = {row.key for row in today}
            gone = [row for row in self._gone(viewer) if row.key not in present]
            kept = self._lists[viewer] = _List(revision, today, sorted([*today, *gone], key=lambda row: row.key))
        return kept

    def _row(self, viewer: Viewer, entry: CatalogEntry, last: Mapping[tuple[str, str], _Row]) -> _Row:
        name = registry_name(self._settings, entry.name)
        version = entry.version
        before = last.get((name, version))
        successor = entry.record.successor
        if successor and self._catalog.entry(viewer, successor) is None:
            successor = ""
        same = before is not None and before.entry is entry and before.of == entry.stamp[:2] and not before.deleted
        if before is not None and same and before.successor == successor:
            return before
        row = _Row(entry, name, version, partial(response, entry, self._settings, successor), deleted=False)
        row.successor = successor
        return row

    def _gone(self, viewer: Viewer) -> Iterator[_Row]:
        """Yield what no client can reach any more: servers that were taken away, and what servers offered before."""
        for entry in self._catalog.removed(viewer):
            name = registry_name(self._settings, entry.name)
            yield _Row(entry, name, entry.version, partial(removed, entry, self._settings), deleted=True)
        for entry in self._catalog.entries(viewer):
            if not entry.record.version:
                name = registry_name(self._settings, entry.name)
                for server_version in entry.offered[1:]:
                    yield _Row(
                        entry,
                        name,
                        server_version.version,
                        partial(past, entry, self._settings, server_version),
                        deleted=True,
                    )


def _written(rows: Sequence[_Row], cursor: str | None = None) -> bytes:
    metadata = {"count": len(rows)} if cursor is None else {"nextCursor": cursor, "count": len(rows)}
    servers = b",".join(row.encoded() for row in rows)
    return b'{"servers":[' + servers + b'],"metadata":' + msgspec.json.encode(metadata) + b"}"


def write_cursor(key: tuple[str, str]) -> str:
    """Return the cursor behind a row. Servers that come and go meanwhile move no other to another page."""
    return base64.urlsafe_b64encode("\n".join(key).encode()).decode().rstrip("=")


def read_cursor(text: str) -> tuple[str, str]:
    """Return the row that a cursor is behind. Raises QueryError."""
    if CURSOR.fullmatch(text) is None:
        raise RegistryQueryError("cursor: write the nextCursor of an answer, as it was")
    name, _, version = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode(errors="replace").partition("\n")
    return name, version
