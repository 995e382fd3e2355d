"""kong-mcp dev: starts a whole gateway, prints its URLs, stops cleanly, and explains what it cannot use."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from e2e.harness import JSON_HEADERS, modern
from kong_mcp.dev import unreachable
from kong_mcp.servers import parse_server
from servers.hostile_server import HostileServer, head
from servers.launch import replicas

COMMAND = [str(Path(sys.executable).parent / "kong-mcp"), "dev"]


def refusal(*arguments):
    ended = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    return ended.stderr


@pytest.mark.requirement("E2E-017")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_the_urls_serves_them_and_leaves_nothing_behind(kind, tmp_path, number):
    policy = tmp_path / "policy.yaml"
    policy.write_text('tools: {allow: [good, "read_*"]}\n')
    with replicas("notes-1") as (replica,):
        command = [*COMMAND, "--server", f"notes={replica.url}", "--policy", str(policy)]
        command += ["--gateway", kind, "--port", "0"]
        environment = {**os.environ, "TMPDIR": "/tmp"}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        ) as dev:
            url = dev.stdout.readline().strip().removeprefix("notes: ")
            try:
                with httpx.Client(headers=JSON_HEADERS, trust_env=False, timeout=30) as client:
                    assert "good: x" in client.post(url, **modern("good")).text
                    assert "Unknown tool" in client.post(url, **modern("bad")).text
            finally:
                dev.send_signal(number)
                _, said = dev.communicate(timeout=60)
        assert dev.returncode == 0
        assert ("real Kong" in said) == (kind == "kong")
        folder = said.partition("logs: ")[2].partition(" ")[0]
        assert folder
        assert not Path(folder).exists()
        assert not _left(folder)


def test_it_cleans_up_even_when_it_is_killed(kind):
    with replicas("notes-1") as (replica,):
        command = [*COMMAND, "--server", f"notes={replica.url}", "--gateway", kind, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as dev:
            dev.stdout.readline()
            said = ""
            while "logs: " not in said:
                said = dev.stderr.readline()
            folder = Path(said.partition("logs: ")[2].partition(" ")[0])
            assert folder.is_dir()
            dev.kill()
        until = time.monotonic() + 30
        while folder.exists() or _left(folder):
            assert time.monotonic() < until, _left(folder)
            time.sleep(0.1)


def _left(folder):
    return [path.name for path in Path("/proc").iterdir() if path.name.isdigit() and _mentions(path, str(folder))]


def test_a_port_in_use_and_a_server_that_is_not_there_are_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port} is in use" in refusal("--server", "a=http://127.0.0.1:1/mcp", "--port", port)
    assert unreachable([parse_server("a=http://127.0.0.1:1/mcp")]) == ["a: nothing answers at 127.0.0.1:1 yet"]


def _mentions(process, folder):
    try:
        return folder.encode() in (process / "cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.requirement("E2E-017")
def test_what_it_cannot_use_it_explains(tmp_path):
    assert "write NAME=URL" in refusal("--server", "notes")
    assert "may differ in host and port only" in refusal("--server", "a=http://x:1/mcp,http://y:1/other")
    bad = tmp_path / "policy.yaml"
    bad.write_text("tools: [good]\n")
    assert "write {allow: [...], deny: [...]}" in refusal("--server", "a=http://x:1/mcp", "--policy", str(bad))
    bad.write_text("tool: {allow: [good]}\n")
    assert "'tool' is not a field" in refusal("--server", "a=http://x:1/mcp", "--policy", str(bad))
    assert "No such file" in refusal("--server", "a=http://x:1/mcp", "--policy", str(tmp_path / "none.yaml"))


@pytest.mark.requirement("STORE-024")
def test_a_store_that_cannot_be_used_is_refused_before_anything_starts(tmp_path):
    server = ("--server", "a=http://x:1/mcp", "--gateway", "devkit", "--port", "0", "--store")
    said = refusal(*server, str(tmp_path / "none" / "store.db"))
    assert f"make the folder {tmp_path}/none" in said
    assert "starting" not in said
    assert "write the path of a file, or postgresql://" in refusal(*server, "mysql://db/pins")


def test_a_kong_that_is_not_there_is_named(tmp_path):
    environment = {**os.environ, "PATH": str(tmp_path)}
    command = [*COMMAND, "--server", "a=http://x:1/mcp", "--gateway", "kong"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert ended.returncode == 1
    assert "no `kong` on the PATH" in ended.stderr


@pytest.mark.requirement("HEAD-005")
def test_it_prints_why_a_server_is_of_no_use(kind):
    sent = head("text/html").replace(b"200 OK", b"403 No") + b"<b>no such origin</b>"
    with contextlib.closing(HostileServer(lambda _message, write: write(sent))) as server:
        url = f"http://127.0.0.1:{server.port}/mcp"
        command = [*COMMAND, "--server", f"notes={url}", "--gateway", kind, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as dev:
            try:
                url = dev.stdout.readline().strip().removeprefix("notes: ")
                with httpx.Client(headers=JSON_HEADERS, trust_env=False, timeout=30) as client:
                    listed = {"jsonrpc": "2.0", "id": 7, "method": "tools/list"}
                    answer = client.post(url, json=listed, headers={"MCP-Protocol-Version": "2025-06-18"})
                assert (answer.status_code, "HTTP 403" in answer.text, "origin" in answer.text) == (403, True, False)
                said = ""
                while "server refused" not in said:
                    said = dev.stderr.readline()
                    assert said, "the command ended and never said why"
                assert said.startswith("notes: server refused; tools/list; forbidden: 403; it said: no such origin")
            finally:
                dev.send_signal(signal.SIGTERM)
                dev.communicate(timeout=60)
