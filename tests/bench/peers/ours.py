"""Our gateway on a real Kong: with key-auth alone, and guarded, asked in Kong's way and in the short way."""

import functools
import shutil
import subprocess
from dataclasses import replace
from importlib.metadata import version

from bench.peers.gateway import LEGACY, MODERN, Door, Gateway
from bench.stand import KEY, start_stand

KONG_WAY, SHORT_WAY, KEY_AUTH = "ours, Kong's way", "ours, short way", "Kong, key-auth alone"
_PATHS = {KONG_WAY: "/instant/mcp", SHORT_WAY: "/instant/mcp", KEY_AUTH: "/keyed/instant"}


def _version(*, own):
    """Return our version on Kong's, or Kong's alone; None without a real Kong."""
    program = shutil.which("kong")
    if program is None:
        return None
    kong = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"{version('kong-mcp')} on Kong {kong}" if own else kong


def _start(name, stack, folder, url):
    """Start a Kong of its own for one way: whatever else it does is not in the other's figures."""
    short = name == SHORT_WAY
    gateway, port, pids = start_stand(stack, "kong", folder, {"instant": url}, ["good"], short=short)
    door = Door(port, _PATHS[name], f"apikey: {KEY}", pids)
    return replace(door, pids=(gateway.pid,)) if name == KEY_AUTH else door


def _one(name, family, security, *, ruled=True):
    return Gateway(
        name,
        family,
        functools.partial(_version, own=family == "ours"),
        functools.partial(_start, name),
        (MODERN, LEGACY) if ruled else (MODERN,),
        security,
        ruled=ruled,
        missing="a real Kong on the PATH",
    )


OURS = (
    _one(KEY_AUTH, "kong", "key-auth; a proxy that reads nothing of MCP", ruled=False),
    _one(KONG_WAY, "ours", "key-auth, allowed tools, sealed sessions, audit, all as it is by default"),
    _one(SHORT_WAY, "ours", "the same"),
)
