"""The peers that are Python programs, each in a virtual environment of its own."""

import functools
import subprocess
import sys
from pathlib import Path

import yaml

from bench.peers.gateway import LEGACY, MODERN, PEERS, Door, Gateway, launch, loopback
from fastmcp4.tools import fastmcp4
from python1.tools import python1

HERE = Path(__file__).parent
KEY = "bench-key-0123456789"
_BACKEND = HERE.parent / "instant_mcp.py"


def python(name):
    """Return the Python of a peer's environment, or None where it is not installed."""
    elsewhere = {"fastmcp": fastmcp4, "mcp-proxy": python1}.get(name)
    if elsewhere is not None:
        return elsewhere()
    folder = PEERS / name
    program = folder / "bin" / "python"
    return program if (folder / "installed.lock").exists() and program.exists() else None


def version_of(name, package=None):
    """Return the version of a peer's package (that of its name, where none is given), or None."""
    program = python(name)
    if program is None:
        return None
    asked = "import sys, importlib.metadata; print(importlib.metadata.version(sys.argv[1]))"
    done = subprocess.run([program, "-I", "-c", asked, package or name], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def _peer(name, package, start, **more):
    return Gateway(name, "python", functools.partial(version_of, package), start, **more)


def _fastmcp(stack, folder, url):
    port = loopback()
    command = [python("fastmcp"), "-I", HERE / "fastmcp_program.py", url, port, KEY]
    pid = launch(stack, command, folder / "log", {}, port)
    return Door(port, "/mcp", f"Authorization: Bearer {KEY}", (pid,))


def _mcp_proxy(stack, folder, url):
    """It makes HTTP of a program, or a program of HTTP: before a server that speaks HTTP, one stands behind another."""
    program = python("mcp-proxy").with_name("mcp-proxy")
    return _serving(stack, folder, [program, "--log-level", "ERROR", "--transport", "streamablehttp", url])


def _mcp_proxy_alone(stack, folder, _url):
    """In front of a program: the instant server is one here, and its time is taken off."""
    return _serving(stack, folder, [sys.executable, _BACKEND, "-"], behind=_BACKEND.name)


def _serving(stack, folder, server, behind=""):
    port = loopback()
    program = python("mcp-proxy").with_name("mcp-proxy")
    pid = launch(stack, [program, "--log-level", "ERROR", "--port", port, "--", *server], folder / "log", {}, port)
    return Door(port, "/mcp/", "X-Nobody: 1", (pid,), behind=behind)


def _litellm(stack, folder, url):
    port = loopback()
    server = {"url": url, "transport": "http", "allowed_tools": ["good"], "allow_all_keys": True}
    config = {
        "mcp_servers": {"instant": server},
        "general_settings": {"master_key": f"sk-{KEY}"},
        "litellm_settings": {"telemetry": False},
    }
    file = folder / "litellm.yaml"
    file.write_text(yaml.safe_dump(config))
    program = python("litellm").with_name("litellm")
    own = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "DISABLE_ADMIN_UI": "True"}
    command = [program, "--config", file, "--host", "127.0.0.1", "--port", port, "--num_workers", "1"]
    pid = launch(stack, command, folder / "log", own, port)
    return Door(port, "/mcp/", f"Authorization: Bearer sk-{KEY}", (pid,), tool="instant-good")


_OPEN = {"eras": (LEGACY,), "keyed": False, "ruled": False, "missing": "make python1"}
PYTHON_PEERS = (
    _peer(
        "fastmcp",
        "fastmcp",
        _fastmcp,
        eras=(MODERN, LEGACY),
        security="bearer token (static), AuthMiddleware with one rule",
        missing="make fastmcp4",
    ),
    _peer(
        "mcp-proxy",
        "mcp-proxy",
        _mcp_proxy,
        security="none: it has neither keys nor rules",
        **_OPEN,
    ),
    _peer(
        "mcp-proxy-stdio",
        "mcp-proxy",
        _mcp_proxy_alone,
        security="none; its server is a program over stdio, not the same over HTTP",
        alike=False,
        **_OPEN,
    ),
    _peer(
        "litellm",
        "litellm",
        _litellm,
        eras=(LEGACY,),
        security="master key, allowed_tools of the server",
    ),
)
