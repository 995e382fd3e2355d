"""What a virtual server costs: a list over 20 members that are warm, and a call beside one by the inspect lane.

All are on one gateway and asked in turn, so that the ratios mean something; the times are of this machine.
"""

import shutil
import statistics
import time
from contextlib import ExitStack
from dataclasses import replace

import httpx

from e2e.harness import JSON_HEADERS, modern
from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.servers import DevServer, parse_server
from servers.launch import Replica

MEMBERS = 20
OPEN = {kind: {"allow": ["*"]} for kind in ("tools", "prompts", "resources")}
INSPECTED = {**OPEN, "server_messages": {"methods": ["bench/nothing"]}}


def listing():
    """Return a stateless tools/list as the keyword arguments of a POST."""
    question = modern("x")
    question["json"]["method"] = question["headers"]["Mcp-Method"] = "tools/list"
    del question["headers"]["Mcp-Name"], question["json"]["params"]["name"], question["json"]["params"]["arguments"]
    return question


def timed(client, url, question):
    """Return the milliseconds of one request."""
    began = time.perf_counter()
    answer = client.post(url, **question)
    taken = (time.perf_counter() - began) * 1000
    if "result" not in answer.text:
        raise SystemExit(f"{url} answered {answer.status_code}: {answer.text[:300]}")
    return taken


def run(*, quick):
    """Measure on a real Kong where there is one, else on the devkit; the bars are about a real Kong."""
    kind = "kong" if shutil.which("kong") else "devkit"
    rounds = 30 if quick else 300
    with ExitStack() as stack:
        replica = Replica("sdk", "--json", "--quiet")
        stack.callback(replica.kill)
        names = [f"member-{number}" for number in range(MEMBERS)]
        members = [replace(parse_server(f"{name}={replica.url}"), policy=OPEN, acted=True) for name in names]
        members.append(replace(parse_server(f"inspected={replica.url}"), policy=INSPECTED))
        desks = [
            DevServer("all", "http", "/mcp", (), OPEN, virtual=True, members=tuple(names)),
            DevServer("one", "http", "/mcp", (), OPEN, virtual=True, members=("member-0",)),
        ]
        dev = stack.enter_context(run_dev(DevSettings([*members, *desks], kind, port=0)))
        client = stack.enter_context(httpx.Client(headers=JSON_HEADERS, timeout=60, trust_env=False))
        cold = timed(client, dev.url("all"), listing())
        lists = [timed(client, dev.url("all"), listing()) for _ in range(rounds)]
        calls = {name: [] for name in ("one", "inspected", "member-0")}
        for _ in range(rounds):
            for name, taken in calls.items():
                taken.append(timed(client, dev.url(name), modern("good")))
    median = statistics.median(lists)
    by = {name: statistics.median(taken) for name, taken in calls.items()}
    ratio = by["one"] / by["inspected"]
    label = f"{kind}, virtual server"
    return [
        _row(f"{label}: list over {MEMBERS} members, cold", cold, "ms"),
        _row(f"{label}: list over {MEMBERS} members, warm, median", median, "ms", "< 50", median < 50),
        _row(f"{label}: call / call by the inspect lane, median", ratio, "ratio", "<= 1.3", ratio <= 1.3),
        _row(f"{label}: call / call by the call lane, median", by["one"] / by["member-0"], "ratio"),
    ]


def _row(name, value, unit, bar=None, holds=None):
    return {"name": name, "value": round(value, 3), "unit": unit, "bar": bar, "holds": holds}
