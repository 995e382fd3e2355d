"""The rows of versions that a writer looks at: without their contents, by the items that are at hand."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from mcp_core.pins.canonical import digest
from mcp_core.pins.states import State
from mcp_sidecar.store.tables import Version

REVIEWED: Final = "reviewed"
"""The reason of a version that a person decided on."""
CLOSED_BEFORE: Final = "closed-before"
"""The reason of a version of an item that was closed by the store that this one replaces."""

_BATCH: Final = 500
"""Keys in one question to the database: SQLite takes 32,766 values, older ones 999."""


@dataclass(frozen=True, slots=True)
class Row:
    """One version: where it stands and why, and when it was seen first and last (Unix milliseconds)."""

    state: State
    reason: str
    first: int
    last: int
    differs: bool


Rows: TypeAlias = dict[str, dict[str, Row]]
"""Key of an item -> digest -> row."""


def item_key(server: str, kind: str, name: str) -> str:
    """Return the key of an item in the table of versions."""
    return digest([server, kind, name])


def batches(items: Collection[str]) -> Iterator[list[str]]:
    """Yield the keys in as many parts as questions are needed for them."""
    keys = sorted(items)
    for start in range(0, len(keys), _BATCH):
        yield keys[start : start + _BATCH]


def read_rows(session: Session, items: Collection[str]) -> Rows:
    """Return the versions of some items."""
    columns = (
        Version.item,
        Version.digest,
        Version.state,
        Version.reason,
        Version.first_seen,
        Version.last_seen,
        Version.differs,
    )
    rows: Rows = {}
    for keys in batches(items):
        for item, seen, state, reason, first, last, differs in session.execute(
            select(*columns).where(Version.item.in_(keys))
        ):
            rows.setdefault(item, {})[seen] = Row(State(state), reason, first, last, differs)
    return rows


def touch_items(session: Session, items: Collection[str], generation: int) -> None:
    """Have whoever follows the store read these items again."""
    for keys in batches(items):
        session.execute(update(Version).where(Version.item.in_(keys)).values(generation=generation))
