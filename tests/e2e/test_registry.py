"""The registry through the gateway: a client that is told its URL alone finds a server and calls it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import anyio
import httpx
import pytest

from e2e.harness import connect_to
from e2e.test_dev_command import COMMAND
from node import tools
from servers.launch import replicas

GALLERY = Path(__file__).parents[1] / "node" / "gallery.mjs"
A_PAGE = 50
"""Servers of one page, as VS Code asks for them."""
PINNED = "tools: {allow: [good]}\npins: {mode: enforce}\nversion: 1.4.2\ntitle: A title\n"


@contextlib.contextmanager
def registry_of(kind, folder, files):
    """Run `kong-mcp dev --servers` with files of servers, by name. Gives the registry's URL that it prints."""
    with replicas("one-1") as (one,):
        for name, more in files.items():
            text = f"name: {name}\nreplicas: [{json.dumps(one.url)}]\n{more}"
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        command = [*COMMAND, "--servers", str(folder), "--gateway", kind, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as dev:
            try:
                urls = dict(dev.stdout.readline().strip().split(": ") for _ in range(len(files) + 1))
                yield urls["registry"]
            finally:
                dev.send_signal(signal.SIGTERM)
                dev.communicate(timeout=60)


@pytest.fixture
def registry(kind, tmp_path):
    with registry_of(kind, tmp_path, {"one": PINNED, "two": ""}) as url:
        yield url


async def first_call(remote):
    """Connect to what a registry tells of a server, list its tools and call one."""
    async with connect_to(remote["url"], {}, "auto") as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        return tools, (await client.call_tool("good", {"text": "x"})).is_error


@pytest.mark.slow
@pytest.mark.requirement("REG-010")
def test_a_client_finds_a_server_by_the_registry_alone_and_calls_it(registry):
    with httpx.Client(trust_env=False, timeout=60) as client:
        listed = client.get(registry, headers={"Origin": "vscode-file://vscode-app"})
        assert listed.headers["access-control-allow-origin"] == "*"
        (found,) = listed.json()["servers"]
        name = quote(found["server"]["name"], safe="")
        for url in (f"{registry}/{name}/versions/latest", f"{registry}/{name}/versions/1.4.2"):
            latest = client.get(url)
            assert (latest.status_code, latest.json()["server"]) == (200, found["server"])
        assert (
            client.get(
                f"{registry}/{name}/versions/latest", headers={"If-None-Match": latest.headers["etag"]}
            ).status_code
            == 304
        )
        asked = client.options(registry, headers={"Origin": "https://x", "Access-Control-Request-Method": "GET"})
        assert (asked.status_code, asked.headers["access-control-allow-methods"]) == (204, "GET, OPTIONS")
        # The route leads to these documents alone.
        gateway = registry.removesuffix("/registry/v0.1/servers")
        for path in (
            "/registry/../metrics",
            "/registry/v0.1/servers/../../../metrics",
            "/registry/v0.1/servers/%2e%2e/%2e%2e/review/v1/items",
            "/registry/metrics",
            "/metrics",
            "/livez",
            "/review/v1/items",
        ):
            answer = client.get(gateway + path)
            assert answer.status_code == 404, path
        assert client.post(registry, json={}).status_code in (404, 405)
    (remote,) = found["server"]["remotes"]
    assert anyio.run(first_call, remote) == (["good"], False)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.requirement("REG-010")
@pytest.mark.skipif(
    tools.node() is None or tools.package("@codingame/monaco-vscode-mcp-service-override") is None, reason=tools.MISSING
)
def test_vs_codes_own_code_lists_finds_and_connects(kind, tmp_path):
    """By pages, by a search and by a name; what it would write into mcp.json leads through the gateway."""
    files = {f"server-{number}": PINNED.replace("A title", f"Number {number}") for number in range(A_PAGE + 2)}
    with registry_of(kind, tmp_path, files) as registry:
        settings = {
            "modules": str(tools.MODULES),
            "registry": registry.removesuffix("/v0.1/servers"),
            "search": "number 7",
            "tool": "good",
            "arguments": {"text": "x"},
        }
        command = [str(tools.node()), str(GALLERY), json.dumps(settings)]
        seen = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    gateway = registry.removesuffix("/registry/v0.1/servers")
    assert sorted(seen["listed"]) == sorted(f"127.0.0.1/{name}" for name in files)
    assert (seen["found"], seen["latest"]) == ("Number 7", "1.4.2")
    assert seen["config"] == {"type": "http", "url": f"{gateway}/server-7/mcp"}
    assert (seen["tools"], seen["text"], seen["faults"]) == (["good"], "good: x", [])
