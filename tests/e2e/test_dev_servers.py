"""kong-mcp dev --servers: a local gateway from server files, each with its own replicas, path and policy."""

import json
import signal
import subprocess

import httpx
import pytest

from e2e.harness import JSON_HEADERS, modern
from e2e.test_dev_command import COMMAND, refusal
from servers.launch import replicas

pytestmark = pytest.mark.long


def server_file(folder, name, url, more):
    (folder / f"{name}.yaml").write_text(f"name: {name}\nreplicas: [{json.dumps(url)}]\n{more}\n", encoding="utf-8")


def listing():
    """Return a stateless tools/list as the keyword arguments of a POST."""
    question = modern("x")
    question["json"]["method"] = question["headers"]["Mcp-Method"] = "tools/list"
    del question["headers"]["Mcp-Name"], question["json"]["params"]["name"], question["json"]["params"]["arguments"]
    return question


def allowed(client, url):
    """Return which of two tools may be called, and which are listed."""
    called = {tool for tool in ("good", "bad") if "Unknown tool" not in client.post(url, **modern(tool)).text}
    listed = client.post(url, **listing()).json()["result"]["tools"]
    return called, {tool["name"] for tool in listed} & {"good", "bad"}


@pytest.mark.requirement("FILE-011")
def test_each_server_has_the_path_and_the_policy_of_its_file(kind, tmp_path):
    with replicas("one-1", "two-1", "three-1") as (one, two, three):
        server_file(tmp_path, "one", one.url, "tools: {allow: [good]}\nplugins: [{name: cors}]")
        server_file(tmp_path, "two", two.url, "tools: {allow: [bad]}\npath: /team.a/tools")
        command = [*COMMAND, "--servers", str(tmp_path), "--server", f"three={three.url}"]
        command += ["--gateway", kind, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as dev:
            try:
                urls = dict(dev.stdout.readline().strip().split(": ") for _ in range(3))
                with httpx.Client(headers=JSON_HEADERS, trust_env=False, timeout=30) as client:
                    found = {name: allowed(client, url) for name, url in urls.items()}
            finally:
                dev.send_signal(signal.SIGTERM)
                _, said = dev.communicate(timeout=60)
    assert dev.returncode == 0
    assert urls["one"].endswith("/one/mcp")
    assert urls["two"].endswith("/team.a/tools")
    assert found == {"one": ({"good"},) * 2, "two": ({"bad"},) * 2, "three": ({"good", "bad"},) * 2}
    assert "one: a local gateway leaves out plugins" in said


@pytest.mark.requirement("FILE-011")
def test_what_it_cannot_use_it_explains(tmp_path):
    server_file(tmp_path, "one", "http://h:1/mcp", "tols: {}")
    said = refusal("--servers", str(tmp_path))
    assert "one.yaml:3: found the field 'tols', which is none; did you mean tools?" in said
    server_file(tmp_path, "one", "http://h:1/mcp", "path: /two/mcp")
    assert "the same name" in refusal("--servers", str(tmp_path), "--server", "one=http://h:1/mcp")
    assert "the same path" in refusal("--servers", str(tmp_path), "--server", "two=http://h:1/mcp")
    assert "name servers" in refusal()
