"""What the guard costs on a gateway: the same tools/call through a plain proxy, through key-auth, and guarded.

All routes are on one gateway, measured in turn in one run, so that only their ratios mean something. The server behind
them is one of the official SDK's; the rows named "instant" repeat it with a server that costs nothing, and the guarded
route there a second time by way of the inspect lane.
"""

import shutil
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.measure import processors_of
from bench.stand import measure, medians, start_server, start_stand
from servers.launch import Replica

_PATHS = {"plain": "/plain/{}", "key-auth": "/keyed/{}", "guarded": "/{}/mcp", "inspected": "/{}-inspected/mcp"}
_INSPECTED = "-inspected"


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


def _row(name, value, unit, bar=None, holds=None):
    return {"name": name, "value": round(value, 3), "unit": unit, "bar": bar, "holds": holds}


def run(*, quick):
    """Measure on a real Kong where there is one, else on the devkit; the bars are about a real Kong."""
    kind = "kong" if shutil.which("kong") else "devkit"
    seconds, rounds = (1, 2) if quick else (3, 5)
    rows = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kong-mcp-")))
        replica = Replica("sdk", "--json", "--quiet")
        stack.callback(replica.kill)
        servers = {"sdk": replica.url, "instant": start_server(stack, "instant_server.py")}
        urls = {f"{name}{way}": url for name, url in servers.items() for way in ("", _INSPECTED)}
        _, port, pids = start_stand(stack, kind, folder, urls, ["good"], change=_inspect)
        for server in ("sdk", "instant"):
            rows += _compare(kind, server, port, seconds, rounds)
        rows.append(_processors(kind, port, pids, seconds, rounds))
    return rows


def _processors(kind, port, pids, seconds, rounds):
    """Return what a call through the inspect lane takes of the processors, to one through the call lane."""

    def one_call(name):
        before = processors_of(*pids)
        rate = measure(port, _PATHS[name].format("instant"), 16, seconds)["rate"]
        return (processors_of(*pids) - before) / (rate * seconds)

    pairs = [(one_call("inspected"), one_call("guarded")) for _ in range(rounds)]
    more = statistics.median(inspected / guarded for inspected, guarded in pairs)
    return _row(f"{kind}, instant server: inspect lane / call lane processor time a call", more, "ratio")


def _compare(kind, server, port, seconds, rounds):
    rates = {name: [] for name in _PATHS}
    times = {name: [] for name in _PATHS}
    for path in _PATHS.values():
        measure(port, path.format(server), 16, 1)
    for _ in range(rounds):
        for name, path in _PATHS.items():
            rates[name].append(measure(port, path.format(server), 16, seconds)["rate"])
        in_turn = medians([(port, path.format(server)) for path in _PATHS.values()], 2 * seconds)
        for name, taken in zip(_PATHS, in_turn, strict=True):
            times[name].append(taken)
    rate = {name: statistics.median(values) for name, values in rates.items()}
    median = {name: statistics.median(values) for name, values in times.items()}
    barred = server == "sdk" and kind == "kong"
    label = f"{kind}, {server} server"
    to_keyed, inspected = rate["guarded"] / rate["key-auth"], rate["inspected"] / rate["guarded"]
    # Round by round, so that what the machine does meanwhile weighs on both alike.
    pairs = list(zip(times["guarded"], times["key-auth"], strict=True))
    to_keyed_median = statistics.median(guarded / keyed for guarded, keyed in pairs)
    more = statistics.median(guarded - keyed for guarded, keyed in pairs)
    enough = (">= 0.5", to_keyed >= 0.5) if barred else ()
    # A server that costs nothing leaves only the gateway's own work, of which the guard is then the larger part.
    most = 2 if server == "sdk" else 5.5
    near = (f"<= {most}", to_keyed_median <= most) if kind == "kong" else ()
    return [
        _row(f"{label}: guarded / key-auth throughput, 16 connections", to_keyed, "ratio", *enough),
        _row(f"{label}: guarded / plain throughput, 16 connections", rate["guarded"] / rate["plain"], "ratio"),
        _row(f"{label}: guarded / key-auth median, 1 connection", to_keyed_median, "ratio", *near),
        _row(f"{label}: guarded - key-auth median, 1 connection (this machine, this minute)", more, "ms"),
        _row(f"{label}: guarded - plain median, 1 connection", median["guarded"] - median["plain"], "ms"),
        _row(f"{label}: inspect lane / call lane throughput, 16 connections", inspected, "ratio"),
        _row(f"{label}: key-auth throughput, 16 connections (this machine, this minute)", rate["key-auth"], "1/s"),
    ]
