"""What many servers cost on one real Kong without a database: the start, the memory, and one event of the guard.

Two gateways run at once, one with few servers and one with many, alike but for that. Processor time is compared
round by round: of all that works for calls (Kong, plugin server and sidecar), and of the plugin server alone. Each call
is asked: of a few servers that are called in turn, verdicts would be used again, and of many none.
"""

import http.client
import shutil
import statistics
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

from bench.measure import descendants, processors_of, resident_of, row, shown
from bench.stand import call, start_server, start_stand
from mcp_kong.again import SWITCH

FEW = 10
MANY = {True: 100, False: 1000}
_CALLS = 1000
_EVENT_BAR = 1.3
"""The same within what a machine makes of the same twice."""
_MEMORY_BAR = 0.5
"""MB of nginx for a server of ours: its service, routes, upstreams and plugins, in the master and one worker."""


class _Stand:
    """A gateway with so many servers, all of them behind one replica."""

    def __init__(self, stack, url, count):
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kong-mcp-")))
        self.paths = [f"/s{number}/mcp" for number in range(count)]
        urls = {f"s{number}": url for number in range(count)}
        gateway, self.port, self.pids = start_stand(
            stack, "kong", folder, urls, ["good"], opened=(), change=self._begin, environment={SWITCH: "off"}
        )
        self.start = time.perf_counter() - self.began
        self.gateway = gateway.pid

    def _begin(self, _document):
        """Note when the description is ready: what follows is Kong's start, and that of the sidecar."""
        self.began = time.perf_counter()

    def ask(self, calls):
        """Call one server after the other; every answer is the replica's."""
        left = calls
        while left:
            # nginx ends a connection after so many requests.
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
                for number in range(left, max(0, left - 500), -1):
                    head, _, body = call(self.paths[number % len(self.paths)]).partition("\r\n\r\n")
                    first, *lines = head.split("\r\n")
                    connection.request("POST", first.split()[1], body, dict(line.split(": ", 1) for line in lines))
                    answer = connection.getresponse()
                    if b'"ok"' not in answer.read() or answer.status != 200:
                        raise RuntimeError(f"a server did not answer: {answer.status}")
                left = max(0, left - 500)

    def plugin_servers(self):
        """Return the processes that run plugins."""
        return descendants(self.gateway, "pluginserver")

    def event(self):
        """Return the seconds of the processor that one call takes: of everything, and of the plugin server."""
        plugins, everything = self.plugin_servers(), self.pids
        before = processors_of(*everything), processors_of(*plugins)
        self.ask(_CALLS)
        after = processors_of(*everything), processors_of(*plugins)
        return tuple((later - sooner) / _CALLS for sooner, later in zip(before, after, strict=True))


def run(*, quick):
    """Measure on a real Kong; the devkit is not made for a thousand servers."""
    if shutil.which("kong") is None:
        return []
    many = MANY[quick]
    with ExitStack() as stack:
        url = start_server(stack, "instant_server.py")
        small, large = (_Stand(stack, url, count) for count in (FEW, many))
        for stand in (small, large):
            stand.ask(2 * max(len(stand.paths), FEW))  # each server answers, and has its instance
        rounds = [(large.event(), small.event()) for _ in range(2 if quick else 5)]
        memory = [resident_of(descendants(stand.gateway, "nginx")) for stand in (small, large)]
        plugins = resident_of(large.plugin_servers())
        everything, guard = (statistics.median(big[which] / few[which] for big, few in rounds) for which in (0, 1))
    name = f"fleet: {many:,} servers on a Kong without a database"
    return [
        shown(f"{name}: start to the first answer", large.start, "s"),
        shown(f"{name}: the same of {FEW}", small.start, "s"),
        shown(f"{name}: memory of nginx", memory[1] / 2**20, "MB"),
        row(f"{name}: memory of nginx, for each more than {FEW}", _each(memory, many), "MB", _MEMORY_BAR),
        shown(f"{name}: memory of the plugin server", plugins / 2**20, "MB"),
        row(f"{name}: plugin server's processor time of an event, to that with {FEW}", guard, "x", _EVENT_BAR),
        # Without a bar: Kong's own timers for so many upstreams go on meanwhile.
        shown(f"{name}: all processor time of a call, to that with {FEW}", everything, "x"),
    ]


def _each(memory, many):
    return (memory[1] - memory[0]) / 2**20 / (many - FEW)
