"""An unmodified Kong, plugin server and two sidecars beside it: killed, frozen, restarted and rolled under load.

Kong has no start command: it is told of the guard by `cat FILE` and connects to a socket in a shared folder. As
containers have it the plugin server makes the socket itself, as systemd has it somebody else keeps it.
"""

import contextlib
import io
import json
import os
import signal
import subprocess
import tarfile
import tempfile
import urllib.request
from collections import Counter
from pathlib import Path

from e2e.harness import modern
from resilience.rolling import Asker, TwoSidecars
from servers.launch import replicas, wait_for
from servers.moody_server import ask
from servers.own_kong import BIN, ROOT, Program
from servers.passing import listening, passed

LAST_RELEASE = "0.2.0"
OWN_SECRET = "what-no-server-gets"
"""Agents send it as X-Api-Key, which the guard takes off: a request that brings it to a server came past the guard."""
AGENTS = 2
"""Agents of each kind."""
PATIENCE = 10
"""Seconds after which an agent of the load gives up."""


RELOADS = (
    "Kong reloaded",
    "plugin server and Kong back to the last release",
    "plugin server and Kong to this release",
)
"""Steps in which nginx's workers are replaced."""
_CUT = ("ReadError", "WriteError", "RemoteProtocolError")
"""What an agent sees that sends on a kept connection in the moment in which it is closed (RFC 9112, section 9.5)."""


class NoHistoryError(Exception):
    """The last release is not in this checkout."""


