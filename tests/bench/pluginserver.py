"""The plugin server's speed, memory and cleanliness: `run(quick)` gives the rows, and as a script prints them.

(a) events a second against kong-pdk's own gevent server: the same plugin file, each server on its own protocol, 16
    connections from two load processes, measured in turns. (b) growth over many denials. (c) what vanished peers leave.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "kong_pluginserver"))

from kongside import Link, Server, body, children, descriptors, frame, headers, until  # noqa: E402 - a tests' helper

PLUGIN = """
version = "1.0.0"
priority = 1000
Schema = []


class Plugin:
    def __init__(self, config):
        self.config = config

    def access(self, kong):
        headers = kong.request.get_headers()
        body = kong.request.get_raw_body()
        if not body:
            kong.response.exit(400, "empty")
        kong.service.request.set_header("x-seen", headers["host"])
"""
AHEAD = f"""{PLUGIN}
prefetch = {{"access": (("kong.request.get_headers",), ("kong.request.get_raw_body",))}}
"""
DENY = """
version = "1.0.0"
priority = 1000
Schema = []


class Plugin:
    def __init__(self, config):
        self.config = config

    def access(self, kong):
        headers = kong.request.get_headers()
        kong.response.exit(403, b'{"message":"no"}', {"x-why": headers["host"]})
"""
CONNECTIONS = 16
DRIVERS = 2


@dataclass
class Contender:
    """A running server: which protocol it speaks, where, the instance to use, and whose time to count."""

    kind: str
    path: Path
    instance: int
    pids: list[int]
    stop: Callable[[], Any]


def ours(workers: int, plugin: str = PLUGIN) -> Contender:
    """Start this project's server."""
    server = Server({"bench.py": plugin}, "--workers", str(workers)).start()
    with server.link() as link:
        instance = link.start("bench")
    return Contender("protobuf", server.path, instance or 0, [server.pid, *server.workers()], server.remove)


