"""What the short way to the guard saves, and the compiled build: the same tools/call on real Kongs that differ in that.

All have a route with key-auth alone, and what is guarded is compared with that of the same Kong, round by round in
turn, so that what the machine does meanwhile weighs on all alike. The server behind them costs nothing.

One agent makes one call all the time, so that nearly every verdict is used again (decisions 374 and 377);
"asked each time" is what calls cost of which none is like the one before.
"""

import shutil
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.event import COMPILED
from bench.measure import descendants, processors_of, row, shown
from bench.stand import measure, medians, start_server, start_stand
from kong_mcp.gateway import VARIABLES
from mcp_kong.again import SWITCH

KEYED, GUARDED = "/keyed/instant", "/instant/mcp"
ON_COMPILED = {"PYTHONPATH": str(COMPILED), "KONG_NGINX_MAIN_ENV": "; env ".join([*VARIABLES, "PYTHONPATH"])}
ASKED = {SWITCH: "off"}
WAYS = {
    "PDK way": (False, {}),
    "short way": (True, {}),
    "PDK way, asked each time": (False, ASKED),
    "short way, asked each time": (True, ASKED),
}
COMPILED_WAYS = {f"{way}, compiled": (short, more | ON_COMPILED) for way, (short, more) in WAYS.items()}
"""Way -> whether it is the short one, and the environment of its Kong, which is that of the plugin server too."""
BARS = {"PDK way": (0.35, 4, 3.0), "short way": (0.6, 2.2, 2.0)}
ASKED_BARS = {"PDK way": (0.2, 7.5, 4.0), "short way": (0.26, 5.5, 3.2)}
"""Way -> the least ratio of calls a second, and the most of processor time and median, to key-auth alone.

Those of calls that are asked each time are what they must not fall behind, and no targets: docs/speed.md says why.
"""


def run(*, quick):
    """Measure, where there is a real Kong; elsewhere there is no short way. Compiled, where `make compiled` made it."""
    if shutil.which("kong") is None:
        return []
    seconds, rounds = (5, 2) if quick else (5, 5)
    ways = WAYS | (COMPILED_WAYS if COMPILED.is_dir() else {})
    with ExitStack() as stack:
        urls = {"instant": start_server(stack, "instant_server.py")}
        stands = {}
        for way, (short, environment) in ways.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kong-mcp-")))
            gateway, port, _ = start_stand(stack, "kong", folder, urls, ["good"], short=short, environment=environment)
            stands[way] = gateway.pid, port
            for path in (KEYED, GUARDED):
                measure(port, path, 16, 1)
        found = {way: [] for way in ways}
        for _ in range(rounds):
            for way, (pid, port) in stands.items():
                found[way].append(_round(pid, port, seconds))
    return [row for way in ways for row in _rows(way, found[way])]


def _round(pid, port, seconds):
    """Return the ratios of guarded to key-auth of one Kong: calls a second, processor time of a call, and median.

    The processor time is that of all, of nginx alone, and of the plugin server, each to all that key-auth takes.
    """
    rates, costs = [], []
    for path in (KEYED, GUARDED):
        before = _used(pid)
        rates.append(measure(port, path, 16, seconds)["rate"])
        costs.append([(now - then) / (rates[-1] * seconds) for now, then in zip(_used(pid), before, strict=True)])
    keyed, guarded = medians([(port, KEYED), (port, GUARDED)], seconds)
    return rates[1] / rates[0], *(one / costs[0][0] for one in costs[1]), guarded / keyed


def _used(pid):
    """Return the processor time that a Kong has used, that of its nginx, and that of its plugin server."""
    all_, server = processors_of(pid), processors_of(*descendants(pid, "pluginserver")[:1])
    return all_, all_ - server, server


def _rows(way, rounds):
    rate, cost, nginx, server, median = (statistics.median(values) for values in zip(*rounds, strict=True))
    bars = ASKED_BARS if "asked" in way else BARS
    least_rate, most_cost, most_median = bars["PDK way" if way.startswith("PDK") else "short way"]
    return [
        {
            "name": f"{way}: guarded / key-auth throughput, 16 connections",
            "value": round(rate, 3),
            "unit": "ratio",
            "bar": f">= {least_rate}",
            "holds": rate >= least_rate,
        },
        row(f"{way}: guarded / key-auth processor time a call", cost, "ratio", most_cost),
        shown(f"{way}: nginx's part of it", nginx, "ratio"),
        shown(f"{way}: the plugin server's part of it", server, "ratio"),
        row(f"{way}: guarded / key-auth median, 1 connection", median, "ratio", most_median),
    ]
