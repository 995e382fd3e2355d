"""Which store it is: the chain tells whether a store is the one that a node knew, or another one in its place.

A node knows the number and hash of the last entry that it read. A store whose chain goes through that entry is the same
one, further on. Any other was emptied, replaced or brought back from a backup: what a reviewer closed may be open in
it, so nobody opens anything by it before a person accepts it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final, TypeAlias

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from mcp_core.pins.states import OPEN, Grade, State
from mcp_core.scan import ItemKind
from mcp_sidecar.store.chain import ACCEPTED, GENESIS, SEEN, Draft, append, lock_head
from mcp_sidecar.store.observe import News
from mcp_sidecar.store.rows import CLOSED_BEFORE, batches, item_key, read_rows
from mcp_sidecar.store.tables import ChainHead, Entry, Version

Anchor: TypeAlias = tuple[int, str]
"""The number of an entry, and its hash."""
ItemName: TypeAlias = tuple[str, ItemKind, str]
"""Server, kind and name of an item."""

_GRADE: Final = Grade(State.QUARANTINED, CLOSED_BEFORE)


class AlreadyFollowsError(ValueError):
    """The chain goes through the anchor already, so that there is nothing to accept."""


def written(anchor: Anchor) -> str:
    """Return an anchor as it is printed: SEQ:HASH."""
    return f"{anchor[0]}:{anchor[1]}"


def goes_through(session: Session, anchor: Anchor) -> bool:
    """Return whether the chain has this entry."""
    seq, last = anchor
    found = GENESIS if seq == 0 else session.execute(select(Entry.hash).where(Entry.seq == seq)).scalar_one_or_none()
    return found == last


def is_accepted(session: Session, anchor: Anchor) -> bool:
    """Return whether a person took this chain in the place of the one that has the entry."""
    details = session.scalars(select(Entry.detail).where(Entry.action == ACCEPTED))
    return any(json.loads(one)["after"] == written(anchor) for one in details)


def accept(session: Session, anchor: Anchor, *, reviewer: str, why: str, now: int) -> None:
    """Write down that a person takes this chain in the place of the one that has the entry.

    Raises:
        AlreadyFollowsError: this chain has the entry too.
    """
    head = lock_head(session)
    if goes_through(session, anchor):
        raise AlreadyFollowsError(f"this store goes through {written(anchor)} already: nothing is to be accepted")
    append(session, head, [Draft(now, reviewer, ACCEPTED, "", "", "", "", "", why, {"after": written(anchor)})])


def close(session: Session, items: Iterable[ItemName], now: int) -> list[News]:
    """Close items that were closed by a store that this one replaces, and return what was closed."""
    head: ChainHead = lock_head(session)
    names = {item_key(*name): name for name in items}
    rows = read_rows(session, names)
    news = []
    for item, (server, kind, name) in names.items():
        opened = [seen for seen, row in rows.get(item, {}).items() if row.state in OPEN]
        news += [News(SEEN, server, kind, name, seen, _GRADE) for seen in opened]
    if news:
        head.generation += 1
        values = {"state": _GRADE.state.value, "reason": CLOSED_BEFORE, "generation": head.generation}
        is_open = Version.state.in_([state.value for state in OPEN])
        for keys in batches(names):
            session.execute(update(Version).where(Version.item.in_(keys), is_open).values(**values))
        append(session, head, [one.draft(now) for one in news])
    return news
