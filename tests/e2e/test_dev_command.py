"""kong-mcp dev: starts a whole gateway, prints its URLs, stops cleanly, and explains what it cannot use."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from e2e.harness import JSON_HEADERS, modern
from servers.launch import replicas

COMMAND = [str(Path(sys.executable).parent / "kong-mcp"), "dev"]


def refusal(*arguments):
    ended = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    return ended.stderr


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
                with httpx.Client(headers=JSON_HEADERS, trust_env=False) as client:
                    assert "good: x" in client.post(url, **modern("good")).text
                    assert "Unknown tool" in client.post(url, **modern("bad")).text
            finally:
                dev.send_signal(number)
                _, said = dev.communicate(timeout=30)
        assert dev.returncode == 0
        assert ("real Kong" in said) == (kind == "kong")
        folder = said.partition("logs: ")[2].partition(" ")[0]
        assert folder
        assert not Path(folder).exists()
        assert not [one for one in Path("/proc").iterdir() if one.name.isdigit() and _mentions(one, folder)]


def _mentions(process, folder):
    try:
        return folder.encode() in (process / "cmdline").read_bytes()
    except OSError:
        return False


def test_what_it_cannot_use_it_explains(tmp_path):
    assert "write NAME=URL" in refusal("--server", "notes")
    assert "may differ in host and port only" in refusal("--server", "a=http://x:1/mcp,http://y:1/other")
    bad = tmp_path / "policy.yaml"
    bad.write_text("tools: [good]\n")
    assert "write {allow: [...], deny: [...]}" in refusal("--server", "a=http://x:1/mcp", "--policy", str(bad))
    bad.write_text("tool: {allow: [good]}\n")
    assert "'tool' is not a field" in refusal("--server", "a=http://x:1/mcp", "--policy", str(bad))
    assert "No such file" in refusal("--server", "a=http://x:1/mcp", "--policy", str(tmp_path / "none.yaml"))


def test_a_kong_that_is_not_there_is_named(tmp_path):
    environment = {**os.environ, "PATH": str(tmp_path)}
    command = [*COMMAND, "--server", "a=http://x:1/mcp", "--gateway", "kong"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert ended.returncode == 1
    assert "no `kong` on the PATH" in ended.stderr
