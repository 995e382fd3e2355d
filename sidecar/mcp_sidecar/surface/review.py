"""What reviewers are shown and may do, as values: the command line and the HTTP API are two ways to it.

Texts of servers are data that may try anything: whatever is printed of them is ASCII, everything else escaped.
"""

from __future__ import annotations

import difflib
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mcp_core.pins.canonical import field_digests
from mcp_core.pins.states import OPEN, State, changed_fields
from mcp_core.scan import ItemKind
from mcp_core.scan.excerpt import escaped
from mcp_core.scan.items import KIND_WORDS
from mcp_sidecar.store.store import Store
from mcp_sidecar.store.tables import Entry
from mcp_sidecar.store.values import ItemId, Seen, Standing, UnknownItemError


class SeveralWaitError(LookupError):
    """A decision did not say which of several versions it is about; the message names them."""


class SeveralItemsError(LookupError):
    """A name stands for several items, as some are shown escaped; the message says so."""


def iso(milliseconds: int) -> str:
    """Return a time as RFC 3339 has it, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def version_json(seen: Seen) -> dict[str, Any]:
    """Return a version as JSON values, without its content."""
    return {
        "digest": seen.digest,
        "state": seen.state.value,
        "reason": seen.reason,
        "rules": list(seen.rules),
        "first_seen": iso(seen.first_seen),
        "last_seen": iso(seen.last_seen),
        "differs": seen.differs,
    }


def standing_json(standing: Standing) -> dict[str, Any]:
    """Return an item as JSON values, with its versions, the one that was seen last first."""
    return {
        "server": standing.id.server,
        "kind": standing.id.kind.value,
        "name": standing.id.name,
        "open": standing.open,
        "state": standing.state,
        "changes_often": standing.changes_often,
        "versions": [version_json(version) for version in standing.versions],
    }


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return an entry of the chain as JSON values."""
    return {
        "seq": entry.seq,
        "at": iso(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "digest": entry.digest,
        "state": entry.state,
        "why": entry.why,
        "detail": json.loads(entry.detail),
        "hash": entry.hash,
    }


def show(store: Store, id_: ItemId, digest: str | None) -> dict[str, Any]:
    """Return a version with its content, findings and the item's history. Raises UnknownItemError."""
    seen, content, findings = store.content(id_, digest)
    return {
        "server": id_.server,
        "kind": id_.kind.value,
        "name": id_.name,
        **version_json(seen),
        "content": content,
        "findings": findings,
        "history": [entry_json(entry) for entry in store.history(id_)],
    }


@dataclass(frozen=True, slots=True)
class Difference:
    """How a version differs from another: `fields` are the members that changed, `lines` a unified diff in ASCII."""

    before: str | None
    after: str
    fields: tuple[str, ...]
    lines: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"before": self.before, "after": self.after, "fields": list(self.fields), "lines": list(self.lines)}


def diff(store: Store, id_: ItemId, digest: str | None) -> Difference:
    """Compare a version with the open one that was seen last, if another is open. Raises UnknownItemError."""
    seen, after, _ = store.content(id_, digest)
    others = [
        version for version in store.standing(id_).versions if version.state in OPEN and version.digest != seen.digest
    ]
    before = store.content(id_, others[0].digest)[1] if others else {}
    lines = difflib.unified_diff(_lines(before), _lines(after), "approved", "seen", lineterm="", n=2)
    fields = changed_fields(field_digests(before), after)
    return Difference(others[0].digest if others else None, seen.digest, fields, tuple(lines))


def _lines(item: dict[str, Any]) -> list[str]:
    return json.dumps(item, indent=2, sort_keys=True).splitlines() if item else []


def decide(store: Store, id_: ItemId, state: State, *, reviewer: str, why: str, digest: str | None) -> Seen:
    """Approve or reject a version; without a digest the one that waits.

    Raises:
        UnknownItemError: there is no such item or version.
        SeveralWaitError: no digest is given, and several versions wait: the reviewer can mean only one of them.
    """
    if digest is None:
        versions = store.standing(id_).versions
        waiting = [version for version in versions if version.state is State.QUARANTINED] or list(versions[:1])
        if len(waiting) > 1:
            names = ", ".join(one.digest[:12] for one in waiting)
            raise SeveralWaitError(f"{len(waiting)} versions wait ({names}): name one by its digest")
        digest = waiting[0].digest
    return store.decide(id_, state, reviewer=reviewer, why=why, now=time.time_ns() // 1_000_000, digest=digest)


def waiting(store: Store, server: str | None) -> list[Seen]:
    """Return the versions that wait for a reviewer and were seen last of their item."""
    return [
        standing.versions[0] for standing in store.standings(server) if standing.versions[0].state is State.QUARANTINED
    ]


def item_kind(word: str) -> ItemKind:
    """Return the kind of a word such as tool or tools. Raises UnknownItemError."""
    for kind, said in KIND_WORDS.items():
        if word in (kind.value, said):
            return kind
    raise UnknownItemError(f"{word[:40]!r} is no kind of item: write one of {', '.join(KIND_WORDS.values())}")


def item(store: Store, server: str, kind: str, name: str) -> ItemId:
    """Return the item that a person means by its name, or by its name as it is shown: escaped.

    Raises:
        UnknownItemError: `kind` is no kind of item. Whether there is such an item, who uses the result is told.
        SeveralItemsError: another item's name is shown in the same characters.
    """
    of = item_kind(kind)
    if name.isascii() and "\\" not in name:
        return ItemId(server, of, name)
    alike = [
        standing.id
        for standing in store.standings(server)
        if standing.id.kind is of and name in (standing.id.name, escaped(standing.id.name))
    ]
    if len(alike) > 1:
        raise SeveralItemsError(
            f"{len(alike)} {of.value} of {server} are shown as {escaped(name)}: decide with `kong-mcp surface review`"
        )
    return alike[0] if alike else ItemId(server, of, name)
