"""The sidecar's own looks at servers: at an interval, and whenever a server says that a list changed.

A look sees what the sidecar's own identity is shown, all of it. Agents' answers are judged anyway, so a look opens no
door: it finds out early what is new, dates what is old, and notices a server that shows callers something else.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import anyio
import structlog

from mcp_core.pins.look import Found, read_surface
from mcp_sidecar.catalog import Catalog
from mcp_sidecar.pin_metrics import PinMetrics
from mcp_sidecar.settings import Settings
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.sightings import Sighting
from mcp_sidecar.talk import Talk, TalkError
from mcp_sidecar.upstream import Upstream

LOOK_SECONDS: Final = 60.0
"""How long one look may take."""
RETRY_SECONDS: Final = 5.0
"""How long the sidecar waits after a look that saw nothing."""
SEEN: Final = "seen"
"""How a look ends that saw the surface."""
SOONEST: Final = 1.0
"""Seconds between two looks at least, however often a server says that it changed."""


class Looker:
    """Looks at the servers that are set, or at those that were heard of."""

    def __init__(self, settings: Settings, catalog: Catalog, upstream: Upstream, metrics: PinMetrics) -> None:
        self._settings = settings
        self._catalog = catalog
        self._upstream = upstream
        self._metrics = metrics

    async def run(self) -> None:
        """Look, for ever."""
        watched: set[str] = set()
        async with anyio.create_task_group() as tasks:
            while True:
                for server in set(self._settings.pins.servers or self._catalog.servers) - watched:
                    watched.add(server)
                    tasks.start_soon(self._watch, server)
                await anyio.sleep(self._settings.pins.refresh_interval)

    async def _watch(self, server: str) -> None:
        while True:
            started = anyio.current_time()
            talk = Talk(self._upstream, server, max_answer=self._settings.max_answer)
            try:
                await self._visit(server, talk)
            except Exception:  # noqa: BLE001 - the outermost edge of a look: the next one may go better
                structlog.get_logger().exception("a look failed", server=server)
            await anyio.sleep(max(0.0, started + SOONEST - anyio.current_time()))

    async def _visit(self, server: str, talk: Talk) -> None:
        outcome = "timeout"
        with anyio.move_on_after(LOOK_SECONDS):
            outcome = await self._look(server, talk)
        await self._tell(server, outcome)
        interval = self._settings.pins.look_interval
        with anyio.move_on_after(interval if outcome == SEEN else min(interval, RETRY_SECONDS)):
            await self._until_changed(talk)
        with anyio.move_on_after(LOOK_SECONDS):
            await _leave(talk)

    async def _look(self, server: str, talk: Talk) -> str:
        try:
            found = await _surface(talk)
        except TalkError as error:
            return error.outcome
        await self._catalog.learn(server, [Sighting.of(*one) for one in found])
        return SEEN

    async def _until_changed(self, talk: Talk) -> None:
        """Return when the server says that a list changed; where it does not say so, wait to be cancelled."""
        try:
            if await talk.changed():
                return
        except TalkError:
            pass
        await anyio.sleep_forever()

    async def _tell(self, server: str, outcome: str) -> None:
        self._metrics.looks.labels(server, outcome).inc()
        try:
            await self._catalog.ask(lambda store: store.looked(server, outcome, time.time_ns() // 1_000_000))
        except StoreError as error:
            structlog.get_logger().error("a look was not written down", server=server, problem=str(error))
        structlog.get_logger().info("look", server=server, outcome=outcome)


async def _surface(talk: Talk) -> Sequence[Found]:
    questions = read_surface(await talk.open())
    try:
        method, params = next(questions)
        while True:
            method, params = questions.send(await talk.ask(method, params))
    except StopIteration as end:
        found: Sequence[Found] = end.value
        return found


async def _leave(talk: Talk) -> None:
    try:
        await talk.close()
    except TalkError:
        return
