"""What waits for a reviewer, a line an item: what it makes a model do, what it may reach, how it differs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcp_core.pins.canonical import field_digests
from mcp_core.pins.effects import Effects, effects_of
from mcp_core.pins.states import OPEN, State, changed_fields
from mcp_core.pins.summary import difference, summary
from mcp_core.scan import escaped
from mcp_sidecar.store.store import Store
from mcp_sidecar.store.values import DecidedMeanwhileError, Seen, UnknownItemError
from mcp_sidecar.surface import review


@dataclass(frozen=True, slots=True)
class WaitingVersion:
    """One version that waits. All texts are ASCII: `does`, `differs` and `found` are one line each.

    `fields` are the members that differ from the open version, none where the item is new.
    """

    seen: Seen
    does: str
    effects: Effects
    differs: str
    fields: tuple[str, ...]
    found: tuple[str, ...]
    content: tuple[str, ...]
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reviewer decided of a version as it was shown. `labels` are its effects, where the reviewer set them."""

    seen: Seen
    state: State
    labels: tuple[str, ...] | None = None


def waiting(store: Store, server: str | None) -> list[WaitingVersion]:
    """Return what waits, of one server or of all: what was found something in first, then by server and name."""
    rows = [_row(store, seen) for seen in review.waiting(store, server)]
    return sorted(rows, key=lambda row: not row.found)


def _row(store: Store, seen: Seen) -> WaitingVersion:
    _, item, findings = store.content(seen.id, seen.digest)
    opened = [one for one in store.standing(seen.id).versions if one.state in OPEN and one.digest != seen.digest]
    before = store.content(seen.id, opened[0].digest)[1] if opened else {}
    fields = changed_fields(field_digests(before), item) if opened else ()
    return WaitingVersion(
        seen,
        summary(seen.id.kind, item),
        effects_of(seen.id.kind, item),
        difference(fields, before, item),
        fields,
        tuple(
            f"{one['severity']} {one['rule']} at {one['path']}: {one['message']} {one['excerpt']}" for one in findings
        ),
        tuple(_content(item)),
        review.diff(store, seen.id, seen.digest).lines if opened else (),
    )


def _content(item: Mapping[str, Any]) -> Iterator[str]:
    """Yield an item as JSON; of files the text follows, a line a line."""
    contents = item.get("contents")
    files = [one for one in contents if isinstance(one, dict)] if isinstance(contents, list) else []
    if files:
        item = {**item, "contents": [{name: one[name] for name in one if name != "text"} for one in files]}
    yield from json.dumps(item, indent=2).splitlines()
    for one in files:
        yield from map(escaped, str(one.get("text", "")).splitlines())


def decide(store: Store, decisions: Sequence[Decision], *, reviewer: str, why: str) -> tuple[int, list[str]]:
    """Write decisions down, each only where its version stands as it was shown.

    Returns how many were written, and in words which were not, because another reviewer was first.
    """
    written, conflicts = 0, []
    for one in decisions:
        now = time.time_ns() // 1_000_000
        try:
            store.decide(
                one.seen.id,
                one.state,
                reviewer=reviewer,
                why=why,
                now=now,
                digest=one.seen.digest,
                shown=one.seen,
                effects=one.labels,
            )
            written += 1
        except (DecidedMeanwhileError, UnknownItemError) as error:
            conflicts.append(str(error))
    return written, conflicts
