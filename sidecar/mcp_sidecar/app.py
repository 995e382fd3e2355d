"""The ASGI application: which path is served by what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import anyio
from starlette.applications import Starlette
from starlette.routing import Route

from mcp_core.auth import wanted
from mcp_sidecar.auth.keeper import IssuerKeeper
from mcp_sidecar.auth.keyfile import KeyFileWriter
from mcp_sidecar.auth.wanted import WantedKeys
from mcp_sidecar.health.hints import Hints
from mcp_sidecar.health.ward import Ward
from mcp_sidecar.lane.callers import Callers
from mcp_sidecar.lane.exchange import Parts
from mcp_sidecar.lane.filtering import Filter
from mcp_sidecar.lane.inspect_lane import InspectLane
from mcp_sidecar.lane.inspection import Inspector
from mcp_sidecar.lane.refusals import Refusals
from mcp_sidecar.lane.sessions import Sessions
from mcp_sidecar.lane.tasks import Tasks
from mcp_sidecar.metrics import Metrics
from mcp_sidecar.operations import Operations
from mcp_sidecar.settings import Settings
from mcp_sidecar.surface.curator import Curator
from mcp_sidecar.surface.review_api import ReviewApi
from mcp_sidecar.upstream.internal_route import Upstream
from mcp_sidecar.upstream.shares import Shares


def create_app(settings: Settings, stopping: anyio.Event) -> Starlette:
    """Return the application. Once `stopping` is set, open requests end within exchange.GRACE_SECONDS."""
    metrics = Metrics()
    upstream = Upstream(settings, metrics.repeats)
    curator = Curator(settings, upstream, metrics.pins)
    parts = Parts(
        settings,
        upstream,
        Filter(),
        Sessions(settings.keys),
        Tasks(settings.keys),
        Refusals(settings.keys),
        Inspector(curator.surfaces, metrics),
        metrics,
        stopping,
        curator.surfaces,
        curator.alerts,
        Shares(settings.open_per_caller, settings.open_per_server),
        Hints(curator.surfaces),
    )
    ward = Ward(settings, curator.surfaces, metrics.health)
    issuers = _issuer_keeper(settings, metrics)
    operations = Operations(settings, metrics, stopping, curator.surfaces, issuers)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            async with curator.running(), anyio.create_task_group() as tasks:
                if issuers is not None:
                    tasks.start_soon(issuers.run)
                tasks.start_soon(ward.run)
                yield
                tasks.cancel_scope.cancel()
        finally:
            await upstream.aclose()

    surfaces, reviewers = curator.surfaces, settings.pins.reviewers
    return Starlette(
        routes=[
            *(ReviewApi(surfaces, reviewers).routes() if surfaces is not None and reviewers else ()),
            *(_wanted_keys(issuers, settings) if issuers is not None else ()),
            Route("/inspect/{server}", InspectLane(Callers(settings.keys), parts, ward.breakers)),
            Route("/livez", operations.livez),
            Route("/readyz", operations.readyz),
            Route("/metrics", operations.metrics),
        ],
        lifespan=lifespan,
    )


def _wanted_keys(issuers: IssuerKeeper, settings: Settings) -> tuple[Route]:
    answer = WantedKeys(issuers, settings.keys).answer
    return (Route(wanted.PATH, answer, methods=["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"]),)


def _issuer_keeper(settings: Settings, metrics: Metrics) -> IssuerKeeper | None:
    path = settings.auth.issuer_keys
    if path is None or not settings.auth.issuers:
        return None
    writer = KeyFileWriter(path, settings.keys, version("kong-mcp"))
    return IssuerKeeper(settings.auth, writer, metrics.issuers)
