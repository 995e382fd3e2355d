"""The collector's numbers beside the recording servers' own: metrics and usage agree exactly, on both kinds of Kong."""

import asyncio
import json
import os
import sys
from collections import Counter
from datetime import UTC, datetime

import pytest

from e2e.collectors_place import Sidecar, in_its_place
from e2e.counted_calls import Progress, called, mixed
from e2e.harness import KINDS, modern, start
from e2e.told_counts import TOKEN, audited, metrics, of_servers, usage
from mcp_core.reasons import Ending
from servers.launch import wait_for

pytestmark = pytest.mark.long

ROUNDS = -(-int(os.environ.get("TELEMETRY_CALLS", "104")) // 13)
"""`make telemetry` makes 100,000 calls, `make test` some dozens."""
PATIENCE = 60 + ROUNDS
AWAY = min(2 * ROUNDS, 15_000)
"""Calls while the collector is away: Kong's queue holds 20,000 (deck/collector.yaml)."""
REFUSED = ("refused", "denied-item")


def executed(running):
    return Counter(
        (server, name) for server in running.servers for kind, name in running.executed(server) if kind == "tool"
    )


def only_tools(counts):
    return Counter({(server, name): calls for (server, name), calls in counts.items() if name != "greet"})


def settled(running, expected, refused):
    """Wait until as much was counted as agents saw, and return the counts."""

    def whole():
        counts = usage(running)
        denied = sum(calls for (_, _, _, outcome), calls in counts.items() if outcome == Ending.REFUSED)
        return counts if sum(of_servers(counts).values()) >= expected and denied >= refused else None

    return wait_for(whole, lambda: f"{usage(running)} after {expected}, {refused}", PATIENCE)


@pytest.fixture
def progress(capsys, request):
    """Say how far a test is, past what pytest captures: `make telemetry` takes a while."""

    def tell(text):
        with capsys.disabled():
            sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S} {request.node.name}: {text}\n")
            sys.stdout.flush()

    return Progress(tell)


@pytest.fixture(params=KINDS)
def running(request, tmp_path, monkeypatch):
    monkeypatch.setenv("MCP_SIDECAR_METRICS_TOKEN", TOKEN)
    monkeypatch.setenv("MCP_SIDECAR_AUDIT", str(tmp_path / "audit"))
    monkeypatch.setenv("MCP_SIDECAR_AUDIT_EVENTS", "calls")
    with start(request.param, {"notes": 2, "team": 1}, collector=True, store=str(tmp_path / "store.db")) as one:
        yield one


@pytest.mark.requirement("TEL-010")
def test_metrics_usage_and_audit_say_exactly_what_the_servers_executed(running, tmp_path, progress):
    refused = asyncio.run(mixed(running, ROUNDS, progress))
    assert asyncio.run(called(running, "bob", "whoami", ROUNDS, progress)) == ROUNDS
    own = executed(running)
    # A call whose arguments do not fit reaches the server, which refuses to execute it.
    expected = own + Counter({("notes", "good"): 2 * ROUNDS})
    counts = settled(running, sum(expected.values()) + 2 * ROUNDS, refused)
    assert only_tools(of_servers(counts)) == expected
    assert of_servers(counts)["notes", "greet"] == 2 * ROUNDS
    assert refused == 4 * ROUNDS
    assert sum(calls for key, calls in counts.items() if key[3] == "refused") == refused
    # The store has a delivery a moment before the metrics do.
    wait_for(lambda: metrics(running) == expected, lambda: str(metrics(running)), PATIENCE)
    assert audited(tmp_path / "audit", running) == expected
    assert counts["team", "whoami", "bob", "passed"] == ROUNDS


@pytest.mark.requirement("TEL-010")
def test_also_when_the_collector_is_killed_in_the_middle(running, tmp_path, progress):
    sidecar = Sidecar(running.dev.sidecar)
    calls = asyncio.run(called(running, "ada", "good", 2 * ROUNDS, progress))
    settled(running, 1, 0)
    sidecar.kill()
    # Without a sidecar a devkit, which has no mcp-answers, answers calls with 502 or 503: they never arrive.
    calls += asyncio.run(called(running, "ada", "good", AWAY, progress))
    with sidecar.again():
        calls += asyncio.run(called(running, "ada", "good", 2 * ROUNDS, progress))
        assert Counter({("team", "good"): calls}) == executed(running)
        counts = settled(running, calls, 0)
        assert of_servers(counts) == executed(running)
        # The new one begins with what the store has, as soon as it can be read.
        wait_for(lambda: metrics(running) == executed(running), lambda: str(metrics(running)), PATIENCE)
        assert audited(tmp_path / "audit", running) == executed(running)


@pytest.mark.requirement("TEL-011")
def test_nothing_of_an_agents_headers_reaches_the_collector(running):
    Sidecar(running.dev.sidecar).kill()
    with in_its_place(running) as (heard, tokens), running.client("ada") as client:
        asked = modern("no_such_tool")
        asked["headers"] |= {"X-Secret": "agents-own", "Cookie": "agents-own", "X-Api-Key": "agents-own"}
        client.post(f"{running.url('team')}?token=agents-own", **asked)
        client.post(running.url("team"), **{**asked, "headers": {**asked["headers"], "apikey": "a-wrong-key"}})
        wait_for(
            lambda: {400, 401} <= {one["response"]["status"] for one in heard}, lambda: str(heard)[-2000:], PATIENCE
        )
    text = json.dumps(heard)
    assert not [word for word in ("agents-own", "ada-key", "a-wrong-key") if word in text]
    assert not [one for one in heard if {"headers", "uri", "url", "querystring"} & one["request"].keys()]
    assert len(tokens) == 1


@pytest.mark.requirement("TEL-016")
@pytest.mark.skipif("kong" not in KINDS, reason="mcp-answers runs in a real Kong")
@pytest.mark.parametrize("running", ["kong"], indirect=True)
def test_mcp_answers_tells_what_the_collector_reads_and_nothing_else(running):
    """Of a call, a list, what the guard refuses and what key-auth does; no text is longer than one that is read."""
    asked = modern("good")
    headers, meta = asked["headers"], asked["json"]["params"]["_meta"]
    listed = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    wanted = {("good", 200), ("no_such_tool", 400), (None, 401), ("tools/list", 200)}
    Sidecar(running.dev.sidecar).kill()
    with in_its_place(running) as (heard, _), running.client("ada") as client:
        url = running.url("team")
        client.post(url, **modern("no_such_tool"))
        client.post(url, **{**asked, "headers": {**headers, "traceparent": "x" * 3000}})
        client.post(url, **{**asked, "headers": {**headers, "apikey": "a-wrong-key"}})
        client.post(url, json=listed, headers={"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"})
        wait_for(lambda: wanted <= _told(heard), lambda: str(_told(heard)), PATIENCE)
    members = {"mcp", "service", "request", "response", "latencies", "tries", "started_at", "source", "client_ip"}
    for one in heard:
        assert one.keys() <= members | {"consumer", "trace_id"}
        assert one["service"].keys() == {"name"}
        assert (one["request"].keys(), one["response"].keys()) == ({"id", "size"}, {"status", "size"})
    assert max(len(one.get("mcp", {}).get("trace", "")) for one in heard) == 1024


def _told(heard):
    """Return what was told: name or method of each request, and its status."""
    said = ((one.get("mcp", {}), one["response"]["status"]) for one in heard)
    return {(mcp.get("name") or mcp.get("method"), status) for mcp, status in said}
