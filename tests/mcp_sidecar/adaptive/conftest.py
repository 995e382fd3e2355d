"""Virtual servers in this process, whose internal route is a scripted Kong."""

import dataclasses
import time
from contextlib import aclosing, asynccontextmanager, closing

import anyio
import pytest

from mcp_core.virtual import Virtual
from mcp_sidecar.adaptive.serving import VirtualServers
from mcp_sidecar.lane.callers import Call
from mcp_sidecar.lane.filtering import Tally
from mcp_sidecar.lane.parts import Parts
from mcp_sidecar.logs import Line
from mcp_sidecar.metrics import Metrics
from mcp_sidecar.settings import Settings
from mcp_sidecar.surface.alerts import Alerts
from mcp_sidecar.upstream.internal_route import Upstream


@pytest.fixture
def desk(kong, words):
    """Open the virtual servers of a sidecar, with settings of its own."""

    @asynccontextmanager
    async def desk(**settings):
        given = Settings((words.key,), kong_url=f"http://127.0.0.1:{kong.port}", **settings)
        metrics = Metrics()
        async with aclosing(Upstream(given, metrics.repeats)) as upstream:
            with closing(Alerts(metrics.pins)) as alerts:
                parts = Parts.of(given, metrics, upstream, anyio.Event(), None, alerts)
                yield VirtualServers(parts, upstream)

    return desk


@pytest.fixture
def call(words):
    """Return what an agent asks a virtual server, as its guard says it."""

    def call(body=b"", members=("weather",), cuts=(), budget=None, **changes):
        changes = {"server": "desk", "view": {kind: {"allow": ["*"]} for kind in ("tools", "resources")}, **changes}
        claims, target = words.said(body, **changes)
        terms = dataclasses.replace(claims.terms, virtual=Virtual(members, budget=budget))
        claims = dataclasses.replace(claims, terms=terms, cuts=cuts)
        return Call(claims, target, Tally(terms.view), {"content-type": "application/json"}, body)

    return call


@pytest.fixture
def line():
    return Line(started=time.monotonic())
