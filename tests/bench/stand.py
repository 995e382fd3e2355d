"""A gateway with servers behind it, and one agent's load on it, for the benchmarks that need a whole one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import yaml

from kong_mcp.dev import free_port
from kong_mcp.gateway import GatewaySettings, start_gateway
from kong_mcp.servers import parse_server
from kong_mcp.share import deck_folder
from kong_mcp.state import Consumer, write_state
from servers.launch import wait_for_port

# libyaml, where PyYAML was built with it: the state of a thousand servers is long.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
HERE = Path(__file__).parent
KEY = "bench-key-0123456789"
OTHER_KEY = "other-key-0123456789"
KEYS = "YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2g="
_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
}


def call(path, tool="good", credential=f"apikey: {KEY}"):
    """Return the head and body of a tools/call with 600 characters of arguments. `credential` is a header."""
    return ask(path, "tools/call", credential, name=tool, arguments={"text": "x" * 600})


def ask(path, method, credential=f"apikey: {KEY}", number=1, **params):
    """Return the head and body of a request with that id and these params; `name` stands in its header too."""
    body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, "_meta": _META}})
    named = f"Mcp-Name: {params['name']}\r\n" if "name" in params else ""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{credential}\r\nContent-Type: application/json\r\n"
        "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n"
        f"Mcp-Method: {method}\r\n{named}Content-Length: {len(body)}\r\n\r\n{body}"
    )


def start_server(stack, name):
    """Start one of this folder's servers on a port of its own, and return its URL."""
    port = free_port()
    server = subprocess.Popen([sys.executable, str(HERE / name), str(port)])
    stack.callback(server.wait)
    stack.callback(server.kill)
    wait_for_port(port, server)
    return f"http://127.0.0.1:{port}/mcp"


def start_stand(
    stack,
    kind,
    folder,
    urls,
    tools,
    *,
    change=None,
    environment=None,
    opened=None,
    sidecar_environment=None,
    short=False,
):
    """Start a gateway with a guarded route for each server, and a plain and a keyed one for each that is `opened`.

    Returns the gateway, its port, and the process ids of all that works for a call: gateway and sidecar.

    `change` may change the document that Kong gets; `environment` is added to that of Kong, `sidecar_environment` to
    the sidecar's. `short` has Kong ask the guard in one frame.
    """
    servers = [parse_server(f"{name}={url}") for name, url in urls.items()]
    port, sidecar_port = free_port(), free_port()
    secrets = {"DECK_MCP_SIDECAR_TARGET": f"127.0.0.1:{sidecar_port}"}
    answers = kind == "kong"
    shared = ["shared.yaml", "answers.yaml"] if answers else ["shared.yaml"]
    policy = {"tools": {"allow": tools}}
    consumers = [Consumer("bench", KEY), Consumer("other", OTHER_KEY)]
    state = write_state(folder, deck_folder(), servers, policy, consumers, secrets, shared=shared)
    document = yaml.load(state.read_text(), Loader=_LOADER)
    if change is not None:
        change(document)
    for name in urls if opened is None else opened:
        document["services"] += _open_routes(name)
    state.write_text(yaml.dump(document, Dumper=_DUMPER))
    sidecar = _start_sidecar(stack, port, sidecar_port, sidecar_environment or {})
    settings = GatewaySettings(folder, state, port, answers, short=short)
    gateway = start_gateway(kind, settings, {**os.environ, "KONG_MCP_KEYS": KEYS, **(environment or {})})
    stack.callback(gateway.stop)
    first = next(iter(urls))

    def ready():
        try:
            url = f"http://127.0.0.1:{port}/{first}/mcp"
            return httpx.post(url, content="?", headers={"apikey": KEY}, trust_env=False).status_code in (400, 415)
        except httpx.HTTPError:
            return False

    gateway.wait_until(ready, 300)
    return gateway, port, (gateway.pid, sidecar.pid)


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


def _start_sidecar(stack, port, sidecar_port, more):
    environment = {
        **os.environ,
        "KONG_MCP_KEYS": KEYS,
        "MCP_SIDECAR_LISTEN": f"127.0.0.1:{sidecar_port}",
        "MCP_SIDECAR_KONG_URL": f"http://127.0.0.1:{port}",
        "MCP_SIDECAR_LOG_LEVEL": "error",
        **more,
    }
    sidecar = subprocess.Popen([sys.executable, "-m", "mcp_sidecar", "serve"], env=environment)
    stack.callback(sidecar.wait)
    stack.callback(sidecar.terminate)
    wait_for_port(sidecar_port, sidecar)
    return sidecar


def measure(port, path, connections, seconds, tool="good", **credential):
    """Return what the load generator found: rate (1/s), median_ms and statuses. `credential` as in call()."""
    job = {
        "host": "127.0.0.1",
        "port": port,
        "requests": [call(path, tool, **credential)],
        "connections": connections,
        "seconds": seconds,
    }
    return load(job, path)


def medians(asked, seconds, tool="good"):
    """Return the median latencies in ms of several [(port, path), ...], each asked in turn over one connection."""
    requests = [("127.0.0.1", port, call(path, tool)) for port, path in asked]
    return load({"asked": requests, "seconds": seconds}, asked)["medians_ms"]


def load(job, what):
    """Have the load generator do a job, as its main() has it; `what` names it where not every answer was a 200."""
    ended = subprocess.run(
        [sys.executable, str(HERE / "load.py")], input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True
    )
    result = json.loads(ended.stdout)
    if set(result["statuses"]) != {"200"}:
        raise RuntimeError(f"{what}: not every answer was 200: {result['statuses']}")
    return result
