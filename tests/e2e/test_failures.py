"""Nothing fails open: whatever breaks, a call that the policy forbids reaches no server."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest
import yaml

from e2e.harness import CONSUMERS, JSON_HEADERS, POLICY, call, modern, start
from kong_mcp.dev import free_port
from kong_mcp.gateway import GatewaySettings, start_gateway
from kong_mcp.servers import parse_server
from kong_mcp.share import deck_folder
from kong_mcp.state import write_state
from servers.launch import replicas

pytestmark = [pytest.mark.long, pytest.mark.slow]
KEYS = "a2V5LWtleS1rZXkta2V5LWtleS1rZXkta2V5LWtleS0="


def plugin_servers(folder):
    """Return the process ids of a gateway's plugin server, supervisor and workers."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
            if b"mcp-pluginserver" in command and str(folder).encode() in command:
                found.append(int(process.name))
    return found


def send(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Load:
    """Agents that go on calling, allowed and forbidden tools in turn, and keep every answer's status."""

    def __init__(self, running, agents=4):
        self.running = running
        self.good, self.forbidden = [], []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(agents)]

    def _run(self):
        with self.running.client("bob") as client:
            while not self._stop.is_set():
                for name, kept in (("good", self.good), ("bad", self.forbidden)):
                    try:
                        answer = client.post(self.running.url(), **modern(name), timeout=5)
                        kept.append((answer.status_code, answer.text))
                    except httpx.HTTPError as error:
                        kept.append((0, type(error).__name__))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, condition, seconds=40):
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, (self.good[-5:], self.forbidden[-5:])
            time.sleep(0.05)

    def wait_for_good(self, more=10):
        """Wait until allowed calls are answered (again)."""
        before = len(self.good)
        self.wait_for(lambda: sum("good: x" in text for _, text in self.good[before:]) >= more)

    def wait_for_silence(self, agents):
        """Wait until some agents more were not answered, or answered that the gateway failed."""

        def failed():
            return sum(status in (0, 500, 503) for status, _ in [*self.good, *self.forbidden])

        before = failed()
        self.wait_for(lambda: failed() >= before + agents)

    def check(self):
        """Every forbidden call was refused, and none was executed."""
        assert self.forbidden
        for status, text in self.forbidden:
            assert "Unknown tool: bad" in text or status in (0, 500, 502, 503, 504), (status, text)
        assert ["tool", "bad"] not in self.running.executed()


@pytest.fixture
def own(kind):
    with start(kind, {"notes": 1}) as running:
        yield running


@pytest.mark.requirement("E2E-010")
def test_a_killed_plugin_server_opens_nothing_and_comes_back(own):
    with Load(own) as load:
        load.wait_for_good()
        for _ in range(2):
            send(plugin_servers(own.dev.folder), signal.SIGKILL)
            load.wait_for_good()
    load.check()


@pytest.mark.requirement("E2E-010")
def test_a_crash_looping_plugin_server_opens_nothing(own):
    with Load(own) as load:
        load.wait_for_good()
        until = time.monotonic() + 6
        refused = len(load.forbidden)
        while time.monotonic() < until:
            send(plugin_servers(own.dev.folder), signal.SIGKILL)
            time.sleep(0.02)  # the pace of the crashes, not a wait for anything
        assert len(load.forbidden) > refused
        load.wait_for_good()
    load.check()


@pytest.mark.requirement("E2E-010")
def test_a_frozen_plugin_server_opens_nothing(own):
    with Load(own) as load:
        load.wait_for_good()
        frozen = plugin_servers(own.dev.folder)
        assert frozen
        send(frozen, signal.SIGSTOP)
        try:
            load.wait_for_silence(2)
            reached = len(own.servers["notes"][0].requests())
            load.wait_for_silence(2)
            assert len(own.servers["notes"][0].requests()) == reached
        finally:
            send(frozen, signal.SIGCONT)
        load.wait_for_good()
    load.check()


@pytest.mark.requirement("E2E-012")
def test_without_the_sidecar_lists_are_refused_and_calls_go_on_where_mcp_answers_is_there(own):
    own.dev.sidecar.stop()
    reached = len(own.servers["notes"][0].requests())
    with own.client("bob") as client:
        listed = client.post(own.url(), json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        assert listed.status_code in (502, 503)
        assert "good" not in listed.text
        assert len(own.servers["notes"][0].requests()) == reached
        called = client.post(own.url(), **modern("good"))
        if own.dev.settings.runs_answers:
            assert "good: x" in called.text
        else:
            assert called.status_code in (502, 503)
            assert len(own.servers["notes"][0].requests()) == reached
        assert "Unknown tool: bad" in client.post(own.url(), **modern("bad")).text
    assert ["tool", "bad"] not in own.executed()


def disable(plugins):
    for plugin in plugins:
        plugin["enabled"] = False


def remove(plugins):
    plugins.clear()


@pytest.mark.requirement("E2E-011")
@pytest.mark.parametrize("break_guard", [disable, remove])
def test_without_the_guard_nothing_reaches_a_server(kind, tmp_path, break_guard):
    with replicas("notes-1") as (replica,):
        server = parse_server(f"notes={replica.url}")
        secrets = {"DECK_MCP_SIDECAR_TARGET": "127.0.0.1:1"}
        state = write_state(tmp_path, deck_folder(), [server], POLICY, CONSUMERS, secrets)
        document = yaml.safe_load(state.read_text())
        guarded = [
            route["plugins"]
            for service in document["services"]
            for route in service["routes"]
            if [plugin["name"] for plugin in route.get("plugins", ())] == ["mcp-guard"]
        ]
        assert guarded
        for plugins in guarded:
            break_guard(plugins)
        state.write_text(yaml.safe_dump(document))
        port = free_port()
        child = start_gateway(kind, GatewaySettings(tmp_path, state, port), {**os.environ, "KONG_MCP_KEYS": KEYS})
        try:
            with httpx.Client(
                headers=JSON_HEADERS | {"apikey": CONSUMERS[0].key}, trust_env=False, timeout=30
            ) as client:
                url = f"http://127.0.0.1:{port}/notes/mcp"
                child.wait_until(lambda: _responds(client, url), 30)
                for request in (modern("good"), modern("bad"), {"json": call("bad")}, {"content": "?"}):
                    assert client.post(url, **request).status_code == 503
                assert client.get(url).status_code == 503
        finally:
            child.stop()
        assert replica.requests() == []


def _responds(client, url):
    try:
        return client.get(url).status_code > 0
    except httpx.HTTPError:
        return False
