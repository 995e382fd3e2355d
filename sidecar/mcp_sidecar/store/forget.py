"""Forgetting: an item keeps so many versions, a server so many in all, and what nobody decided on makes room.

Three things are never forgotten: what a reviewer decided; the open version that was seen last, because changes are
weighed against it; and the version that was seen last, because it says where the item stands. So no item opens because
something was forgotten, and no item is forgotten whole: it would come back as one that was never seen. What is
forgotten stays in the chain, which says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from mcp_core.pins.states import OPEN, State
from mcp_sidecar.store.chain import FORGOTTEN, SELF, Draft, append
from mcp_sidecar.store.rows import REVIEWED, Row, Rows, touch_items
from mcp_sidecar.store.tables import ChainHead, Known, Version

MOST_OF_ITEM: Final = 100
"""Versions of one item that are kept although nobody decided on them."""
KEPT_OF_ITEM: Final = 50
"""So many of them are left when there are more: each forgetting is an entry, and no look is worth one."""
OFTEN: Final = 20
"""From so many of them on an item changes too often to be reviewed."""
MOST_VERSIONS: Final = 100_000
"""Versions of one server's items that are kept."""
MOST_SIZE: Final = 512 * 1024 * 1024
"""Characters of content of one server's versions that are kept."""

_PART: Final = 10
"""Where a server has too much, one part of so many is forgotten at once."""


def undecided(versions: Mapping[str, Row]) -> int:
    """Return how many versions of an item nobody decided on."""
    return sum(row.reason != REVIEWED for row in versions.values())


def forgettable(versions: Mapping[str, Row]) -> list[str]:
    """Return the digests of an item's versions that may be forgotten, the one that was seen longest ago first."""
    by_age = sorted(versions, key=lambda seen: versions[seen].last)
    opened = [seen for seen in by_age if versions[seen].state in OPEN]
    kept = {*by_age[-1:], *opened[-1:]}
    return [seen for seen in by_age if seen not in kept and versions[seen].reason != REVIEWED]


def forget_old(session: Session, head: ChainHead, known: Known, item: str, versions: dict[str, Row], now: int) -> None:
    """Forget the oldest versions of an item, down to KEPT_OF_ITEM that nobody decided on."""
    surplus = undecided(versions) - KEPT_OF_ITEM
    digests = forgettable(versions)[: max(0, surplus)]
    if digests:
        _forget(session, head, known, item, digests, versions, now, "changes-often")
    for seen in digests:
        del versions[seen]


def make_room(session: Session, head: ChainHead, known: Known, kept: Collection[str], now: int) -> None:
    """Forget the oldest versions of a server's items, but for those of `kept` (by their keys)."""
    rows: Rows = defaultdict(dict)
    columns = Version.item, Version.digest, Version.state, Version.reason, Version.last_seen
    for item, seen, state, reason, last in session.execute(select(*columns).where(Version.server == known.name)):
        if item not in kept:
            rows[item][seen] = Row(State(state), reason, last, last, differs=False)
    old = [(versions[seen].last, item, seen) for item, versions in rows.items() for seen in forgettable(versions)]
    by_item: defaultdict[str, list[str]] = defaultdict(list)
    for _, item, seen in sorted(old)[: max(1, known.versions // _PART)]:
        by_item[item].append(seen)
    for item, digests in by_item.items():
        _forget(session, head, known, item, digests, rows[item], now, "room")
    touch_items(session, by_item, head.generation + 1)


def _forget(
    session: Session,
    head: ChainHead,
    known: Known,
    item: str,
    digests: Sequence[str],
    versions: Mapping[str, Row],
    now: int,
    why: str,
) -> None:
    these = (Version.item == item, Version.digest.in_(digests))
    count, size = session.execute(
        select(func.count(), func.coalesce(func.sum(func.length(Version.content)), 0)).where(*these)
    ).one()
    kind, name = session.execute(select(Version.kind, Version.name).where(*these).limit(1)).one()
    session.execute(delete(Version).where(*these))
    known.versions -= count
    known.size -= size
    state, detail = versions[digests[0]].state.value, {"digests": list(digests)}
    append(session, head, [Draft(now, SELF, FORGOTTEN, known.name, kind, name, digests[0], state, why, detail)])
