"""The chain: what was seen and decided, each entry holding the hash of the one before it.

The hash of an entry is the SHA-256 of the canonical JSON (RFC 8785) of all its members but itself. Writers lock the
head row and add behind it; the unique `previous` lets only one of two writers in who saw the same head. What a chain
can show by itself is that no row between the first and the last was changed, taken out or moved. The head row shows a
missing end, until somebody changes it too: against that, keep an anchor (`SEQ:HASH`) elsewhere.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from mcp_core.pins.canonical import canonical, digest
from mcp_sidecar.store.tables import ChainHead, Entry, Version

GENESIS: Final = "0" * 64
"""What the first entry holds as the hash before it."""

SEEN: Final = "seen"
DECIDED: Final = "decided"
DIFFERS: Final = "differs"
CHANGES_OFTEN: Final = "changes-often"
FORGOTTEN: Final = "forgotten"
ACCEPTED: Final = "accepted"
"""What an entry tells of: a version's first sight, or that it was closed; a decision; a server that goes back and forth
between versions; an item with many versions; versions that are no longer kept (their digests are in the detail); and
this chain, taken in the place of another one."""

EFFECTS: Final = "effects"
"""The member of a decision's detail that holds the labels which the reviewer gave (pins.effects)."""

SELF: Final = "mcp-sidecar"
"""The actor of what no person decided."""

_HASHED: Final = (
    "seq", "at", "actor", "action", "server", "kind", "name", "digest", "state", "why", "detail", "previous",
)  # fmt: skip
_BATCH: Final = 1000
_PARTS: Final = {"yield_per": _BATCH}


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry that has no place in the chain yet. `at` is in Unix milliseconds."""

    at: int
    actor: str
    action: str
    server: str
    kind: str
    name: str
    digest: str
    state: str
    why: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


def lock_head(session: Session) -> ChainHead:
    """Return the head row, which no other writer gets before this transaction ends."""
    return session.execute(select(ChainHead).where(ChainHead.id == 1).with_for_update()).scalar_one()


def append(session: Session, head: ChainHead, drafts: Sequence[Draft]) -> None:
    """Add entries behind the head, and move it."""
    rows = []
    for draft in drafts:
        row = {
            "seq": head.seq + 1,
            "at": draft.at,
            "actor": draft.actor,
            "action": draft.action,
            "server": draft.server,
            "kind": draft.kind,
            "name": draft.name,
            "digest": draft.digest,
            "state": draft.state,
            "why": draft.why,
            "detail": canonical(draft.detail),
            "previous": head.hash,
        }
        row["hash"] = digest(row)
        head.seq, head.hash = head.seq + 1, str(row["hash"])
        rows.append(row)
    for start in range(0, len(rows), _BATCH):
        session.execute(insert(Entry), rows[start : start + _BATCH])


@dataclass(frozen=True, slots=True)
class Audit:
    """What was checked: `entries` that hold, the head's `anchor`, and the first thing that does not hold, if any."""

    entries: int
    anchor: str
    problem: str | None = None


def verify(session: Session, anchor: tuple[int, str] | None = None) -> Audit:
    """Prove the chain from its first entry on, then the head row, then that every version stands where the chain says.

    `anchor` is a place that was noted before, which the chain must still go through.
    """
    previous, count = GENESIS, 0
    states: dict[tuple[str, str, str, str], str] = {}
    with contextlib.closing(session.scalars(select(Entry).order_by(Entry.seq), execution_options=_PARTS)) as entries:
        for entry in entries:
            problem = _broken(entry, count + 1, previous)
            if problem is None and anchor is not None and entry.seq == anchor[0] and entry.hash != anchor[1]:
                problem = f"row {entry.seq} is not the one of the anchor: the chain was written anew"
            if problem is not None:
                return Audit(count, f"{count}:{previous}", problem)
            count, previous = entry.seq, entry.hash
            _follow(states, entry)
    return Audit(
        count, f"{count}:{previous}", _end_problem(session, count, previous, anchor) or _states(session, states)
    )


def _follow(states: dict[tuple[str, str, str, str], str], entry: Entry) -> None:
    item = entry.server, entry.kind, entry.name
    if entry.action in (SEEN, DECIDED):
        states[*item, entry.digest] = entry.state
    elif entry.action == FORGOTTEN:
        for seen in json.loads(entry.detail)["digests"]:
            states.pop((*item, seen), None)


def _broken(entry: Entry, seq: int, previous: str) -> str | None:
    if entry.seq != seq:
        return f"row {seq} is missing: row {entry.seq} follows row {seq - 1}"
    if entry.previous != previous:
        return f"row {seq} does not follow the row before it: rows were moved or written anew"
    if entry.hash != digest({name: getattr(entry, name) for name in _HASHED}):
        return f"row {seq} was changed: its content does not have its hash"
    return None


def _end_problem(session: Session, count: int, last: str, anchor: tuple[int, str] | None) -> str | None:
    head = session.get(ChainHead, 1)
    if head is None:
        return "the head row is missing"
    if head.seq > count:
        return f"row {count + 1} is missing: the chain ends before its head, row {head.seq}"
    if (head.seq, head.hash) != (count, last):
        return f"the head row names row {head.seq}, the chain ends at row {count}: somebody wrote past the gateway"
    if anchor is not None and anchor[0] > count:
        return f"row {count + 1} is missing: the chain ends before the anchor, row {anchor[0]}"
    return None


def _states(session: Session, states: Mapping[tuple[str, str, str, str], str]) -> str | None:
    """Compare the versions with what the chain says of them, and their contents with their digests."""
    found = 0
    with contextlib.closing(session.scalars(select(Version), execution_options=_PARTS)) as versions:
        for version in versions:
            shown = f"{version.server} {version.kind} {canonical(version.name)} {version.digest[:12]}"
            said = states.get((version.server, version.kind, version.name, version.digest))
            if said is None:
                return f"version {shown}: no row of the chain says that it was ever seen"
            if said != version.state:
                return f"version {shown}: it is {version.state}, but the chain says {said}"
            if digest(json.loads(version.content)) != version.digest:
                return f"version {shown}: its content does not have its digest"
            found += 1
    if found != len(states):
        return f"{len(states) - found} version(s) of which the chain tells are missing"
    return None


def history(session: Session, server: str, kind: str, name: str) -> Iterable[Entry]:
    """Return the entries of one item, oldest first."""
    of_item = (Entry.server == server, Entry.kind == kind, Entry.name == name)
    return session.scalars(select(Entry).where(*of_item).order_by(Entry.seq)).all()


def behind(session: Session, after: int, most: int) -> list[dict[str, Any]]:
    """Return the members of the entries behind the one with this number, its hash among them, so many at most."""
    found = session.scalars(select(Entry).where(Entry.seq > after).order_by(Entry.seq).limit(most))
    return [{name: getattr(entry, name) for name in (*_HASHED, "hash")} for entry in found]


def last_word(session: Session, version: Version) -> str:
    """Return in words who decided over a version last, and how it stands."""
    entries = list(history(session, version.server, version.kind, version.name))
    last = next(
        (entry for entry in reversed(entries) if entry.digest == version.digest and entry.action == DECIDED), None
    )
    shown = f"{version.server} {version.kind} {canonical(version.name)}"
    return f"{shown}: {canonical(last.actor) if last else 'the gateway'} made it {version.state} meanwhile"
