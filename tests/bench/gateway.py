"""What the guard costs on a gateway: the same tools/call through a plain proxy, through key-auth, and guarded.

All routes are on one gateway, measured in turn in one run, so that only their ratios mean something. The server behind
them is one of the official SDK's; the rows named "instant" repeat it with a server that costs nothing, and the guarded
route there a second time by way of the inspect lane.
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
_PATHS = {"plain": "/plain/{}", "key-auth": "/keyed/{}", "guarded": "/{}/mcp", "inspected": "/{}-inspected/mcp"}
_INTERNAL_KEY = "bench-internal-key-0123456789"
_INSPECTED = "-inspected"
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
    urls = {"sdk": replica.url, "instant": f"http://127.0.0.1:{instant_port}/mcp"}
    servers = [parse_server(f"{name}{way}={url}") for name, url in urls.items() for way in ("", _INSPECTED)]
    port, sidecar_port = free_port(), free_port()
    secrets = {"DECK_MCP_SIDECAR_TARGET": f"127.0.0.1:{sidecar_port}", "DECK_MCP_INTERNAL_KEY": _INTERNAL_KEY}
    policy = {"tools": {"allow": ["good"]}}
    answers = kind == "kong"
    shared = ["shared.yaml", "answers.yaml"] if answers else ["shared.yaml"]
    state = write_state(folder, deck_folder(), servers, policy, [Consumer("bench", _KEY)], secrets, shared=shared)
    document = yaml.safe_load(state.read_text())
    _inspect(document)
    document["services"] += [*_open_routes("sdk"), *_open_routes("instant")]
    state.write_text(yaml.safe_dump(document))
    _start_sidecar(stack, port, sidecar_port)
    settings = GatewaySettings(folder, state, port, answers)
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


def _inspect(document):
    """Have the guard of each server of that name send everything through the sidecar."""
    guards = [
        plugin["config"]
        for service in document["services"]
        for route in service["routes"]
        for plugin in route.get("plugins", ())
        if plugin["name"] == "mcp-guard"
    ]
    for config in guards:
        if config["server"].endswith(_INSPECTED):
            config["server_messages"] = {"methods": ["bench/nothing"]}


def _start_sidecar(stack, port, sidecar_port):
    environment = {
        **os.environ,
        "KONG_MCP_KEYS": _KEYS,
        "MCP_SIDECAR_LISTEN": f"127.0.0.1:{sidecar_port}",
        "MCP_SIDECAR_KONG_URL": f"http://127.0.0.1:{port}",
        "MCP_SIDECAR_INTERNAL_KEY": _INTERNAL_KEY,
        "MCP_SIDECAR_LOG_LEVEL": "error",
    }
    sidecar = subprocess.Popen([sys.executable, "-m", "mcp_sidecar", "serve"], env=environment)
    stack.callback(sidecar.wait)
    stack.callback(sidecar.terminate)
    wait_for_port(sidecar_port, sidecar)


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
    to_keyed, inspected = rate["guarded"] / rate["key-auth"], rate["inspected"] / rate["guarded"]
    # Round by round, so that what the machine does meanwhile weighs on both alike.
    pairs = list(zip(medians["guarded"], medians["key-auth"], strict=True))
    times = statistics.median(guarded / keyed for guarded, keyed in pairs)
    more = statistics.median(guarded - keyed for guarded, keyed in pairs)
    enough = (">= 0.5", to_keyed >= 0.5) if barred else ()
    # A server that costs nothing leaves only the gateway's own work, of which the guard is then the larger part.
    most = 2 if server == "sdk" else 5.5
    near = (f"<= {most}", times <= most) if kind == "kong" else ()
    return [
        _row(f"{label}: guarded / key-auth throughput, 16 connections", to_keyed, "ratio", *enough),
        _row(f"{label}: guarded / plain throughput, 16 connections", rate["guarded"] / rate["plain"], "ratio"),
        _row(f"{label}: guarded / key-auth median, 1 connection", times, "ratio", *near),
        _row(f"{label}: guarded - key-auth median, 1 connection (this machine, this minute)", more, "ms"),
        _row(f"{label}: guarded - plain median, 1 connection", median["guarded"] - median["plain"], "ms"),
        _row(f"{label}: inspect lane / call lane throughput, 16 connections", inspected, "ratio"),
        _row(f"{label}: key-auth throughput, 16 connections (this machine, this minute)", rate["key-auth"], "1/s"),
    ]
