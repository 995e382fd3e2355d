"""The ASGI applications, the lane's and the review's: which path is served by what.

They share what they know, and are served by one process: at one address, or each at its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import anyio
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_core.auth import wanted
from mcp_core.auth.revoked import Revocable, digest_of
from mcp_core.principal import Principal
from mcp_sidecar.adaptive.serving import VirtualServers
from mcp_sidecar.auth.guards import answer_guards
from mcp_sidecar.auth.keeper import IssuerKeeper
from mcp_sidecar.auth.keyfile import KeyFileWriter
from mcp_sidecar.auth.looks import LookCredentials
from mcp_sidecar.auth.revocations import RevocationKeeper, RevokedFile
from mcp_sidecar.auth.wanted import WantedKeys
from mcp_sidecar.catalog.catalog import Catalog
from mcp_sidecar.catalog.entry import ServerHealth
from mcp_sidecar.catalog.registry_api import RegistryApi
from mcp_sidecar.health.ward import Ward
from mcp_sidecar.lane.callers import Callers
from mcp_sidecar.lane.cutting import Cuts
from mcp_sidecar.lane.inspect_lane import InspectLane
from mcp_sidecar.lane.parts import Parts
from mcp_sidecar.lane.policies import PolicyReader
from mcp_sidecar.metrics import Metrics
from mcp_sidecar.operations import Operations
from mcp_sidecar.portal.portal import Portal
from mcp_sidecar.search.models import EMBEDDERS
from mcp_sidecar.second.reader import SecondReader
from mcp_sidecar.settings import Settings
from mcp_sidecar.store.flow_reads import FlowReads
from mcp_sidecar.surface.curator import Curator
from mcp_sidecar.surface.review_api import ReviewApi
from mcp_sidecar.surface.surfaces import Surfaces
from mcp_sidecar.surface.viewers import Viewers
from mcp_sidecar.telemetry.collector import PATH as COLLECTOR_PATH
from mcp_sidecar.telemetry.collector import Collector
from mcp_sidecar.telemetry.debugging import Debugging
from mcp_sidecar.upstream.internal_route import Upstream

_INSPECT: Final = "/inspect/"


@dataclass(frozen=True, slots=True)
class Applications:
    """What the sidecar serves: `inspect` what guards send, `lane` all else beside it, and what both live by.

    `review` is None where nobody reviews over HTTP.
    """

    inspect: InspectLane
    lane: Starlette
    review: Starlette | None

    def at(self, review_port: int | None) -> ASGIApp:
        """Return what answers at each address: the review at this port of ours alone, or beside the lane for None."""
        lane, review = self._beside, self.review
        if review is None:
            return lane
        if review_port is None:
            self.lane.router.routes.extend(review.routes)
            return lane

        async def by_port(scope: Scope, receive: Receive, send: Send) -> None:
            """Choose by the address that took the connection: nothing that a client sends changes that."""
            at_review = scope["type"] == "http" and scope["server"][1] == review_port
            await (review if at_review else lane)(scope, receive, send)

        return by_port

    async def _beside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the inspect lane by itself: it needs nothing of Starlette's routes and handlers, which take a tenth."""
        path = scope["path"] if scope["type"] == "http" else ""
        server = path[len(_INSPECT) :] if path.startswith(_INSPECT) else ""
        if server and "/" not in server:
            scope["path_params"] = {"server": server}
            await self.inspect(scope, receive, send)
        else:
            await self.lane(scope, receive, send)


