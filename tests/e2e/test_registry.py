"""The registry through the gateway: a client that is told its URL alone finds a server and calls it."""

from __future__ import annotations

import json
import signal
import subprocess
from urllib.parse import quote

import anyio
import httpx
import pytest

from e2e.harness import connect_to
from e2e.test_dev_command import COMMAND
from servers.launch import replicas

PINNED = "tools: {allow: [good]}\npins: {mode: enforce}\nversion: 1.4.2\ntitle: A title\n"


@pytest.fixture
def registry(kind, tmp_path):
    """The URL that `kong-mcp dev --servers` prints."""
    with replicas("one-1") as (one,):
        (tmp_path / "one.yaml").write_text(f"name: one\nreplicas: [{json.dumps(one.url)}]\n{PINNED}", encoding="utf-8")
        (tmp_path / "two.yaml").write_text(f"name: two\nreplicas: [{json.dumps(one.url)}]\n", encoding="utf-8")
        command = [*COMMAND, "--servers", str(tmp_path), "--gateway", kind, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as dev:
            try:
                urls = dict(dev.stdout.readline().strip().split(": ") for _ in range(3))
                yield urls["registry"]
            finally:
                dev.send_signal(signal.SIGTERM)
                dev.communicate(timeout=60)


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
