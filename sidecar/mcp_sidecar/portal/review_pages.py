"""What waits for a reviewer, and their decision: by the same law as the review API and the command line.

A decision is written only where the version stands as its page showed it. What somebody else decided since is told, and
what the second reviewer wrote stays in the form.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import anyio
import structlog
from starlette.responses import Response

from mcp_core.pins.states import State
from mcp_core.scan import ItemKind
from mcp_core.scan.items import KIND_WORDS
from mcp_sidecar.catalog.catalog import Catalog
from mcp_sidecar.portal import difference, listing, schema_view
from mcp_sidecar.portal.paper import Paper
from mcp_sidecar.portal.settings import PREFIX
from mcp_sidecar.portal.shown import PART, part_of, shown
from mcp_sidecar.portal.visitors import PageAsked, not_found
from mcp_sidecar.store.store import Store
from mcp_sidecar.store.tables import Entry
from mcp_sidecar.store.values import ItemId, Seen, UnknownItemError
from mcp_sidecar.surface import queue
from mcp_sidecar.surface.queue import Decision, WaitingVersion
from mcp_sidecar.surface.review import diff, item_kind
from mcp_sidecar.surface.review_openapi import DIGEST, TEXT_LENGTH
from mcp_sidecar.surface.surfaces import NOT_TOLD, Surfaces
from mcp_sidecar.surface.viewers import Permission

_PATH: Final = f"{PREFIX}/review"
_ROWS: Final = 25


class ReviewPages:
    """Makes the pages of reviewers; to everybody else there are none."""

    def __init__(self, catalog: Catalog, surfaces: Surfaces, paper: Paper) -> None:
        self._catalog = catalog
        self._surfaces = surfaces
        self._paper = paper

    async def waiting(self, asked: PageAsked) -> Response:
        """Return what waits."""
        visitor = asked.need_permission(Permission.DECIDE)
        words = listing.words(asked.query)
        waits = [
            seen
            for entry in self._catalog.entries(visitor.viewer)
            for item in entry.items
            if (seen := _waits(item.shown, item.waiting)) is not None
            and all(word in f"{entry.name} {item.name}".casefold() for word in words)
        ]
        waits.sort(key=lambda seen: (not seen.rules, seen.first_seen))
        list_ = listing.listed(waits, _PATH, asked.query, _ROWS)
        rows = await self._surfaces.ask(lambda store: [row for seen in list_.rows if (row := _row(store, seen))])
        return self._paper.page(
            asked, "review.html", title="Review", here="review", list=list_, rows=rows, kinds=KIND_WORDS
        )

    async def item(self, asked: PageAsked) -> Response:
        """Return a version as its reviewer must see it."""
        asked.need_permission(Permission.DECIDE)
        return await self._shown(asked)

    async def decide(self, asked: PageAsked) -> Response:
        """Write a decision down, and return the version as it stands then."""
        visitor, form = asked.need_permission(Permission.DECIDE), asked.form
        why, decision = form.get("why", "").strip(), form.get("decision")
        if decision not in (State.APPROVED.value, State.REJECTED.value):
            return await self._shown(asked, problem="Choose Approve or Reject.", why=why, status=422)
        if not why or len(why) > TEXT_LENGTH:
            text = f"Write why, in {TEXT_LENGTH} characters at most: it is kept with the decision."
            return await self._shown(asked, problem=text, why=why, status=422)
        row = await self._find(asked)
        try:
            as_shown = replace(row[0].seen, state=State(form.get("state", "")), reason=form.get("reason", ""))
        except ValueError:
            raise not_found() from None
        made = [Decision(as_shown, State(decision))]
        # Whoever is told of a decision finds it made, also where the reviewer did not wait.
        with anyio.CancelScope(shield=True):
            _, conflicts = await self._surfaces.ask(
                lambda store: queue.decide(store, made, reviewer=visitor.answerable, why=why)
            )
            are_told = await self._surfaces.decided()
            await self._catalog.refresh()
        if conflicts:
            return await self._shown(asked, conflict=conflicts[0], why=why, status=409)
        server = row[0].seen.id.server
        structlog.get_logger().info("decision", reviewer=visitor.answerable, server=server, state=decision, by="portal")
        if not are_told:
            return await self._shown(asked, problem=NOT_TOLD, status=503)
        return await self._shown(asked, done=f"Written down: {decision}. Guards know it now.")

    async def _shown(self, asked: PageAsked, *, status: int = 200, why: str = "", **said: str) -> Response:
        row, content, findings, history = await self._find(asked)
        before = await self._surfaces.ask(lambda store: diff(store, row.seen.id, row.seen.digest).before)
        lines: difference.Lines = []
        if before is not None:
            lines, _ = difference.lines(
                await self._surfaces.ask(lambda store: store.content(row.seen.id, before)[1]), content
            )
        description = content.get("description", content.get("instructions", content.get("text")))
        whole = json.dumps(content, indent=2, ensure_ascii=False)
        is_tool = row.seen.id.kind is ItemKind.TOOL
        part = asked.query.get("part", "0")
        return self._paper.page(
            asked,
            "review_item.html",
            status=status,
            title="Review",
            here="review",
            id=row.seen.id,
            row=row,
            state="open" if row.seen.state is State.APPROVED else row.seen.state.value,
            text=shown(
                description if isinstance(description, str) else "",
                findings,
                part_of(part),
            ),
            findings=findings,
            lines=lines,
            arguments=schema_view.table(content.get("inputSchema"), tuple(findings)) if is_tool else None,
            json=shown(whole[:PART]).pieces,
            cut=max(0, len(whole) - PART),
            history=history,
            kinds=KIND_WORDS,
            why=why,
            **{"conflict": "", "problem": "", "done": "", **said},
        )

    async def _find(self, asked: PageAsked) -> tuple[WaitingVersion, dict[str, Any], list[dict[str, str]], list[Entry]]:
        """Return the version that a query names. Raises PageError."""
        query = asked.query
        digest = query.get("digest", "")
        if DIGEST.fullmatch(digest) is None:
            raise not_found()
        try:
            id_ = ItemId(query.get("server", ""), item_kind(query.get("kind", "")), query.get("item", ""))
        except UnknownItemError:
            raise not_found() from None

        def work(store: Store) -> tuple[WaitingVersion, dict[str, Any], list[dict[str, str]], list[Entry]]:
            seen, content, findings = store.content(id_, digest)
            return queue.row(store, seen), content, findings, list(store.history(id_))

        try:
            return await self._surfaces.ask(work)
        except UnknownItemError:
            raise not_found() from None


def _waits(shown_now: Seen, waiting: Seen | None) -> Seen | None:
    seen = waiting or shown_now
    return seen if seen.state is State.QUARANTINED else None


def _row(store: Store, seen: Seen) -> WaitingVersion | None:
    try:
        return queue.row(store, seen)
    except UnknownItemError:
        return None
