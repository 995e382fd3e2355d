"""A node of a team's own Kong with two sidecars, whose parts are restarted one after the other under load."""

import contextlib
import threading
from collections import Counter

import httpx
import yaml

from bench.measure import descendants, resident_of
from deck.support import DECK
from e2e.harness import JSON_HEADERS, modern
from kong_mcp.dev import free_port
from resilience.idle import IdleStreams
from servers.launch import wait_for
from servers.moody_server import ask
from servers.own_kong import BIN, OwnKong, Program

AGENT = {"apikey": "agents-key-0123456789"}


class TwoSidecars(OwnKong):
    """A node whose upstream mcp-sidecar has two targets. With `passing` somebody else keeps the plugin server's socket.

    `tools` are those that the policy allows, `others` more replicas of the server, `streams` the places of an agent.
    """

    def __init__(self, replica, *others, passing=True, tools='["*"]', streams=None):
        super().__init__(passing=passing)
        self.replica, self.others, self.tools = replica, others, tools
        self.second_port = free_port()
        environment = self.environment | {"MCP_SIDECAR_LISTEN": f"127.0.0.1:{self.second_port}"}
        self.second = Program([BIN / "mcp-sidecar", "serve"], self.folder / "second.log", environment)
        for program in (self.sidecar, self.second) if streams else ():
            # One of them has all while the other is restarted.
            program.environment |= dict.fromkeys(
                ("MCP_SIDECAR_OPEN_PER_CALLER", "MCP_SIDECAR_OPEN_PER_SERVER"), str(streams)
            )
        self.url = f"http://127.0.0.1:{self.port}/notes/mcp"
        self.load_deck(DECK)

    def load_deck(self, deck):
        """Render the decK files of a release for this node."""
        template = (deck / "template.yaml").read_text(encoding="utf-8").replace("NAME", "notes")
        server, agents = self.folder / "notes.yaml", self.folder / "agents.yaml"
        template = template.replace("HOST:PORT", f"127.0.0.1:{self.replica.port}").replace('["*"]', self.tools)
        server.write_text(template)
        agent = {"username": "agent", "keyauth_credentials": [{"key": AGENT["apikey"]}]}
        agents.write_text(yaml.safe_dump({"_format_version": "3.0", "consumers": [agent]}))
        self.load(deck / "shared.yaml", deck / "answers.yaml", server, agents)
        state = yaml.safe_load(self.state.read_text())
        others = [other.port for other in self.others]
        more = {"mcp-sidecar": [self.second_port], "mcp-notes": others, "mcp-notes-sessions": others}
        for upstream in state["upstreams"]:
            for port in more.get(upstream["name"], ()):
                upstream["targets"].append({**upstream["targets"][0], "target": f"127.0.0.1:{port}"})
                upstream["targets"][-1].pop("id", None)
        self.state.write_text(yaml.safe_dump(state))

    def start(self):
        self.start_plugin_server()
        self.start_sidecar()
        self.start_second()
        self.start_kong()
        return self

    def start_sidecar(self):
        self._start(self.sidecar, self.sidecar_port)

    def start_second(self):
        self._start(self.second, self.second_port)

    def _start(self, program, port):
        program.start()
        wait_for(lambda: self.get(f"http://127.0.0.1:{port}/livez") == 200, program.log.read_text, seconds=300)

    def both_are_healthy(self):
        """Return whether Kong, which may still know the one that was restarted as gone, sends requests to both."""
        said = httpx.get(f"{self.admin_url}/upstreams/mcp-sidecar/health", trust_env=False, timeout=30).json()
        return [one["health"] for one in said["data"]] == ["HEALTHY"] * 2

    def processes(self):
        """Return the ids of the node's own processes: nginx, plugin server and both sidecars."""
        programs = (self.plugin_server, self.sidecar, self.second)
        master = int((self.prefix / "pids" / "nginx.pid").read_text())
        return [
            found for one in (master, *(program.process.pid for program in programs)) for found in descendants(one, "")
        ]

    def close(self):
        super().close()
        self.second.stop()


class Asker:
    """Asks one thing again and again; `seen` counts what came, by the step that is going on."""

    def __init__(self, url, asked, pause, *, timeout=20, never=None, **headers):
        """`never` is a text that no answer may hold: one that does is seen as "open"."""
        self.step, self.seen, self._over = "before", {}, threading.Event()
        arguments = (url, asked, pause, timeout, never, headers)
        self._thread = threading.Thread(target=self._run, args=arguments, daemon=True)
        self._thread.start()

    def _run(self, url, asked, pause, timeout, never, headers):
        with httpx.Client(headers=JSON_HEADERS | AGENT | headers, timeout=timeout, trust_env=False) as client:
            while not self._over.wait(pause):
                came = self.seen.setdefault(self.step, Counter())
                try:
                    answer = client.post(url, **asked)
                    is_open = never is not None and never in answer.text
                    good = answer.status_code == 200 and '"result"' in answer.text
                    came["open" if is_open else "ok" if good else answer.status_code] += 1
                except httpx.HTTPError as error:
                    came[type(error).__name__] += 1

    def total(self):
        return sum(came["ok"] for came in self.seen.values())

    def ended(self):
        return sum(came.total() for came in self.seen.values())

    def stop(self):
        self._over.set()
        self._thread.join(30)


class _Load:
    """What agents do while a node is rolled: `agents` of each kind ask again and again, `idle` streams are open."""

    def __init__(self, node, agents, pause, idle):
        kinds = {"calls": modern("good"), "lists": ask("tools/list")}
        self.idle = IdleStreams(node.url, idle, **AGENT)
        self.askers = {kind: [Asker(node.url, asked, pause) for _ in range(agents)] for kind, asked in kinds.items()}
        self.all = [one for several in self.askers.values() for one in several]

    def go_on(self, more):
        """Wait until every agent was answered so many times more, and every stream is open."""
        before = {one: one.total() for one in self.all}
        wait_for(
            lambda: all(one.total() >= before[one] + more for one in self.all) and self.idle.open == self.idle.count,
            self.told,
            seconds=120,
        )

    def told(self):
        return f"{self.idle.open} streams are open, {self.idle.came}; {[one.seen for one in self.all[:2]]}"

    def stop(self):
        self.idle.stop()
        for one in self.all:
            one.stop()


def roll(*replicas, agents, more, pause=0.02, idle=0):
    """Restart each part under load; a step ends when each agent was answered `more` times after it.

    `idle` streams are open all the while. Gives {step: {"calls" or "lists": Counter of "ok", statuses and exceptions}},
    and {step: bytes that are resident in the node's processes at its end}.
    """
    with contextlib.closing(TwoSidecars(*replicas, streams=idle + 3 * agents)) as node:
        node.start()
        load = _Load(node, agents, pause, idle)

        def restart(program, start):
            program.stop()
            start()
            wait_for(node.both_are_healthy, load.told, seconds=120)

        steps = {
            "before": lambda: None,
            "one of two sidecars": lambda: restart(node.sidecar, node.start_sidecar),
            "the other sidecar": lambda: restart(node.second, node.start_second),
            "the plugin server": lambda: restart(node.plugin_server, node.start_plugin_server),
            "Kong reloaded": lambda: node.kong("reload"),
        }
        resident = {}
        for step, do in steps.items():
            for one in load.all:
                one.step = step
            load.go_on(more)
            do()
            load.go_on(more)
            resident[step] = resident_of(node.processes())
        load.stop()
        seen = {
            step: {
                kind: sum((one.seen.get(step, Counter()) for one in several), Counter())
                for kind, several in load.askers.items()
            }
            for step in steps
        }
        return seen, resident
