"""What the collector counted, as each who asks is told: in the store, by Prometheus, and in the audit log."""

import json
from collections import Counter

import httpx

from mcp_core.reasons import Ending
from mcp_core.seal import parse_keys
from mcp_sidecar.store.usage import UsageStore
from mcp_sidecar.telemetry.audit_log import lines_of, public_text, signing_key
from mcp_sidecar.telemetry.audit_reading import verify
from servers.stores import opened

TOKEN = "metrics-token-0123456789"
READY = ("not-strict-json", "kong")
"""Reasons of the requests by which the gateway finds out that it is ready: production's records hold no headers."""


def usage(running):
    """Return calls by (server, name, principal, outcome), without those by which the gateway became ready."""
    found = Counter()
    with opened(UsageStore, running.dev.store) as store:
        for key, counted in store.rows_between(0, 10**9):
            if key.reason not in READY and key.method in ("tools/call", "prompts/get"):
                found[key.server, key.name, key.principal, key.outcome] += counted.calls
    return found


def of_servers(counts):
    """Return how many requests went on to the servers, by server and name."""
    found = Counter()
    for (server, name, _, outcome), calls in counts.items():
        if outcome not in (Ending.REFUSED, Ending.LIMITED, Ending.UNAVAILABLE):
            found[server, name] += calls
    return found


def metrics(running):
    """Return requests by (server, tool) and by outcome, as Prometheus reads them."""
    url = f"http://127.0.0.1:{running.dev.sidecar_port}/metrics"
    answer = httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False, timeout=30)
    found = Counter()
    for line in answer.text.splitlines():
        if line.startswith("mcp_server_operation_duration_seconds_count"):
            labels = dict(part.split("=", 1) for part in line[line.index("{") + 1 : line.index("}")].split(","))
            told = {name: value.strip('"') for name, value in labels.items()}
            if told["mcp_method_name"] == "tools/call" and not told["error_type"]:
                found[told["server"], told["gen_ai_tool_name"]] += int(float(line.rpartition(" ")[2]))
    return found


def audited(folder, running):
    """Return events by (server, tool) that went on to servers, and hold the chain to itself and to its signed heads."""
    public = public_text(signing_key(parse_keys(running.dev.settings.keys)[0]))
    assert verify(folder, [public]).problem is None
    found = Counter()
    for line in lines_of(folder):
        event = json.loads(line)["event"]
        if event["api"]["operation"] == "tools/call" and event["status_id"] == 1:
            found[event["api"]["service"]["name"], event["resources"][0]["name"]] += 1
    return found
