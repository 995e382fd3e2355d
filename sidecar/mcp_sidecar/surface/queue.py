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
    rows = [row(store, seen) for seen in review.waiting(store, server)]
    return sorted(rows, key=lambda version: not version.found)


def row(store: Store, seen: Seen) -> WaitingVersion:
    """Return a version as its reviewer is shown it. Raises UnknownItemError."""
    _, item, findings = store.content(seen.id, seen.digest)
    opened = [
        version
        for version in store.standing(seen.id).versions
        if version.state in OPEN and version.digest != seen.digest
    ]
    before = store.content(seen.id, opened[0].digest)[1] if opened else {}
    fields = changed_fields(field_digests(before), item) if opened else ()
    return WaitingVersion(
        seen,
        summary(seen.id.kind, item),
        effects_of(seen.id.kind, item),
        difference(fields, before, item),
        fields,
        tuple(
            f"{finding['severity']} {finding['rule']} at {finding['path']}: {finding['message']} {finding['excerpt']}"
            for finding in findings
        ),
        tuple(_content(item)),
        review.diff(store, seen.id, seen.digest).lines if opened else (),
    )


def _content(item: Mapping[str, Any]) -> Iterator[str]:
    """Yield an item as JSON; of files the text follows, a line a line."""
    contents = item.get("contents")
    files = [content for content in contents if isinstance(content, dict)] if isinstance(contents, list) else []
    if files:
        item = {**item, "contents": [{name: file[name] for name in file if name != "text"} for file in files]}
    yield from json.dumps(item, indent=2).splitlines()
    for file in files:
        yield from map(escaped, str(file.get("text", "")).splitlines())


def decide(store: Store, decisions: Sequence[Decision], *, reviewer: str, why: str) -> tuple[int, list[str]]:
    """Write decisions down, each only where its version stands as it was shown.

    Returns how many were written, and in words which were not, because another reviewer was first.
    """
    written, conflicts = 0, []
    for decision in decisions:
        now = time.time_ns() // 1_000_000
        try:
            store.decide(
                decision.seen.id,
                decision.state,
                reviewer=reviewer,
                why=why,
                now=now,
                digest=decision.seen.digest,
                shown=decision.seen,
                effects=decision.labels,
            )
            written += 1
        except (DecidedMeanwhileError, UnknownItemError) as error:
            conflicts.append(str(error))
    return written, conflicts
