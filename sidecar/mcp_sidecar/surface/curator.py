"""All that pins need in a running sidecar, put together: what is known of surfaces, and the work beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from importlib.metadata import version

import anyio

from mcp_sidecar.settings import Settings
from mcp_sidecar.store.store import Store
from mcp_sidecar.surface.alerts import Alerts
from mcp_sidecar.surface.listed import ListedServers
from mcp_sidecar.surface.looker import Looker
from mcp_sidecar.surface.pin_metrics import PinMetrics
from mcp_sidecar.surface.snapshots import SnapshotWriter
from mcp_sidecar.surface.surfaces import Surfaces
from mcp_sidecar.upstream.internal_route import Upstream


class Curator:
    """Keeps what one sidecar knows of surfaces, which without a store is nothing, and tells its alerts."""

    def __init__(self, settings: Settings, upstream: Upstream, metrics: PinMetrics) -> None:
        self._pins = settings.pins
        self._looker: Looker | None = None
        url, secret, shape = self._pins.webhook_url, self._pins.webhook_secret, self._pins.webhook_shape
        self.alerts = Alerts(metrics, url, secret, shape=shape, mail=self._pins.mail)
        self.listed = ListedServers(self._pins.servers_file, self._pins.servers)
        self.surfaces: Surfaces | None = None
        if self._pins.store is not None:
            path, address, settle = self._pins.snapshot, self._pins.store, self._pins.settle
            self.surfaces = Surfaces(
                lambda create: Store(address, settle=settle, migrate=True, create=create),
                self._pins.rules,
                settle=settle,
                writer=None if path is None else SnapshotWriter(path, settings.keys, version("kong-mcp")),
                alerts=self.alerts,
                metrics=metrics,
            )
            self._looker = Looker(settings, self.surfaces, upstream, metrics, self.listed)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work in the background for as long as the context lasts."""
        with closing(self.alerts):
            async with self._running():
                yield

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        if self.surfaces is None or self._looker is None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.alerts.run)
                yield
                tasks.cancel_scope.cancel()
            return
        await self.surfaces.recall()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.surfaces.follow, self._pins.refresh_interval)
                tasks.start_soon(self.surfaces.run)
                tasks.start_soon(self.surfaces.watch)
                tasks.start_soon(self.alerts.run)
                tasks.start_soon(self._looker.run)
                yield
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self.surfaces.aclose()
