"""kong-mcp dev --servers with local servers: a program on standard streams behind a whole gateway."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import httpx
import pytest
from mcp import Client

from e2e.harness import JSON_HEADERS
from e2e.test_dev_command import COMMAND

pytestmark = pytest.mark.long

PROGRAM = Path(__file__).parents[1] / "servers" / "stdio_server.py"


def server_file(folder, name, more):
    command = json.dumps([sys.executable, str(PROGRAM)])
    (folder / f"{name}.yaml").write_text(f"name: {name}\nreplicas:\n- command: {command}\n{more}\n")


async def used(url):
    """Return the tools that an official client is shown, and what calls of three tools bring it."""
    async with Client(url) as client:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        said = {}
        for tool in ("good", "environment", "exit"):
            try:
                said[tool] = (await client.call_tool(tool, {"text": "x"})).content[0].text
            except Exception as error:  # noqa: BLE001 - what it says is the matter
                said[tool] = str(error)
        return listed, said


async def call(url, tool):
    """Return what a call of one tool brings."""
    async with Client(url) as client:
        return (await client.call_tool(tool, {"text": "x"})).content[0].text


@pytest.mark.requirement("STDIO-013")
def test_policies_hold_for_local_servers_behind_the_gateway(kind, tmp_path):
    server_file(tmp_path, "own", "auth: []\ntools: {allow: [good, exit]}")
    server_file(tmp_path, "together", "  process: shared\nauth: []\ntools: {allow: [good, exit]}")
    (tmp_path / "desk.yaml").write_text("name: desk\nservers: [own, together]\nauth: []\n")
    command = [*COMMAND, "--servers", str(tmp_path), "--gateway", kind, "--port", "0"]
    environment = {**os.environ, "A_SECRET": "of the gateway"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as dev:
        try:
            urls = dict(dev.stdout.readline().strip().split(": ") for _ in range(3))
            as_one = anyio.run(call, urls.pop("desk"), "together_good")
            found = {name: anyio.run(used, url) for name, url in urls.items()}
            with httpx.Client(headers=JSON_HEADERS, trust_env=False, timeout=30) as client:
                assert client.post(urls["own"], content=b"{").status_code == 400
        finally:
            dev.send_signal(signal.SIGTERM)
            _, told = dev.communicate(timeout=60)
    assert dev.returncode == 0, told
    assert as_one.startswith("good: x")
    assert set(found) == {"own", "together"}
    for listed, said in found.values():
        assert listed == {"good"}
        assert said["good"].startswith("good: x")
        assert "nknown tool" in said["environment"]
        assert "ended with status 3" in said["exit"]


@pytest.mark.requirement("STDIO-028")
def test_a_program_is_found_where_whoever_starts_the_gateway_finds_it(tmp_path):
    tools, files = tmp_path / "tools", tmp_path / "files"
    tools.mkdir()
    files.mkdir()
    (tools / "my-notes").write_text(f"#!/bin/sh\nexec {sys.executable} {PROGRAM}\n")
    (tools / "my-notes").chmod(0o755)
    (files / "own.yaml").write_text("name: own\nreplicas: [{command: [my-notes]}]\nauth: []\ntools: {allow: [good]}\n")
    command = [*COMMAND, "--servers", str(files), "--gateway", "devkit", "--port", "0"]
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as dev:
        try:
            url = dev.stdout.readline().strip().removeprefix("own: ")
            assert anyio.run(call, url, "good").startswith("good: x")
        finally:
            dev.send_signal(signal.SIGTERM)
            dev.communicate(timeout=60)
