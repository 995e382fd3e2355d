"""What all requests of a process share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import anyio

from mcp_sidecar.health.hints import Hints
from mcp_sidecar.lane.cancelling import Cancels
from mcp_sidecar.lane.cutting import Cuts
from mcp_sidecar.lane.filtering import Filter
from mcp_sidecar.lane.inspection import Inspector
from mcp_sidecar.lane.kept import KeptLists
from mcp_sidecar.lane.old_transport import OldTransport
from mcp_sidecar.lane.resuming import Resumer
from mcp_sidecar.lane.sessions import Sessions
from mcp_sidecar.lane.tasks import Tasks
from mcp_sidecar.metrics import Metrics
from mcp_sidecar.settings import Settings
from mcp_sidecar.surface.alerts import Alerts
from mcp_sidecar.surface.surfaces import Surfaces
from mcp_sidecar.upstream.acting import ActingWay
from mcp_sidecar.upstream.internal_route import Upstream
from mcp_sidecar.upstream.shares import Shares


@dataclass(frozen=True)
class Parts:
    """The parts of the lane. `stopping` is set when the process was told to stop."""

    settings: Settings
    upstream: Upstream | ActingWay
    filter: Filter
    sessions: Sessions
    tasks: Tasks
    old: OldTransport
    inspector: Inspector
    metrics: Metrics
    stopping: anyio.Event
    surfaces: Surfaces | None
    alerts: Alerts
    shares: Shares
    hints: Hints
    cuts: Cuts
    resumer: Resumer
    cancels: Cancels
    kept: KeptLists

    @classmethod
    def of(
        cls,
        settings: Settings,
        metrics: Metrics,
        upstream: Upstream,
        stopping: anyio.Event,
        surfaces: Surfaces | None,
        alerts: Alerts,
    ) -> Self:
        """Return the parts, of which those that belong to the lane alone are made here."""
        shares = Shares(settings.open_per_caller, settings.open_per_server, metrics.lane.taken)
        return cls(
            settings,
            upstream,
            Filter(),
            Sessions(settings.keys),
            Tasks(settings.keys),
            OldTransport(settings.keys),
            Inspector(surfaces, metrics),
            metrics,
            stopping,
            surfaces,
            alerts,
            shares,
            Hints(surfaces),
            Cuts(),
            Resumer(upstream, metrics.lane.resumed, settings.max_answer),
            Cancels(upstream, metrics.lane.cancelled, shares),
            KeptLists(surfaces, settings.keep_lists),
        )