def create_apps(settings: Settings, stopping: anyio.Event) -> Applications:
    """Return the applications. Once `stopping` is set, open requests end within answering.GRACE_SECONDS."""
    metrics = Metrics(settings.telemetry)
    upstream = Upstream(settings, metrics.repeats)
    curator = Curator(settings, upstream, metrics.pins, LookCredentials(settings.auth).find)
    parts = Parts.of(settings, metrics, upstream, stopping, curator.surfaces, curator.alerts)
    ward = Ward(settings, curator.surfaces, metrics.health)
    issuers = _issuer_keeper(settings, metrics)
    store, collects = settings.pins.store, bool(settings.telemetry.collector_token)
    debugging = Debugging(store, settings.pins.refresh_interval, collects=collects)
    collector = Collector(settings.telemetry, store, metrics.telemetry, settings.keys[0], debugging)
    catalog = Catalog(curator.listed, curator.surfaces, lambda server: ServerHealth(*ward.of_server(server)))
    portal = _portal(settings, catalog, curator.surfaces, parts.cuts)
    reads = None if store is None else FlowReads(store)
    virtual = VirtualServers(parts, upstream, reads)
    operations = Operations(settings, metrics, stopping, curator.surfaces, issuers)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            async with curator.running(), _collecting(collector, settings), anyio.create_task_group() as tasks:
                if issuers is not None:
                    tasks.start_soon(issuers.run)
                if (revoked := settings.auth.revoked) is not None:
                    file = RevokedFile(revoked, settings.keys, version("kong-mcp"))
                    pause = settings.pins.refresh_interval
                    tasks.start_soon(RevocationKeeper(file, store, pause, parts.cuts.hear).run)
                tasks.start_soon(debugging.run)
                tasks.start_soon(_send_metrics, settings, metrics)
                tasks.start_soon(answer_guards, settings.auth, settings.keys, metrics.issuers)
                tasks.start_soon(ward.run)
                tasks.start_soon(virtual.sessions.goodbyes.run)
                tasks.start_soon(_read_on, settings, curator, metrics)
                tasks.start_soon(catalog.follow, settings.pins.refresh_interval)
                if portal is not None:
                    tasks.start_soon(portal.finder.follow)
                yield
                tasks.cancel_scope.cancel()
        finally:
            await _close(upstream, reads)

    callers = Callers(settings.keys, PolicyReader(settings.policies).terms)
    surfaces, viewers = curator.surfaces, Viewers(settings.pins.reviewers, settings.pins.readers)
    review = Starlette(routes=[*ReviewApi(surfaces, viewers).routes()]) if surfaces is not None and viewers else None
    lane = Starlette(
        routes=[
            *(RegistryApi(catalog, settings.catalog, viewers).routes() if settings.catalog.public_url else ()),
            *(_wanted_keys(issuers, settings) if issuers is not None else ()),
            *(portal.routes() if portal is not None else ()),
            *([Route(COLLECTOR_PATH, collector.answer, methods=["POST"])] if collects else ()),
            Route("/livez", operations.livez),
            Route("/readyz", operations.readyz),
            Route("/metrics", operations.metrics),
        ],
        lifespan=lifespan,
    )
    return Applications(InspectLane(callers, parts, ward.breakers, virtual.reply, debugging.saw), lane, review)


async def _close(upstream: Upstream, reads: FlowReads | None) -> None:
    await upstream.aclose()
    if reads is not None:
        reads.close()


async def _send_metrics(settings: Settings, metrics: Metrics) -> None:
    """Hand metrics on by OTLP, where somebody takes them."""
    if settings.telemetry.otlp_metrics is not None:
        from mcp_sidecar.telemetry.otlp_metrics import MetricSender  # noqa: PLC0415 - its packages are an extra

        await MetricSender(settings.telemetry.otlp_metrics, metrics.families).run()


async def _read_on(settings: Settings, curator: Curator, metrics: Metrics) -> None:
    """Have the second reader read, where there is one."""
    if curator.surfaces is not None and settings.second.second_url is not None:
        await SecondReader(settings.second, curator.surfaces, curator.alerts, metrics.second).run()


def _collecting(collector: Collector, settings: Settings) -> AbstractAsyncContextManager[None]:
    return collector.running() if settings.telemetry.collector_token else nullcontext()


def _portal(settings: Settings, catalog: Catalog, surfaces: Surfaces | None, cuts: Cuts) -> Portal | None:
    def is_cut_off(principal: Principal) -> bool:
        return cuts.holds(digest_of(Revocable.SUBJECT, principal.id, principal.issuer))

    if settings.portal.url is None:
        return None
    networks = settings.auth.issuer_networks
    return Portal(
        settings.portal,
        settings.keys,
        kong_url=settings.kong_url,
        catalog=catalog,
        surfaces=surfaces,
        networks=networks,
        is_cut_off=is_cut_off,
        embedder=EMBEDDERS[settings.search_model],
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
