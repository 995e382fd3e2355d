"""What it costs to hold answers to their questions on a real Kong, and what a hostile answer costs everybody else.

Two gateways run at once, alike but for one thing: in the second, mcp-answers opens upstreams and judges nothing, and
Kong's response-transformer takes a server's headers off, as before answers were held. Times are compared round by
round. Both have one nginx worker, so that a stall in it is everybody's.
"""

import os
import shutil
import socket
import statistics
import tempfile
import time
from contextlib import ExitStack, closing
from multiprocessing import get_context
from pathlib import Path

from bench.measure import shown
from bench.stand import call, measure, medians, start_server, start_stand
from kong_mcp.share import lua_folder

_NUISANCES = ("bytes", "events", "logs", "comments", "event", "nested", "quotes", "members")
_SHOWN = ("logs", "quotes", "members")
"""Without a bar: messages that pass make garbage as fast as they come, and JSON is judged as fast as it comes."""
_TOOLS = ["small", "large", "open", *_NUISANCES]
_DEADLINE = 30
_OPENED_ONLY = """\
local answers = dofile("{}")
answers.header_filter, answers.body_filter = nil, nil
return answers
"""


def run(*, quick):
    """Measure on a real Kong; on the devkit, which runs no Lua, there is nothing to measure."""
    if shutil.which("kong") is None:
        return []
    seconds, rounds, streams = (1, 2, 200) if quick else (3, 7, 1000)
    with ExitStack() as stack:
        # Who asks beside a nuisance asks a server of its own.
        urls = {
            "answers": start_server(stack, "answers_server.py"),
            "instant": start_server(stack, "instant_server.py"),
        }
        held, port, _ = _start(stack, urls, judges=True)
        _, opened, _ = _start(stack, urls, judges=False)
        return [
            *_ordinary(port, opened, seconds, rounds),
            *_large(port, opened, rounds),
            *_nuisances(port, seconds),
            _streams(held, port, streams),
        ]


def _start(stack, urls, *, judges):
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kong-mcp-")))
    environment, change = {}, None
    if not judges:
        change = _take_headers_off
        handler = folder / "lua/kong/plugins/mcp-answers/handler.lua"
        handler.parent.mkdir(parents=True)
        handler.write_text(_OPENED_ONLY.format(lua_folder() / "kong/plugins/mcp-answers/handler.lua"))
        environment["KONG_LUA_PACKAGE_PATH"] = f"{folder}/lua/?.lua;{lua_folder()}/?.lua;;"
    return start_stand(stack, "kong", folder, urls, _TOOLS, change=change, environment=environment)


def _take_headers_off(document):
    """Give the server's service what every service had before answers were held."""
    names = ["Mcp-Session-Id", "Set-Cookie", "WWW-Authenticate", "Location", "Alt-Svc", "Strict-Transport-Security"]
    config = {"remove": {"headers": names}, "rename": {"headers": ["Mcp-Gateway-Session:Mcp-Session-Id"]}}
    (service,) = [service for service in document["services"] if service["name"] == "mcp-answers"]
    service["plugins"].append({"name": "response-transformer", "config": config})


def _bar(name, value, unit, most=None, least=None):
    bar, holds = (f">= {least}", value >= least) if least is not None else (f"<= {most}", value <= most)
    return {"name": f"answers, {name}", "value": round(value, 3), "unit": unit, "bar": bar, "holds": holds}


def _ordinary(held, opened, seconds, rounds):
    paths = [(held, "/answers/mcp"), (opened, "/answers/mcp"), (held, "/keyed/answers")]
    rates, more = [], []
    for port in (held, opened):
        measure(port, "/answers/mcp", 16, 1, "small")
    for _ in range(rounds):
        rate = [measure(port, "/answers/mcp", 16, seconds, "small")["rate"] for port in (held, opened)]
        median = medians(paths, seconds, "small")
        rates.append(rate[0] / rate[1])
        more.append((median[0] - median[1]) / median[2])
    less = statistics.median(more)
    return [
        _bar("held / opened throughput, 1 KB, 16 connections", statistics.median(rates), "ratio", least=0.9),
        _bar("(held - opened) / key-auth median, 1 KB, 1 connection", less, "ratio", most=0.3),
    ]


