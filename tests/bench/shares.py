"""What one agent's or one server's excess costs others in the inspect lane: their lists, and their small results.

A delay is what 99 of 100 answers take at most. It is set beside the same on the same gateway while nothing else comes,
or beside the time that one large result takes.
"""

import shutil
import socket
import statistics
import tempfile
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from bench.measure import row, shown
from bench.stand import OTHER_KEY, ask, call, start_server, start_stand

_STREAMS = 300
_DEADLINE = 60
_LIST_BAR = 3
"""Streams that stay open cost nothing but memory; what a busy machine makes of the same twice is within it."""
_SCAN_BAR = 0.2
"""Of the time that one large result takes: a small one waits for a window of it, not for all of it."""


def _change(document):
    """Have results of the servers `s...` scanned, and streams of all go through the sidecar."""
    for service in document["services"]:
        for route in service["routes"]:
            for plugin in route.get("plugins", ()):
                if plugin["name"] == "mcp-guard":
                    server = plugin["config"]["server"]
                    plugin["config"] |= (
                        {"results": {"mode": "flag"}}
                        if server.startswith("s")
                        else {"server_messages": {"methods": ["bench/nothing"]}}
                    )


def run(*, quick):
    """Measure on a real Kong where there is one, else on the devkit."""
    kind = "kong" if shutil.which("kong") else "devkit"
    seconds, streams = (2, 50) if quick else (8, _STREAMS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kong-mcp-")))
        url = start_server(stack, "answers_server.py")
        urls = dict.fromkeys(("lists", "streams", "small", "slarge"), url)
        tools = ["small", "open", "prose"]
        _, port, _ = start_stand(stack, kind, folder, urls, tools, change=_change, opened=())
        return [*_lists(kind, port, seconds, streams), *_results(kind, port, seconds)]


def _lists(kind, port, seconds, streams):
    request = ask("/lists/mcp", "tools/list", f"apikey: {OTHER_KEY}")
    _probe(port, request, 1, b'"tools"')
    alone = _probe(port, request, seconds, b'"tools"')
    with _open_streams(port, streams) as opened:
        beside = _probe(port, request, seconds, b'"tools"')
    name = f"shares, {kind}: lists of an agent, 99 of 100"
    return [
        shown(f"{name}, alone (this machine, this minute)", alone * 1000, "ms"),
        row(
            f"{name}, beside {opened} streams of another, of {streams} asked, to alone", beside / alone, "x", _LIST_BAR
        ),
    ]


@contextmanager
def _open_streams(port, streams):
    """Have one agent open so many streams. Gives how many of them were let in; the others were refused."""
    with ExitStack() as stack:
        opened = 0
        for _ in range(streams):
            connection = stack.enter_context(closing(_connected(port, call("/streams/mcp", "open"))))
            opened += b" 200 " in connection.recv(65536).split(b"\r\n", 1)[0]
        if not opened:
            raise RuntimeError("no stream was opened")
        yield opened


def _results(kind, port, seconds):
    small = call("/small/mcp", "small", f"apikey: {OTHER_KEY}")
    _probe(port, small, 1, b'"complete"')
    alone, taken, ended = _probe(port, small, seconds, b'"complete"'), [], threading.Event()

    def plague():
        while not ended.is_set():
            started = time.perf_counter()
            _whole(port, call("/slarge/mcp", "prose"))
            taken.append(time.perf_counter() - started)

    thread = threading.Thread(target=plague)
    thread.start()
    try:
        beside = _probe(port, small, seconds, b'"complete"')
    finally:
        ended.set()
        thread.join()
    large = statistics.median(taken)
    name = f"shares, {kind}: small scanned results, 99 of 100"
    return [
        shown(f"{name}, alone (this machine, this minute)", alone * 1000, "ms"),
        shown(f"shares, {kind}: a scanned result of 1 MB of prose (this machine, this minute)", large * 1000, "ms"),
        row(
            f"{name}, beside those of another server, to the time that one of those takes",
            beside / large,
            "x",
            _SCAN_BAR,
        ),
    ]


def _connected(port, request):
    connection = socket.create_connection(("127.0.0.1", port), timeout=_DEADLINE)
    connection.sendall(request.encode())
    return connection


def _whole(port, request):
    """Return an answer to its end."""
    answer = b""
    with closing(_connected(port, request.replace("\r\n", "\r\nConnection: close\r\n", 1))) as connection:
        while piece := connection.recv(1 << 20):
            answer += piece
    if b" 200 " not in answer[:20]:
        raise RuntimeError(f"not answered: {answer[:200]!r}")
    return answer


def _probe(port, request, seconds, wanted):
    """Return the seconds that 99 of 100 answers take at most, one after the other; each holds what is wanted."""
    times, end = [], time.perf_counter() + seconds
    while (started := time.perf_counter()) < end or len(times) < 100:
        if wanted not in _whole(port, request):
            raise RuntimeError("an answer was withheld")
        times.append(time.perf_counter() - started)
    return statistics.quantiles(times, n=100)[-1]
