"""agentgateway, a proxy in Rust: a binary that is there already, as it comes from no package registry."""

import os
import re
import shutil
import subprocess

import yaml

from bench.peers.gateway import LEGACY, MODERN, PEERS, Door, Gateway, launch, loopback

KEY = "bench-key-0123456789"


def binary():
    """Return the program that AGENTGATEWAY names, that of build/peers, or that of the PATH; None without one."""
    named = os.environ.get("AGENTGATEWAY") or str(PEERS / "agentgateway" / "agentgateway")
    return shutil.which(named) or shutil.which("agentgateway")


def _version():
    program = binary()
    if program is None:
        return None
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+\.\d+\.\d+[\w.+-]*", said)
    return os.environ.get("AGENTGATEWAY_VERSION") or (found[0] if found else "unknown")


def configuration(port, url, *, admin, stats, ready):
    """Return its configuration: an API key without which nothing passes, and one rule on tools."""
    rule = {"mcpAuthorization": {"rules": ['mcp.tool.name == "good"']}}
    key = {"apiKey": {"mode": "strict", "keys": [{"key": KEY, "metadata": {"user": "bench"}}]}}
    target = {"name": "instant", "mcp": {"host": url}}
    route = {"policies": {**key, **rule}, "backends": [{"mcp": {"targets": [target]}}]}
    ports = {"adminAddr": admin, "statsAddr": stats, "readinessAddr": ready}
    own = {name: f"127.0.0.1:{one}" for name, one in ports.items()}
    return {"config": own, "binds": [{"port": port, "listeners": [{"routes": [route]}]}]}


def _start(stack, folder, url):
    port, admin, stats, ready = (loopback() for _ in range(4))
    file = folder / "agentgateway.yaml"
    file.write_text(yaml.safe_dump(configuration(port, url, admin=admin, stats=stats, ready=ready), sort_keys=False))
    # Without a line for each request: what the others write of each is off too.
    pid = launch(stack, [binary(), "-f", file], folder / "log", {"RUST_LOG": "error"}, port)
    return Door(port, "/mcp", f"Authorization: Bearer {KEY}", (pid,))


AGENTGATEWAY = Gateway(
    "agentgateway",
    "rust",
    _version,
    _start,
    (MODERN, LEGACY),
    "API key (strict), one mcpAuthorization rule in CEL",
    missing="a binary of its release, named by AGENTGATEWAY or as build/peers/agentgateway/agentgateway",
)