@contextlib.contextmanager
def last_release():
    """Give a folder with the code of the last release, as it was committed.

    Raises:
        NoHistoryError: this checkout has no history that goes back so far.
    """
    asked = ["git", "-C", str(ROOT), "log", "--format=%H", f'-Sversion = "{LAST_RELEASE}"', "--", "pyproject.toml"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
    if not found:
        raise NoHistoryError(f"the commit of release {LAST_RELEASE} is not in this checkout")
    packed = subprocess.run(["git", "-C", str(ROOT), "archive", found[-1]], capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory(prefix="kong-mcp-last-") as folder:
        Path(folder).chmod(0o755)
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


class StockShape(TwoSidecars):
    """The node. With `kept` somebody else keeps the plugin server's socket."""

    def __init__(self, replica, *, kept):
        super().__init__(replica, passing=kept, tools="[good]")
        self.kept, self.generation, self.spare, self.release = kept, 0, [], ROOT

    def run_release(self, release):
        """Have whatever is started from now on run a release's code."""
        self.release = release
        path = os.pathsep.join(str(release / one) for one in ("kong", "plugins", "sidecar"))
        for program in (self.plugin_server, self.sidecar, self.second):
            program.environment = program.environment | {"PYTHONPATH": path}

    def install(self):
        """Write what Kong reads at its start or reload: the dump, Lua, state."""
        command = [BIN / "mcp-pluginserver", "--plugins", self.release / "plugins", "--dump", "mcp-guard"]
        environment = self.plugin_server.environment
        done = subprocess.run([str(one) for one in command], env=environment, check=True, capture_output=True)
        self.dump.write_bytes(done.stdout)
        self.values["lua_package_path"] = f"{self.release / 'plugins'}/lua/?.lua;;"
        self.load_deck(self.release / "deck")

    def reload(self):
        """Reload Kong, and wait until its old workers are gone: until then they ask the old plugin server."""
        before = self._workers()
        self.kong("reload")
        wait_for(lambda: not before & self._workers(), lambda: self.error_log[-2000:], seconds=120)

    def _workers(self):
        master = (self.prefix / "pids/nginx.pid").read_text().strip()
        return set(Path(f"/proc/{master}/task/{master}/children").read_text().split())

    def wait_until_kong_has_sidecars(self):
        """Wait until Kong's checks have seen that both sidecars are back: one that is gone for it is not asked."""
        url = f"{self.admin_url}/upstreams/mcp-sidecar/health"

        def healthy():
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
                return [one["health"] for one in json.loads(answer.read())["data"]] == ["HEALTHY"] * 2

        wait_for(healthy, lambda: self.error_log[-2000:], seconds=60)

    def new_plugin_server(self):
        """Start another plugin server at a socket of its own, and return the old one; Kong is not told yet."""
        old, self.generation = self.plugin_server, self.generation + 1
        self.socket = self.folder / f"mcp-{self.generation}.sock"
        self.values["pluginserver_mcp_guard_socket"] = str(self.socket)
        self.plugin_server = self._server(old)
        self.start_plugin_server()
        return old

    def take_over(self):
        """Restart the plugin server gracefully: where it makes its socket the new one starts before the old ends."""
        if self.kept:
            self.plugin_server.stop()
            self.start_plugin_server()
            return
        old, self.generation = self.plugin_server, self.generation + 1
        self.plugin_server = self._server(old)
        self.start_plugin_server()
        old.stop()

    def _server(self, old):
        command, more = [BIN / "mcp-pluginserver", "--plugins", self.release / "plugins", "--socket", self.socket], {}
        if self.kept and not self.socket.exists():
            self.spare.append(self.listening)
            self.listening = listening(self.socket)
        if self.kept:
            command, more = passed(self.listening, command), {"pass_fds": [self.listening.fileno()]}
        return Program(command, self.folder / f"pluginserver-{self.generation}.log", old.environment, **more)

    def close(self):
        super().close()
        for one in self.spare:
            one.close()


def family(program):
    """Return the processes of a program, itself first."""
    pid = program.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def send(program, number):
    """Send a signal to a program and its children."""
    for pid in family(program):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def unguarded(replica):
    """Return how many requests came to a server past the guard, or called what the policy denies."""
    count = 0
    with replica.journal.open() as lines:
        for line in lines:
            told = json.loads(line)
            past = told[1] == "http" and told[3].get("x-api-key") == OWN_SECRET
            count += past or told[1:3] == ["tool", "bad"]
    return count


class Load:
    """Agents that call what they may, what they may not, and lists, all the time."""

    ASKED = (
        ("calls", modern("good"), None),
        ("denied", modern("bad"), "bad: x"),
        ("lists", ask("tools/list"), '"bad"'),
    )

    def __init__(self, url, agents, pause=0.01):
        self.by_kind = {
            kind: [
                Asker(url, asked, pause, timeout=PATIENCE, never=never, **{"X-Api-Key": OWN_SECRET})
                for _ in range(agents)
            ]
            for kind, asked, never in self.ASKED
        }
        self.every = [one for several in self.by_kind.values() for one in several]

    def step(self, name):
        for one in self.every:
            one.step = name

    def more(self, number, kinds=("calls", "denied", "lists")):
        """Wait until each agent of some kinds had so many more calls end, however."""
        those = [one for kind in kinds for one in self.by_kind[kind]]
        before = {one: one.ended() for one in those}
        wait_for(lambda: all(one.ended() >= before[one] + number for one in those), lambda: str(self.table()), 300)

    def until(self, kind, what):
        """Wait until an agent of one kind saw something (a key of its counts) in the step that is going on."""
        wait_for(
            lambda: any(one.seen.get(one.step, Counter())[what] for one in self.by_kind[kind]),
            lambda: str(self.table()),
            seconds=120,
        )

    def settle(self):
        """Wait until each agent gets again what it should."""
        self.step("afterwards")
        for kind in ("calls", "lists"):
            before = {one: one.total() for one in self.by_kind[kind]}
            wait_for(
                lambda b=before: all(one.total() >= b[one] + 3 for one in b), lambda: str(self.table()), seconds=120
            )

    def table(self):
        """Return step -> kind -> Counter."""
        steps = dict.fromkeys(step for one in self.every for step in list(one.seen))
        return {
            step: {
                kind: sum((one.seen.get(step, Counter()) for one in several), Counter())
                for kind, several in self.by_kind.items()
            }
            for step in steps
        }

    def stop(self):
        for one in self.every:
            one.stop()


def _restart(program, start, number=signal.SIGTERM):
    program.stop(number)
    start()


def _frozen(program, load, kinds, end):
    """Freeze a program until an agent gave up, then end that in some way."""
    send(program, signal.SIGSTOP)
    try:
        load.until(kinds, "ReadTimeout")
    finally:
        send(program, signal.SIGCONT)
    end()


def _killed_frozen(node):
    send(node.plugin_server, signal.SIGSTOP)
    send(node.plugin_server, signal.SIGKILL)
    node.plugin_server.stop()
    node.start_plugin_server()


def faults(node, load):
    """Return step -> what to do: each may have calls refused, and none may have one pass unguarded."""
    return {
        "plugin server killed": lambda: _restart(node.plugin_server, node.start_plugin_server, signal.SIGKILL),
        "plugin server's processes killed at once": lambda: _killed_frozen(node),
        "a worker of the plugin server killed": lambda: os.kill(family(node.plugin_server)[1], signal.SIGKILL),
        "plugin server frozen": lambda: _frozen(node.plugin_server, load, "calls", lambda: None),
        "one of two sidecars killed": lambda: _restart(node.sidecar, node.start_sidecar, signal.SIGKILL),
        "both sidecars killed": lambda: _both_killed(node, load),
        "one of two sidecars frozen": lambda: _frozen(node.sidecar, load, "lists", lambda: None),
    }


def _both_killed(node, load):
    for one in (node.sidecar, node.second):
        one.stop(signal.SIGKILL)
    load.more(5)
    node.start_sidecar()
    node.start_second()


_OLD_SIDECARS_END = "sidecars to this release"
"""Not graceful: a sidecar of 0.2.0 that ends closes connections that Kong keeps, so a list on its way may be 502."""


def restarts(node):
    """Return step -> a graceful restart: none may have a call or list refused."""
    return {
        "one of two sidecars restarted": lambda: _restart(node.sidecar, node.start_sidecar),
        "the other sidecar restarted": lambda: _restart(node.second, node.start_second),
        "plugin server restarted": node.take_over,
        "Kong reloaded": node.reload,
    }


def rolls(node, release):
    """Return step -> a part of going back to the last release, and to this one again: none refused either."""

    def sidecars(to):
        node.run_release(to)
        _restart(node.sidecar, node.start_sidecar)
        node.wait_until_kong_has_sidecars()
        _restart(node.second, node.start_second)

    def guard(to):
        node.run_release(to)
        node.install()
        old = node.new_plugin_server()
        node.reload()
        return old

    olds = []
    return {
        "plugin server and Kong back to the last release": lambda: olds.append(guard(release)),
        "this release's plugin server ended": lambda: olds.pop().stop(),
        "sidecars back to the last release": lambda: sidecars(release),
        _OLD_SIDECARS_END: lambda: sidecars(ROOT),
        "plugin server and Kong to this release": lambda: olds.append(guard(ROOT)),
        "the last release's plugin server ended": lambda: olds.pop().stop(),
    }


def break_shape(*, kept, calls, agents=AGENTS, pause=0.01, roll=True):
    """Break, restart and roll a node under at least so many calls.

    Gives (table of Load, the names of the steps that are graceful, how many requests came past the guard).

    Raises:
        NoHistoryError: it shall be rolled, and the last release is not here.
    """
    with contextlib.ExitStack() as stack:
        (replica,) = stack.enter_context(replicas("notes"))
        release = stack.enter_context(last_release()) if roll else ROOT
        node = stack.enter_context(contextlib.closing(StockShape(replica, kept=kept)))
        node.start()
        load = Load(node.url, agents, pause)
        stack.callback(load.stop)
        broken, graceful = faults(node, load), restarts(node)
        rolled = rolls(node, release) if roll else {}
        steps = {**broken, **graceful, **rolled}
        load.settle()
        for number, (name, do) in enumerate(steps.items()):
            node.wait_until_kong_has_sidecars()
            left = max(0, calls - sum(one.ended() for one in load.every))
            more = max(2, left // ((len(steps) - number) * len(load.every) * 2))
            load.step(name)
            load.more(more)
            do()
            load.more(more)
            load.settle()
        load.stop()
        return load.table(), [*graceful, *(one for one in rolled if one != _OLD_SIDECARS_END)], unguarded(replica)


def lost(step, came, agents):
    """Return how many requests of a graceful step were lost, or refused.

    At a reload nginx closes each connection that it keeps for an agent, once: what is written on it in that moment is
    reset, by any nginx. So of each agent one such request is not counted there.
    """
    cut = sum(came[one] for one in _CUT)
    allowed = min(cut, agents) if step in RELOADS else 0
    return came.total() - came["ok"] - allowed


def refused(came):
    """Return the share of the calls of a Counter that were not answered."""
    return 1 - came["ok"] / came.total() if came else 0.0
