"""kong-mcp dev --login: a real provider and a gateway that takes its tokens, in one command."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mcp import MCPError

from demo.login import Person, connected
from kong_mcp.login import start
from kong_mcp.servers import DevServer
from node import tools
from servers.launch import Replica

pytestmark = pytest.mark.long

DEMO = Path(__file__).parents[1] / "demo" / "demo_server.py"
COMMAND = [str(Path(sys.executable).parent / "kong-mcp"), "dev"]
here = pytest.mark.skipif(tools.node() is None or tools.package("oidc-provider") is None, reason=tools.MISSING)


@contextlib.contextmanager
def gateway(kind, *servers):
    """Run the command with the demo's servers of these names. Gives their URLs, and what it said when it has ended."""
    with contextlib.ExitStack() as stack:
        command = [*COMMAND, "--gateway", kind, "--port", "0", "--login"]
        for name in servers:
            replica = Replica(name, script=DEMO)
            stack.callback(replica.kill)
            command += ["--server", f"{name}={replica.url}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as dev:
            said = []
            try:
                yield [dev.stdout.readline().strip().partition(": ")[2] for _ in servers], said
            finally:
                dev.send_signal(signal.SIGTERM)
                said.append(dev.communicate(timeout=60)[1])
        assert dev.returncode == 0, said


@here
@pytest.mark.requirement("LOGIN-006")
def test_a_newcomer_logs_in_on_the_providers_own_pages_and_steps_up(kind):
    person = Person("ann")

    async def work(url):
        async with connected(url, person) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            texts = []
            for name, arguments in (("list_people", {}), ("delete_person", {"name": "ada"})):
                texts.append((await client.call_tool(name, arguments)).content[0].text)
            return names, texts

    with gateway(kind, "people") as ((url,), said):
        names, (listed, deleted) = asyncio.run(work(url))
    assert names == ["list_people", "delete_person"]
    assert "ada" in listed
    assert "ada" in deleted
    assert person.pages[:2] == ["login", "consent"]
    assert set(person.pages[2:]) <= {"consent"}
    assert [asked["scope"][0].split()[0] for asked in person.asked] == ["mcp", "mcp"]
    assert ["mcp:write" in asked["scope"][0] for asked in person.asked] == [False, True]
    assert "login: http://127.0.0.1:" in said[0]


@here
@pytest.mark.requirement("LOGIN-006")
def test_who_says_no_gets_nowhere(kind):
    person = Person("ann", consents=False)

    async def work(url):
        async with connected(url, person) as client:
            await client.list_tools()

    with gateway(kind, "people") as ((url,), _):
        with pytest.raises((Exception, ExceptionGroup)) as raised:
            asyncio.run(work(url))
        assert not isinstance(raised.value, MCPError)
    assert person.denied


@pytest.mark.requirement("LOGIN-006")
def test_where_node_or_the_provider_is_missing_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv(start.MODULES_VARIABLE, str(tmp_path))
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [*COMMAND, "--gateway", "devkit", "--port", "0", "--login", "--server", "a=http://127.0.0.1:9/mcp"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert ended.returncode == 1
    assert "make node" in ended.stderr
    assert "npm install oidc-provider" in ended.stderr
    assert not list(tmp_path.iterdir())
    (tmp_path / "oidc-provider").mkdir()
    (tmp_path / "oidc-provider" / "package.json").write_text("{}")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(start.NoProviderError, match="no node on the PATH"):
        start.node(start.modules())
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v18.20.1\n")
    old.chmod(0o755)
    with pytest.raises(start.NoProviderError, match=r"needs Node 22\.19 or later, and .* is 18\.20\.1"):
        start.node(start.modules())


@pytest.mark.requirement("LOGIN-006")
def test_keys_and_logins_exclude_each_other():
    command = [*COMMAND, "--login", "--consumer", "ada=key", "--server", "a=http://127.0.0.1:9/mcp"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, "--login or --consumer" in ended.stderr) == (2, True)


@pytest.mark.requirement("LOGIN-006")
def test_a_server_that_knows_its_issuers_keeps_them():
    server = DevServer("a", "http", "/mcp", ("127.0.0.1:9",))
    own = {"tools": {}, "auth": {"issuers": [{"issuer": "https://idp.example"}]}}
    assert start.guarded(own, server, "http://127.0.0.1:1", 8000) is own
    made = start.guarded({"tools": {}}, server, "http://127.0.0.1:1", 8000)["auth"]
    assert (made["resource"], made["denial"]) == ("http://127.0.0.1:8000/a/mcp", "challenge")
