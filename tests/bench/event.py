"""What one guarded tools/call costs the plugin server by itself: the compiled build to plain Python, by turns.

An event of the short way, from the bytes of its frame to those of its verdict: no socket, no Kong, no kernel.
"""

import gc
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kong_pluginserver import loader, rpc, whole
from kong_pluginserver.connection import Connection
from kong_pluginserver.hub import Hub
from kong_pluginserver.instances import Instances
from kong_pluginserver.pdk import Namespace
from kong_pluginserver.service import Service

_ROOT = Path(__file__).resolve().parents[2]
COMPILED = _ROOT / "build" / "compiled"
_KEYS = "YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2g="
_ROUTE = {"id": "r-1", "methods": ["POST"]}
_CONSUMER = {"id": "b6f1d7c4-e1c8-4e7f-a2f2-a8f6f2f7d3d1", "username": "bench", "tags": None}
_TIMES = 100


class Event:
    """One instance of the guard, and the connection by which mcp-guard's Lua asks it in one frame."""

    def __init__(self, config):
        os.environ["KONG_MCP_KEYS"] = _KEYS
        plugins = {"mcp-guard": loader.load(_ROOT / "plugins" / "mcp-guard.py")}
        hub = Hub(1, lambda _now: None, lambda: None)
        instances = Instances(plugins, SimpleNamespace(register=lambda *_: 1))
        kong = whole.build(hub, lambda data: data, Namespace("kong.local_socket"))
        self._service = Service(plugins, instances, kong, kong, 5.0)
        self._ends = socket.socketpair(socket.AF_UNIX)
        self._connection = hub.current = Connection(hub, self._ends[0], 1, 1 << 22, 60)
        self._sent = []
        self._connection._send = self._keep
        known = {"server": "instant", "upstream": "mcp-instant", "route_id": _ROUTE["id"]}
        self._instance = instances.start("mcp-guard", json.dumps({**known, **config}).encode())

    def frame(self, headers, body):
        """Return an event as the Lua sends it, without its length."""
        carried = {
            "t kong.request.get_method": b"POST",
            "t kong.request.get_path": b"/instant/mcp",
            "t kong.request.get_raw_query": b"",
            "t kong.client.get_forwarded_ip": b"127.0.0.1",
            "t kong.nginx.get_var ssl_client_raw_cert": b"",
            "j kong.client.get_consumer": json.dumps(_CONSUMER).encode(),
            "j kong.router.get_route": json.dumps(_ROUTE).encode(),
            "t kong.ctx.shared.get mcp_request_5": json.dumps(headers).encode(),
            "b": body,
        }
        names = "\n".join(["access", *carried]).encode()
        sizes = struct.pack(f"={len(carried)}I", *map(len, carried.values()))
        head = rpc.WHOLE_MARK + struct.pack("=III", 1, self._instance, len(names))
        return head + names + sizes + b"".join(carried.values())

    def _keep(self, data):
        self._sent[:] = [bytes(data)]
        return len(data)

    def run(self, frame):
        """Have an event decided, and return the frame that answers it."""
        self._service._whole_event(self._connection, rpc.parse_call(frame))
        self._service.send_verdicts()
        return self._sent[0]


def _call():
    """Return the headers, as Kong holds them behind key-auth, and the body of a tools/call."""
    from bench.stand import call  # noqa: PLC0415 - a whole gateway, which the fuzzer need not import

    head, _, body = call("/instant/mcp").partition("\r\n\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
    consumer = {"x-consumer-id": _CONSUMER["id"], "x-consumer-username": "bench", "x-credential-identifier": "k-1"}
    return {**headers, **consumer}, body.encode()


def _microseconds(rounds):
    """Return what one event takes of the processor, the least of some rounds."""
    event = Event({"tools": {"allow": ["good"]}})
    frame = event.frame(*_call())
    gc.collect()
    gc.freeze()  # as a plugin server does once all is loaded
    least = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(_TIMES):
            event.run(frame)
        least = min(least, (time.process_time() - started) / _TIMES)
    return least * 1e6


def run(*, quick):
    """Measure plain Python, and the compiled build where `make compiled` has made one."""
    folders = {"plain": "", "compiled": str(COMPILED)} if COMPILED.is_dir() else {"plain": ""}
    found = {name: [] for name in folders}
    for _ in range(3 if quick else 7):
        for name, folder in folders.items():
            ended = subprocess.run(
                [sys.executable, __file__, "100"],
                env={**os.environ, "PYTHONPATH": folder},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            found[name].append(float(ended.stdout))
    rows = [
        {"name": f"event, {name} (this machine, this minute)", "value": min(several), "unit": "us"}
        for name, several in found.items()
    ]
    if "compiled" in found:
        ratio = statistics.median(one / other for one, other in zip(found["compiled"], found["plain"], strict=True))
        rows.append({"name": "event, compiled to plain", "value": ratio, "unit": "ratio"})
    return [{**row, "value": round(row["value"], 3), "bar": None, "holds": None} for row in rows]


if __name__ == "__main__":
    sys.stdout.write(f"{_microseconds(int(sys.argv[1]))}\n")
