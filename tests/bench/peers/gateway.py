"""What is compared: a gateway with the instant server behind it, how an agent reaches it, and what its work costs."""

import contextlib
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.load import FIRST
from bench.measure import descendants, processors_of
from bench.stand import ask, load
from kong_mcp.dev import free_port
from servers.launch import wait_for_port

ROOT = Path(__file__).parents[3]
PEERS = ROOT / "build" / "peers"
MODERN, LEGACY = "2026-07-28", "2025-11-25"
TEXT = "x" * 600
"""The argument of every call, as in the other benchmarks."""
QUIET = {"PYTHONWARNINGS": "ignore", "OTEL_SDK_DISABLED": "true", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Door:
    """Where an agent reaches a gateway that runs: on a loopback port, a path, with a header that says who it is."""

    port: int
    path: str
    credential: str
    pids: tuple[int, ...]
    """All that works for a call, with what they start."""
    tool: str = "good"
    """The allowed tool, by the name that the gateway gives it."""
    behind: str = ""
    """What stands in the command line of the server behind it, where the gateway starts that itself."""

    def used(self):
        """Return the seconds of the processor that the gateway has used so far, without the server behind it."""
        found = (
            {descendant for pid in self.pids for descendant in descendants(pid, self.behind)} if self.behind else set()
        )
        return processors_of(*self.pids) - processors_of(*found - set(self.pids))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{self.path}"


@dataclass(frozen=True)
class Gateway:
    """One that can take part. `start` is called with an exit stack, a folder and the instant server's URL."""

    name: str
    family: str
    """`ours`, `kong`, `rust`, `python` or `node`: what its bars are."""
    version: Callable[[], str | None]
    """Returns its version, or None where it is not installed."""
    start: Callable[..., Door]
    eras: tuple[str, ...]
    security: str
    """What of it is on, in words for a table."""
    keyed: bool = True
    ruled: bool = True
    alike: bool = True
    """Whether it has the same server behind it in the same way; bars are about those."""
    missing: str = "make peers"
    """How to get it."""


def launch(stack, command, log, environment, port, seconds=90):
    """Start a gateway, wait for its port, and return its process id. What it says goes to a file."""
    with log.open("ab") as said:
        process = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **QUIET, **environment},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=log.parent,
        )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    try:
        wait_for_port(port, process, seconds)
    except RuntimeError as error:
        raise RuntimeError(f"{error}: {log.read_text(errors='replace')[-2000:]}") from None
    return process.pid


def loopback():
    """Return a free port."""
    return free_port()


def headers_of(door, *, credential=None):
    """Return the headers of a legacy request."""
    said = door.credential if credential is None else credential
    name, _, value = said.partition(": ")
    own = {name: value} if name else {}
    return {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **own}


def legacy_call(door, headers, tool=None):
    """Return the bytes of a tools/call within a session, as text."""
    params = {"name": tool or door.tool, "arguments": {"text": TEXT}}
    body = json.dumps({"jsonrpc": "2.0", "id": FIRST, "method": "tools/call", "params": params})
    lines = [f"{name}: {value}" for name, value in {"Host": f"127.0.0.1:{door.port}", **headers}.items()]
    return "\r\n".join([f"POST {door.path} HTTP/1.1", *lines, f"Content-Length: {len(body)}", "", body])


def modern_call(door, tool=None, credential=None):
    """Return the bytes of a stateless tools/call, as text."""
    said = door.credential if credential is None else credential
    return ask(door.path, "tools/call", said, FIRST, name=tool or door.tool, arguments={"text": TEXT})


@contextlib.contextmanager
def open_session(client, door, headers):
    """Open a legacy session, and end it. Yields the headers of what is said in it."""
    about = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
    opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about}
    answer = client.post(door.url, json=opening, headers=headers)
    if answer.status_code != 200:
        raise RuntimeError(f"{door.url} opened no session: {answer.status_code} {answer.text[:300]}")
    within = {**headers, "MCP-Protocol-Version": LEGACY}
    if session := answer.headers.get("mcp-session-id"):
        within["Mcp-Session-Id"] = session
    client.post(door.url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=within)
    yield within
    if session:
        with contextlib.suppress(httpx.HTTPError):
            client.delete(door.url, headers=within)


@contextlib.contextmanager
def requests_of(door, era, connections):
    """Yield what the connections send: one stateless call, or one a session, of which each connection has its own."""
    if era == MODERN:
        yield [modern_call(door)]
        return
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(httpx.Client(trust_env=False, timeout=60))
        opened = [stack.enter_context(open_session(client, door, headers_of(door))) for _ in range(connections)]
        yield [legacy_call(door, headers) for headers in opened]


@dataclass(frozen=True)
class Taken:
    """One round: answers a second, answers for a second of the processor, and the median latency in ms."""

    rate: float
    core: float
    median: float


def one_round(door, era, connections, seconds, name):
    """Load a gateway, hold every answer to its question, and return what it took."""
    with requests_of(door, era, connections) as requests:
        before = door.used()
        job = {"host": "127.0.0.1", "port": door.port, "requests": requests, "connections": connections}
        found = load({**job, "seconds": seconds, "says": "ok"}, name)
        spent = max(door.used() - before, 0.001)
    return Taken(found["rate"], found["calls"] / spent, found["median_ms"])