def _large(held, opened, rounds):
    pairs = [(_read(held, "large"), _read(opened, "large")) for _ in range(3 * rounds)]
    times = statistics.median(judged / passed for judged, passed in pairs)
    return [_bar("held / opened time of a 5 MB answer", times, "ratio", most=1.3)]


def _ask(port, tool, path="/answers/mcp"):
    connection = socket.create_connection(("127.0.0.1", port), timeout=_DEADLINE)
    connection.sendall(call(path, tool).replace("\r\n", "\r\nConnection: close\r\n", 1).encode())
    return connection


def _read(port, tool):
    """Return the seconds that an answer takes, to its end."""
    started = time.perf_counter()
    with closing(_ask(port, tool)) as connection:
        while connection.recv(1 << 20):
            pass
    return time.perf_counter() - started


def _nuisances(port, seconds):
    rows = [
        shown("answers, others while nothing comes, 99 of 100 (this machine, this minute)", _probe(port, seconds), "ms")
    ]
    for tool in _NUISANCES:
        # The same bytes through a route that nobody judges take processors, too: the server's, the client's and Kong's.
        plain, judged = (_beside(port, path, tool, seconds) for path in ("/plain/answers", "/answers/mcp"))
        name = f"delay of others, 99 of 100, more than unjudged, while this comes: {tool}"
        delay = judged - plain
        rows.append(shown(f"answers, {name}", delay, "ms") if tool in _SHOWN else _bar(name, delay, "ms", most=10))
    return rows


def _beside(port, path, tool, seconds):
    context = get_context("spawn")
    nuisance = context.Process(target=_plague, args=(port, path, tool, first := context.Event()))
    nuisance.start()
    first.wait(_DEADLINE)
    try:
        return _probe(port, seconds)
    finally:
        nuisance.terminate()
        nuisance.join()


def _plague(port, path, tool, first):
    while True:
        with closing(_ask(port, tool, path)) as connection:
            first.set()
            while connection.recv(1 << 20):
                pass


def _probe(port, seconds):
    """Return the time that 99 of 100 calls to a route without a guard take at most, in ms, one after the other."""
    request, times, connection = call("/plain/instant").encode(), [], None
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end or len(times) < 100:
        if connection is None:
            connection = socket.create_connection(("127.0.0.1", port), timeout=_DEADLINE)
        connection.sendall(request)
        answer = b""
        while b'"complete"}}' not in answer and (piece := connection.recv(65536)):
            answer += piece
        if b'"complete"}}' in answer:
            times.append(time.perf_counter() - started)
        else:  # nginx ends a connection after so many requests
            connection.close()
            connection = None
    connection.close()
    return statistics.quantiles(times, n=100)[-1] * 1000


def _streams(gateway, port, streams):
    before = _memory(gateway)
    with ExitStack() as stack:
        for _ in range(streams):
            connection = stack.enter_context(closing(_ask(port, "open")))
            seen = b""
            while b"data: " not in seen:
                piece = connection.recv(65536)
                assert piece, "an open stream was closed"
                seen += piece
        grown = (_memory(gateway) - before) / streams
    return _bar(f"memory of nginx for an open stream, of {streams}", grown / 1024, "KB", most=50)


def _memory(gateway):
    """Return the resident bytes of the gateway's nginx processes."""
    children = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = status.read_text().rsplit(") ", 1)
        except OSError:
            continue
        children.setdefault(int(rest.split()[1]), []).append((int(status.parent.name), name, int(rest.split()[21])))
    total, waiting = 0, [gateway.pid]
    while waiting:
        for pid, name, pages in children.get(waiting.pop(), []):
            waiting.append(pid)
            total += pages * os.sysconf("SC_PAGE_SIZE") if "nginx" in name else 0
    return total
