"""What the guard costs on a gateway: the same tools/call through a plain proxy, through key-auth, and guarded.

All three routes are on one gateway, measured in turn in one run, so that only their ratios mean something. The server
behind them is one of the official SDK's; the rows named "instant" repeat it with a server that costs nothing.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import httpx
import yaml

from kong_mcp.dev import free_port
from kong_mcp.gateway import GatewaySettings, start_gateway
from kong_mcp.servers import parse_server
from kong_mcp.share import deck_folder
from kong_mcp.state import Consumer, write_state
from servers.launch import Replica, wait_for_port

_HERE = Path(__file__).parent
_KEY = "bench-key-0123456789"
_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
}
_PATHS = {"plain": "/plain/{}", "key-auth": "/keyed/{}", "guarded": "/{}/mcp"}
_KEYS = "YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2g="


def _request(path):
    params = {"name": "good", "arguments": {"text": "x" * 600}, "_meta": _META}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\napikey: {_KEY}\r\nContent-Type: application/json\r\n"
        "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n"
        f"Mcp-Name: good\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )


def _open_routes(name):
    """Return services with the same replicas as the guarded server `name`, but without a guard."""
    auth = {"name": "key-auth", "config": {"key_names": ["apikey"], "hide_credentials": True}}
    base = {"host": f"mcp-{name}", "port": 80, "protocol": "http", "path": "/mcp"}
    plain = {"name": f"plain-{name}", "paths": [f"~/plain/{name}$"], "response_buffering": False}
    keyed = {"name": f"keyed-{name}", "paths": [f"~/keyed/{name}$"], "response_buffering": False, "plugins": [auth]}
    return [
        {"name": f"plain-{name}", **base, "routes": [plain]},
        {"name": f"keyed-{name}", **base, "routes": [keyed]},
    ]


def _start(stack, kind, folder):
    instant_port = free_port()
    instant = subprocess.Popen([sys.executable, str(_HERE / "instant_server.py"), str(instant_port)])
    stack.callback(instant.wait)
    stack.callback(instant.kill)
    wait_for_port(instant_port, instant)
    replica = Replica("sdk", "--json", "--quiet")
    stack.callback(replica.kill)
    servers = [parse_server(f"sdk={replica.url}"), parse_server(f"instant=http://127.0.0.1:{instant_port}/mcp")]
    secrets = {"DECK_MCP_SIDECAR_TARGET": "127.0.0.1:1", "DECK_MCP_INTERNAL_KEY": "bench-internal-key"}
    policy = {"tools": {"allow": ["good"]}}
    state = write_state(folder, deck_folder(), servers, policy, [Consumer("bench", _KEY)], secrets)
    document = yaml.safe_load(state.read_text())
    document["services"] += [*_open_routes("sdk"), *_open_routes("instant")]
    state.write_text(yaml.safe_dump(document))
    port = free_port()
    settings = GatewaySettings(folder, state, port)
    gateway = start_gateway(kind, settings, {**os.environ, "KONG_MCP_KEYS": _KEYS})
    stack.callback(gateway.stop)

    def ready():
        try:
            url = f"http://127.0.0.1:{port}/instant/mcp"
            return httpx.post(url, content="?", headers={"apikey": _KEY}, trust_env=False).status_code in (400, 415)
        except httpx.HTTPError:
            return False

    gateway.wait_until(ready, 60)
    return port


def _measure(port, path, connections, seconds):
    job = {
        "host": "127.0.0.1",
        "port": port,
        "request": _request(path),
        "connections": connections,
        "seconds": seconds,
    }
    ended = subprocess.run(
        [sys.executable, str(_HERE / "load.py")], input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True
    )
    result = json.loads(ended.stdout)
    if set(result["statuses"]) != {"200"}:
        raise RuntimeError(f"{path}: not every answer was 200: {result['statuses']}")
    return result


def _row(name, value, unit, bar=None, holds=None):
    return {"name": name, "value": round(value, 3), "unit": unit, "bar": bar, "holds": holds}


def run(*, quick):
    """Measure on a real Kong where there is one, else on the devkit; the bars are about a real Kong."""
    kind = "kong" if shutil.which("kong") else "devkit"
    seconds, rounds = (1, 2) if quick else (3, 5)
    rows = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kong-mcp-")))
        port = _start(stack, kind, folder)
        for server in ("sdk", "instant"):
            rows += _compare(kind, server, port, seconds, rounds)
    return rows


def _compare(kind, server, port, seconds, rounds):
    rates = {name: [] for name in _PATHS}
    medians = {name: [] for name in _PATHS}
    for path in _PATHS.values():
        _measure(port, path.format(server), 16, 1)
    for _ in range(rounds):
        for name, path in _PATHS.items():
            rates[name].append(_measure(port, path.format(server), 16, seconds)["rate"])
            medians[name].append(_measure(port, path.format(server), 1, seconds)["median_ms"])
    rate = {name: statistics.median(values) for name, values in rates.items()}
    median = {name: statistics.median(values) for name, values in medians.items()}
    barred = server == "sdk" and kind == "kong"
    label = f"{kind}, {server} server"
    to_keyed = rate["guarded"] / rate["key-auth"]
    # Round by round, so that what the machine does meanwhile weighs on both alike.
    pairs = list(zip(medians["guarded"], medians["key-auth"], strict=True))
    times = statistics.median(guarded / keyed for guarded, keyed in pairs)
    more = statistics.median(guarded - keyed for guarded, keyed in pairs)
    enough = (">= 0.5", to_keyed >= 0.5) if barred else ()
    near = ("<= 2", times <= 2) if barred else ()
    return [
        _row(f"{label}: guarded / key-auth throughput, 16 connections", to_keyed, "ratio", *enough),
        _row(f"{label}: guarded / plain throughput, 16 connections", rate["guarded"] / rate["plain"], "ratio"),
        _row(f"{label}: guarded / key-auth median, 1 connection", times, "ratio", *near),
        _row(f"{label}: guarded - key-auth median, 1 connection (this machine, this minute)", more, "ms"),
        _row(f"{label}: guarded - plain median, 1 connection", median["guarded"] - median["plain"], "ms"),
        _row(f"{label}: key-auth throughput, 16 connections (this machine, this minute)", rate["key-auth"], "1/s"),
    ]
