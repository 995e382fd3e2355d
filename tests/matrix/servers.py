"""The servers of the matrix: official ones and those that people run, with what a client does there.

A server that needs a browser or the network for more than its lists is asked for its lists alone.
"""

import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fastmcp4.tools import MISSING as MISSING_FASTMCP4
from fastmcp4.tools import fastmcp4
from kong_mcp.dev import free_port
from node.tools import MISSING as MISSING_NODE
from node.tools import program
from python1.tools import MISSING as MISSING_PYTHON1
from python1.tools import python1
from servers.launch import wait_for_port

HERE = Path(__file__).parent
PATIENCE = 90
"""Seconds that a server may take to start, beside all others."""
NOTEBOOK = (
    ("call", "add", {"a": 2, "b": 40}),
    ("call", "add", {"a": "two"}),
    ("call", "total", {"numbers": [1, 2.5, -3e2]}),
    ("call", "fail", {"why": "é \u2028 </script>"}),
    ("call", "picture", {}),
    ("call", "nix", {}),
    ("read", "note://today"),
    ("read", "note://monday/10/30"),
    ("read", "note://"),
    ("prompt", "greet", {"name": "Zoë"}),
    ("prompt", "greet", {}),
    ("prompt", "nix", {}),
)
ASKING = (*NOTEBOOK, ("call", "ask", {}))
"""Answers in JSON, and servers that keep no session, leave no way for what a server asks before it answers."""
EVERYTHING = (
    ("call", "echo", {"message": "é \u2028"}),
    ("call", "get-sum", {"a": 1, "b": 2}),
    ("call", "get-sum", {"a": "x"}),
    ("call", "get-structured-content", {"location": "New York"}),
    ("call", "get-annotated-message", {"messageType": "error", "includeImage": True}),
    ("call", "get-tiny-image", {}),
    ("call", "trigger-long-running-operation", {"duration": 0.1, "steps": 2}),
    ("call", "nix", {}),
    ("read", "demo://resource/static/document/features.md"),
    ("read", "demo://nix"),
    ("prompt", "simple-prompt", {}),
    ("prompt", "args-prompt", {"city": "Ulm"}),
    ("prompt", "nix", {}),
    ("complete", {"type": "ref/prompt", "name": "completable-prompt"}, {"name": "department", "value": "E"}),
)
MOUNTED = (
    ("call", "state", {}),
    ("read", "part://wheel"),
    ("prompt", "explain", {"what": "this"}),
)


def notebook(python, *arguments):
    return [str(python), str(HERE / "fastmcp_server.py"), *arguments]


def everything(how):
    return [*program("@modelcontextprotocol/server-everything"), how]


def supergateway(port, *options):
    return [*program("supergateway"), "--stdio", shlex.join(everything("stdio")), "--port", port, *options]


def proxied(port, *options):
    """mcp-proxy before a server of fastmcp: both are of the Python that has the official SDK's 1.x line."""
    return [str(python1().with_name("mcp-proxy")), "--port", port, *options, "--", *notebook(python1(), "stdio")]


def playwright(port):
    return [*program("@playwright/mcp"), "--headless", "--allowed-hosts", "*", "--port", port]


def mounted(python, port):
    return [str(python), str(HERE / "mounted_server.py"), port]


@dataclass(frozen=True)
class Kind:
    """One kind of server: how it is started on a port, its endpoint, and what a client does there.

    `old` ones speak the transport of 2024-11-05, `short` ones are in the short form of the matrix.
    """

    command: Callable
    path: str = "/mcp"
    steps: tuple = ()
    old: bool = False
    short: bool = False


SERVERS = {
    "everything": Kind(lambda _: everything("streamableHttp"), steps=EVERYTHING, short=True),
    "everything-sse": Kind(lambda _: everything("sse"), "/sse", EVERYTHING, old=True, short=True),
    "fastmcp3": Kind(lambda port: notebook(python1(), port, "http"), steps=ASKING),
    "fastmcp3-stateless": Kind(lambda port: notebook(python1(), port, "stateless"), steps=NOTEBOOK),
    "fastmcp3-json": Kind(lambda port: notebook(python1(), port, "json"), "/v1/mcp/", NOTEBOOK, short=True),
    "fastmcp3-sse": Kind(lambda port: notebook(python1(), port, "sse"), "/sse", ASKING, old=True),
    "fastmcp4": Kind(lambda port: notebook(fastmcp4(), port, "http"), steps=ASKING, short=True),
    "fastmcp4-stateless": Kind(lambda port: notebook(fastmcp4(), port, "stateless"), steps=NOTEBOOK),
    "fastmcp4-json": Kind(lambda port: notebook(fastmcp4(), port, "json"), "/v1/mcp/", NOTEBOOK),
    "fastmcp4-sse": Kind(lambda port: notebook(fastmcp4(), port, "sse"), "/sse", ASKING, old=True),
    "supergateway-sse": Kind(supergateway, "/sse", EVERYTHING, old=True),
    "supergateway": Kind(lambda port: supergateway(port, "--outputTransport", "streamableHttp"), steps=EVERYTHING),
    "supergateway-stateful": Kind(
        lambda port: supergateway(port, "--outputTransport", "streamableHttp", "--stateful"), steps=EVERYTHING
    ),
    "mcp-proxy": Kind(proxied, steps=NOTEBOOK),
    "mcp-proxy-stateless": Kind(lambda port: proxied(port, "--stateless"), "/mcp/", NOTEBOOK),
    "mcp-proxy-sse": Kind(proxied, "/sse", NOTEBOOK, old=True),
    "mounted1": Kind(lambda port: mounted(python1(), port), "/api/mcp/", MOUNTED),
    "mounted2": Kind(lambda port: mounted(sys.executable, port), "/api/mcp/", MOUNTED, short=True),
    "context7": Kind(lambda port: [*program("@upstash/context7-mcp"), "--transport", "http", "--port", port]),
    "playwright": Kind(playwright),
    "playwright-sse": Kind(playwright, "/sse", old=True),
}


def missing():
    """Return what is not installed of what the servers are made of, or None."""
    wanted = {
        MISSING_PYTHON1: python1(),
        MISSING_FASTMCP4: fastmcp4(),
        MISSING_NODE: program("supergateway"),
    }
    return next((text for text, there in wanted.items() if there is None), None)


@contextlib.contextmanager
def run(names):
    """Run servers of these names side by side; gives the URL of each, by its name."""
    folder = Path(tempfile.mkdtemp(prefix="mcp-matrix-"))
    with contextlib.ExitStack() as stack:
        ports, processes = {}, {}
        for name in names:
            ports[name] = free_port()
            environment = {**os.environ, "PORT": str(ports[name]), "CONTEXT7_TELEMETRY_DISABLED": "1"}
            with (folder / f"{name}.log").open("wb") as log:
                command = SERVERS[name].command(str(ports[name]))
                processes[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
            stack.callback(end, processes[name])
        for name, process in processes.items():
            try:
                wait_for_port(ports[name], process, PATIENCE)
            except RuntimeError as error:
                said = (folder / f"{name}.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{name}: {error}: {said}") from None
        yield {name: f"http://127.0.0.1:{ports[name]}{SERVERS[name].path}" for name in names}


def end(process):
    """End a server, by the signal that lets it end what it started itself."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
