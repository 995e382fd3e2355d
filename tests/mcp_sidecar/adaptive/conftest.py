"""Virtual servers in this process, whose internal route is a scripted Kong."""

import dataclasses
import json
import sys
import time
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path

import anyio
import pytest

from mcp_core.virtual import Virtual
from mcp_sidecar.adaptive.consent import Consents
from mcp_sidecar.adaptive.flow_gate import FlowGate
from mcp_sidecar.adaptive.flows import Flows
from mcp_sidecar.adaptive.serving import VirtualServers
from mcp_sidecar.lane.callers import Call
from mcp_sidecar.lane.filtering import Tally
from mcp_sidecar.lane.parts import Parts
from mcp_sidecar.logs import Line
from mcp_sidecar.metrics import Metrics
from mcp_sidecar.settings import Settings
from mcp_sidecar.store.flow_reads import FlowReads
from mcp_sidecar.store.store import Store
from mcp_sidecar.surface.alerts import Alerts
from mcp_sidecar.upstream.internal_route import Upstream

sys.path.insert(0, str(Path(__file__).parent))

from flow_desk import FLOW, Desk

FLOWING = ("read_web", "read_mail", "send_mail", "unknown")
"""Tools of the member that flow rules are tried on."""


@pytest.fixture
def desk(kong, words):
    """Open the virtual servers of a sidecar, with settings of its own."""

    @asynccontextmanager
    async def desk(memory=None, **settings):
        given = Settings((words.key,), kong_url=f"http://127.0.0.1:{kong.port}", **settings)
        metrics = Metrics()
        async with aclosing(Upstream(given, metrics.repeats)) as upstream:
            with closing(Alerts(metrics.pins)) as alerts:
                parts = Parts.of(given, metrics, upstream, anyio.Event(), None, alerts)
                yield VirtualServers(parts, upstream, memory)

    return desk


@pytest.fixture
def call(words):
    """Return what an agent asks a virtual server, as its guard says it."""

    def call(body=b"", members=("weather",), cuts=(), budget=None, flow=None, **changes):
        changes = {"server": "desk", "view": {kind: {"allow": ["*"]} for kind in ("tools", "resources")}, **changes}
        claims, target = words.said(body, **changes)
        terms = dataclasses.replace(claims.terms, virtual=Virtual(members, budget=budget, flow=flow))
        claims = dataclasses.replace(claims, terms=terms, cuts=cuts)
        return Call(claims, target, Tally(terms.view), {"content-type": "application/json"}, body)

    return call


@pytest.fixture
def line():
    return Line(started=time.monotonic())


@pytest.fixture
def memory(tmp_path):
    path = str(tmp_path / "store.db")
    Store(path, migrate=True).close()
    reads = FlowReads(path)
    yield reads
    reads.close()


@pytest.fixture
def called(kong, words):
    """Have the member offer the tools, and return the names of those that it ran."""
    ran = []

    def play(request, connection):
        asked = json.loads(request.body or b"{}")
        said = {"jsonrpc": "2.0", "id": asked.get("id")}
        if asked.get("method") == "tools/call":
            ran.append(asked["params"])
            said_by_tool = asked["params"]["arguments"].get("say", "done")
            result = {"content": [{"type": "text", "text": said_by_tool}], "resultType": "complete"}
        elif asked.get("method") == "tools/list":
            result = {"tools": [{"name": one, "inputSchema": {"type": "object"}} for one in FLOWING]}
        else:
            result = {"capabilities": {"tools": {}}, "protocolVersion": "2025-11-25", "resultType": "complete"}
            result |= {"serverInfo": {"name": "w", "version": "1"}, "supportedVersions": ["2026-07-28"]}
        connection.sendall(words.json_answer(json.dumps({**said, "result": result}).encode()))

    kong.play = play
    return ran


@pytest.fixture
def agent(desk, call, memory, called):
    """Do work with a virtual server: `work(desk)`."""
    assert called == []

    def agent(work, *, flow=FLOW, memory=memory, wall=None, budget=None):
        async def run():
            async with desk(memory) as all_:
                if wall is not None:
                    all_.gate = FlowGate(Flows(memory, wall), Consents([b"k" * 32]), wall)
                return await work(Desk(all_, call, flow, budget))

        return anyio.run(run)

    return agent
