"""The sidecar's own looks at servers: at an interval, and whenever a server says that a list changed.

A look sees what the sidecar's own identity is shown, all of it. Agents' answers are judged anyway, so a look opens no
door: it finds out early what is new, dates what is old, and notices a server that shows callers something else.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import anyio
import anyio.to_thread
import structlog

from mcp_core.errand import Address
from mcp_core.pins.look import Found, read_surface
from mcp_sidecar.settings import Settings
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.sightings import Sighting
from mcp_sidecar.surface.listed import ListedServers
from mcp_sidecar.surface.pin_metrics import PinMetrics
from mcp_sidecar.surface.surfaces import Surfaces
from mcp_sidecar.upstream.internal_route import Upstream
from mcp_sidecar.upstream.talk import Talk, TalkError

LOOK_SECONDS: Final = 60.0
"""How long one look may take."""
RETRY_SECONDS: Final = 5.0
"""How long the sidecar waits after a look that saw nothing."""
MOST_FAILURES: Final = 12
"""Looks in a row that see nothing, after which a server counts as gone: with pauses that grow, half an hour or more."""
SEEN: Final = "seen"
"""How a look ends that saw the surface."""
SOONEST: Final = 1.0
"""Seconds between two looks at least, however often a server says that it changed."""


class Looker:
    """Looks at the servers that are set, or at those that were heard of."""

    def __init__(
        self,
        settings: Settings,
        surfaces: Surfaces,
        upstream: Upstream,
        metrics: PinMetrics,
        listed: ListedServers,
    ) -> None:
        self._settings = settings
        self._surfaces = surfaces
        self._upstream = upstream
        self._metrics = metrics
        self._listed = listed

    async def run(self) -> None:
        """Look, for ever."""
        watched: set[str] = set()
        gone: dict[str, float] = {}

        async def watch(server: str) -> None:
            await self._watch(server)
            gone[server] = time.monotonic()
            watched.discard(server)

        async with anyio.create_task_group() as tasks:
            while True:
                await anyio.to_thread.run_sync(self._listed.refresh)
                for server in (self._listed.names or set(self._surfaces.servers)) - watched:
                    # One that was gone is looked at again when a guard asks about it.
                    if server not in gone or self._surfaces.asked(server) > gone[server]:
                        watched.add(server)
                        tasks.start_soon(watch, server)
                await anyio.sleep(self._settings.pins.refresh_interval)

    async def _watch(self, server: str) -> None:
        """Look at a server until it is gone; at one that is listed, for as long as it is."""
        failures = 0
        while failures < MOST_FAILURES or server in self._listed.names:
            started = anyio.current_time()
            outcome = "failed"
            try:
                target = await self._target(server)
                talk = Talk(self._upstream, server, target, max_answer=self._settings.max_answer)
                outcome = await self._visit(server, talk, failures)
            except Exception:  # noqa: BLE001 - the outermost edge of a look: the next one may go better
                structlog.get_logger().exception("a look failed", server=server)
            failures = 0 if outcome == SEEN else failures + 1
            await anyio.sleep(max(0.0, started + SOONEST - anyio.current_time()))
        structlog.get_logger().warning(
            "a server is gone, and is looked at no more until it is asked for", server=server
        )

    async def _target(self, server: str) -> Address:
        """Return where a server is: as a guard said last, else as is listed, else as deck/ names things."""
        return await self._surfaces.target(server) or self._listed.address(server) or Address(f"mcp-{server}-sessions")

    async def _visit(self, server: str, talk: Talk, failures: int) -> str:
        outcome = "timeout"
        with anyio.move_on_after(LOOK_SECONDS):
            outcome = await self._look(server, talk)
        await self._tell(server, outcome)
        interval = self._settings.pins.look_interval
        with anyio.move_on_after(
            interval if outcome == SEEN else min(interval, RETRY_SECONDS * 2 ** min(failures, 16))
        ):
            await self._until_changed(talk)
        with anyio.move_on_after(LOOK_SECONDS):
            await _leave(talk)
        return outcome

    async def _look(self, server: str, talk: Talk) -> str:
        try:
            found = await talk.ask(read_surface(await talk.open()))
        except TalkError as error:
            return error.outcome
        # A surface may have 20,000 items, of which each takes 50 microseconds.
        await self._surfaces.learn(server, await anyio.to_thread.run_sync(_sightings, found))
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
            await self._surfaces.ask(lambda store: store.looked(server, outcome, time.time_ns() // 1_000_000))
        except StoreError as error:
            structlog.get_logger().error("a look was not written down", server=server, problem=str(error))
        structlog.get_logger().info("look", server=server, outcome=outcome)


def _sightings(found: Sequence[Found]) -> list[Sighting]:
    return [Sighting.of(*one) for one in found]


async def _leave(talk: Talk) -> None:
    try:
        await talk.close()
    except TalkError:
        return