def theirs() -> Contender:
    """Start kong-pdk's server with gevent, with values returned and errors raised as ours does."""
    home = Path(tempfile.mkdtemp(dir="/tmp", prefix="kps"))
    (home / "plugins").mkdir()
    (home / "plugins" / "bench.py").write_text(PLUGIN)
    arguments = ["-g", "--no-lua-style", "-p", str(home), "--socket-name", "s.sock", "-d", str(home / "plugins")]
    process = subprocess.Popen(
        [sys.executable, "-c", "from kong_pdk.cli import start_server; start_server()", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    path = home / "s.sock"
    until(path.exists, what="kong-pdk's socket")

    def connected() -> socket.socket | None:
        one = socket.socket(socket.AF_UNIX)
        try:
            one.connect(str(path))
        except OSError:
            one.close()
            return None
        return one

    with until(connected, what="kong-pdk's server") as one:
        one.send(msgpack.packb([0, 1, "plugin.StartInstance", [{"Name": "bench", "Config": "{}"}]]))
        instance = msgpack.unpackb(one.recv(65536))[3]["Id"]

    def stop() -> None:
        process.terminate()
        process.wait(10)
        shutil.rmtree(home)

    return Contender("msgpack", path, instance, [process.pid], stop)


def load(contender: Contender, seconds: float) -> tuple[float, float]:
    """Return events a second, and the server's microseconds of processor time for one event."""
    before = sum(map(spent, contender.pids))
    drivers = [
        subprocess.Popen(
            [
                sys.executable,
                str(HERE / "pluginserver_driver.py"),
                contender.kind,
                str(contender.path),
                str(contender.instance),
                str(CONNECTIONS // DRIVERS),
                str(seconds),
            ],
            stdout=subprocess.PIPE,
        )
        for _ in range(DRIVERS)
    ]
    events = sum(int(driver.communicate(timeout=seconds + 30)[0]) for driver in drivers)
    return events / seconds, (sum(map(spent, contender.pids)) - before) * 1e6 / events


def spent(pid: int) -> float:
    """Return the seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Return the megabytes that a process has in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def speed(*, quick: bool) -> list[dict[str, Any]]:
    """Measure (a)."""
    contenders = {"two": ours(2), "one": ours(1), "ahead": ours(1, AHEAD), "theirs": theirs()}
    seconds, rounds = (1.0, 2) if quick else (3.0, 5)
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    costs: dict[str, list[float]] = {name: [] for name in contenders}
    try:
        for _ in range(rounds):
            for name, contender in contenders.items():
                rate, cost = load(contender, seconds)
                rates[name].append(rate)
                costs[name].append(cost)
    finally:
        for contender in contenders.values():
            contender.stop()
    rate = {name: statistics.median(values) for name, values in rates.items()}
    cost = {name: statistics.median(values) for name, values in costs.items()}
    ratio = rate["two"] / rate["theirs"]
    return [
        row("plugin server: events/s, ours with 2 workers / kong-pdk gevent", ratio, "x", ">= 3", holds=ratio >= 3),
        row("plugin server: events/s, ours with 1 worker / kong-pdk gevent", rate["one"] / rate["theirs"], "x"),
        row("plugin server: events/s, prefetched or not, ours with 1 worker", rate["ahead"] / rate["one"], "x"),
        row("plugin server: events/s, ours with 2 workers", rate["two"], "1/s"),
        row("plugin server: events/s, ours with 1 worker", rate["one"], "1/s"),
        row("plugin server: events/s, kong-pdk gevent", rate["theirs"], "1/s"),
        row("plugin server: processor time for one event, ours with 1 worker", cost["one"], "us"),
        row("plugin server: processor time for one event, ours with 1 worker, prefetched", cost["ahead"], "us"),
        row("plugin server: processor time for one event, kong-pdk gevent", cost["theirs"], "us"),
    ]


def denials(*, quick: bool) -> list[dict[str, Any]]:
    """Measure (b): every denial takes a connection of its own, as with Kong."""
    count = 20_000 if quick else 200_000
    server = Server({"deny.py": DENY}, "--workers", "1").start()
    try:
        with server.link() as link:
            instance = link.start("deny") or 0
        worker = children(server.pid)[0]
        pdk = {"kong.request.get_headers": headers({"host": "h", "accept": "x"})}

        def deny(times: int) -> None:
            for _ in range(times):
                with server.link() as link:
                    outcome = link.event(instance, pdk=pdk)
                    if outcome.status != 403:
                        raise SystemExit(f"not denied but {outcome}")

        deny(1000)
        before = [resident(worker), resident(server.pid)]
        deny(count)
        after = [resident(worker), resident(server.pid)]
        growth = max(now / then for now, then in zip(after, before, strict=True)) - 1
        more = max(now - then for now, then in zip(after, before, strict=True))
    finally:
        server.remove()
    name = f"plugin server: growth over {count:,} denials"
    return [row(f"{name}, to the memory before", growth, "x", "<= 0.2", holds=growth <= 0.2), row(name, more, "MB")]


def vanish(server: Server, instance: int, count: int) -> None:
    """Go away `count` times: before a call, before the first reply, and in the middle of one."""
    for number in range(count):
        with Link(server.path) as link:
            if number % 3:
                link.send_call(event={"instance_id": instance, "event_name": "access"})
            if number % 3 == 1:
                link.read_frame()
                link.socket.sendall(frame(body(b"never whole"))[:7])


def vanished(*, quick: bool) -> dict[str, Any]:
    """Measure (c): peers that go away in the middle of an event, in the middle of a frame, or before any."""
    count = 1_000 if quick else 10_000
    server = Server({"bench.py": PLUGIN}).start()
    try:
        with server.link() as link:
            instance = link.start("bench") or 0
        pids = [server.pid, *server.workers()]
        vanish(server, instance, 30)
        # The supervisor lets go of a connection within a tick of its end; only then is this what is open at rest.
        time.sleep(1)
        before = sum(map(descriptors, pids))
        vanish(server, instance, count)
        left = lambda: sum(map(descriptors, pids)) - before  # noqa: E731 - a name for what is asked twice
        deadline = time.monotonic() + 10
        while left() > 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        open_still = left()
    finally:
        server.remove()
    return row(
        f"plugin server: descriptors left by {count:,} vanished peers", open_still, "", "0", holds=open_still == 0
    )


def row(name: str, value: float, unit: str, bar: str = "", *, holds: bool = True) -> dict[str, Any]:
    """Return one row of the table; without a bar it is information only."""
    return {"name": name, "value": round(value, 2), "unit": unit, "bar": bar or None, "holds": holds if bar else None}


def run(quick: bool) -> list[dict[str, Any]]:  # noqa: FBT001 - the benches' common interface
    """Return all rows."""
    return [*speed(quick=quick), *denials(quick=quick), vanished(quick=quick)]


if __name__ == "__main__":
    for one in run("--quick" in sys.argv[1:]):
        sys.stdout.write(json.dumps(one) + "\n")
