"""What the owner of a server must do about it, and why: each line says what was found and what would mend it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mcp_core.pins.states import Pinning, State
from mcp_core.scan import ItemKind
from mcp_core.scan.excerpt import escaped
from mcp_core.scan.items import KIND_WORDS
from mcp_core.servers import LifeCycle
from mcp_sidecar.catalog.entry import CatalogEntry
from mcp_sidecar.catalog.known import CatalogItem, Name
from mcp_sidecar.store.values import Seen
from mcp_sidecar.surface.review import iso

Contents = Mapping[Name, tuple[dict[str, Any], list[dict[str, str]]]]

_OUTCOMES: Final = {
    "timeout": "it did not answer in time: look at its load and its log",
    "refused": "it refused the gateway: the sidecar's log has its words (event: server refused)",
    "failed": "the look failed: the sidecar's log says why",
}
_REASONS: Final = {
    "findings": "its text reads like one that would steer a model",
    "first-use": "it is new, and new items wait for a person here",
    "drift": "it changed after it was approved",
    "drift-findings": "it changed, and the change reads like one that would steer a model",
    "settings": "the scanner's settings became stricter",
    "rejected-before": "another version of it was rejected before",
    "closed-before": "it was closed in the store that this one replaces",
    "reviewed": "a reviewer decided so",
}
"""The reason of a version that waits (pins.states, store) -> words for its owner."""
_MOST: Final = 160


def advice(entry: CatalogEntry, contents: Contents) -> list[str]:
    """Return lines for the owner, what is most urgent first."""
    return [*_about_looks(entry), *_about_items(entry, contents), *_about_record(entry)]


def _about_looks(entry: CatalogEntry) -> Iterator[str]:
    look, health = entry.look, entry.health
    if health.closed:
        yield f"agents are kept away from it now: {health.closed} (docs/availability.md)"
    elif health.probed > health.well:
        ill = health.probed - health.well
        yield f"{ill} of {health.probed} replicas do not answer as MCP speaks: look at their logs"
    if not look.at:
        yield "nobody has looked at it yet: is MCP_SIDECAR_SERVERS_FILE set, and does the sidecar reach Kong?"
    elif look.outcome != "seen":
        yield f"the last look, {iso(look.at)}, ended with {look.outcome!r}: {_said(look.outcome)}"


def _said(outcome: str) -> str:
    return _OUTCOMES.get(outcome, "the sidecar's log says more (event: look)")


def _about_items(entry: CatalogEntry, contents: Contents) -> Iterator[str]:
    hides = entry.record.pins is Pinning.ENFORCE
    for item in entry.items:
        waiting = item.waiting or (item.shown if item.state != "open" else None)
        if waiting is not None and waiting.state is State.QUARANTINED:
            yield f"{_named(item)} waits for a reviewer{', and no agent gets it' if hides else ''}: {_why(waiting)}"
            yield from _findings(item, waiting, contents)
        elif item.state == State.REJECTED.value:
            yield f"{_named(item)} was rejected: change it, or take it away; `kong-mcp surface show` has the reason"
        if item.gone:
            yield f"{_named(item)} was not there at the last look: if it is gone for good, take it out of the policy"
        if item.changes_often:
            yield f"{_named(item)} changes more often than anybody can review: keep texts that vary out of it"


def _named(item: CatalogItem) -> str:
    return f"{KIND_WORDS[item.kind]} {escaped(item.name)}".strip()


def _why(seen: Seen) -> str:
    rules = f"; the scanner found {', '.join(seen.rules)}" if seen.rules else ""
    return f"{_REASONS.get(seen.reason, seen.reason)}{rules}"


def _findings(item: CatalogItem, waiting: Seen, contents: Contents) -> Iterator[str]:
    """Yield what to change for each finding: the place and the text, which is a server's and printed in ASCII."""
    if item.shown.digest != waiting.digest:
        return
    for found in contents.get((item.kind, item.name), ({}, []))[1]:
        place, text = escaped(found.get("path", "")) or "it", escaped(found.get("excerpt", ""))[:_MOST]
        yield f"  change {place}: {found.get('message', found.get('rule', ''))}: {text}"


def _about_record(entry: CatalogEntry) -> Iterator[str]:
    record = entry.record
    if not record.owner:
        yield "nobody answers for it: write `owner` into its server file"
    if not record.description:
        yield "people cannot tell what it is for: write `description` into its server file"
    if record.life_cycle is LifeCycle.DEPRECATED and not record.successor:
        yield "it is deprecated, and nobody is told what to use: write `successor` into its server file"
    if record.pins is Pinning.OFF and any(item.kind is ItemKind.TOOL for item in entry.items):
        yield "a tool that changes reaches agents at once: `pins: {mode: enforce}` has a reviewer see it first"
