"""What lists cost through the inspect lane: the same tools/list guarded, and behind key-auth alone, round by round.

One agent discovers a server, as clients do, and asks for a list that its server lets be kept (2026-07-28, ttlMs) and
does not change, so that nearly every one is answered without it; "asked each time" is where none is kept, and the list
goes to the server and back through the filter. Without a bar.
"""

import shutil
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.measure import descendants, processors_of, shown
from bench.stand import ask, load, start_server, start_stand

KEYED, GUARDED = "/keyed/instant", "/instant/mcp"
LEAST = 0.15
"""Of key-auth's lists a second."""
_ASKED = {"MCP_SIDECAR_KEEP_LISTS": "0"}
_STANDS = {
    "Kong's way": (False, {}),
    "short way": (True, {}),
    "Kong's way, asked each time": (False, _ASKED),
    "short way, asked each time": (True, _ASKED),
}
"""Name -> whether the guard is asked in one frame, and the sidecar's environment."""


def run(*, quick):
    """Measure on a real Kong; elsewhere nothing of it means much."""
    if shutil.which("kong") is None:
        return []
    seconds, rounds = (2, 3) if quick else (4, 7)
    found = {name: [] for name in _STANDS}
    for name, (short, environment) in _STANDS.items():
        with ExitStack() as stack:
            urls = {"instant": start_server(stack, "instant_mcp.py")}
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kong-mcp-")))
            gateway, port, pids = start_stand(
                stack, "kong", folder, urls, ["good"], short=short, sidecar_environment=environment
            )
            _asked(port, GUARDED, "server/discover", 0.1)
            for path in (KEYED, GUARDED):
                _asked(port, path, "tools/list", 1)
            found[name] += [_round(gateway.pid, pids[1], port, seconds) for _ in range(rounds)]
    return [row for name in _STANDS for row in _rows(name, found[name])]


def _asked(port, path, method, seconds):
    """Return the answers a second that 16 connections get."""
    request = ask(path, method)
    job = {"host": "127.0.0.1", "port": port, "requests": [request], "connections": 16, "seconds": seconds}
    return load(job, path)["rate"]


def _round(gateway, sidecar, port, seconds):
    """Return the ratio of lists a second, and the microseconds of a list: of nginx, plugin server and sidecar."""
    keyed, before = _asked(port, KEYED, "tools/list", seconds), _used(gateway, sidecar)
    guarded = _asked(port, GUARDED, "tools/list", seconds)
    used = [1e6 * (now - then) / (guarded * seconds) for now, then in zip(_used(gateway, sidecar), before, strict=True)]
    return guarded / keyed, *used


def _used(gateway, sidecar):
    server = processors_of(*descendants(gateway, "pluginserver")[:1])
    return processors_of(gateway) - server, server, processors_of(sidecar)


def _rows(name, rounds):
    ratio, *parts = (statistics.median(values) for values in zip(*rounds, strict=True))
    label = f"lists, {name}: guarded / key-auth lists a second, 16 connections"
    barred = "asked" not in name
    return [
        {
            "name": label,
            "value": round(ratio, 3),
            "unit": "ratio",
            "bar": f">= {LEAST}" if barred else None,
            "holds": ratio >= LEAST if barred else None,
        },
        *(
            shown(f"lists, {name}: processor time of a list, {part} (this machine, this minute)", value, "us")
            for part, value in zip(("nginx", "plugin server", "sidecar"), parts, strict=True)
        ),
    ]
