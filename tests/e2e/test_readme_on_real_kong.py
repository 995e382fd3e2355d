"""The README's "On your own Kong", word for word: a wheel in an empty environment, a real Kong, an official client.

Only paths, ports and the name of the package on an index are others than written.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

from deck.support import ROOT, deck_binary
from e2e.harness import connect_to
from kong_mcp.dev import free_port
from servers.launch import replicas, wait_for
from servers.own_kong import fill_in
from servers.postgres import program, run_postgres

README = (ROOT / "README.md").read_text(encoding="utf-8")
pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not shutil.which("kong"), reason="there is no kong on the PATH"),
]


def block(kind, name):
    found = re.search(rf"<!-- {kind}: {re.escape(name)} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert found, f"the README has no block {kind}: {name}"
    return found[1]


class Machine:
    """A folder that stands for the machine's root, and the ports of its programs."""

    def __init__(self, folder, wheel):
        self.folder, self.wheel = folder, wheel
        self.proxy, self.admin, self.sidecar = free_port(), free_port(), free_port()
        self.conf = folder / "etc/kong/kong.conf"
        self.conf.parent.mkdir(parents=True, exist_ok=True)
        (folder / "tools").mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (folder / "tools/deck").symlink_to(deck_binary())
        self.replica = ""

    def map(self, text):
        """Return text with this machine's paths and ports in it."""
        files = f"--conf {self.conf} --guard-env /etc/kong-mcp/guard.env --sidecar-env /etc/kong-mcp/sidecar.env"
        text = text.replace("kong-mcp doctor", f"kong-mcp doctor {files}")
        for name in ("/opt/kong-mcp", "/etc/kong-mcp", "/etc/kong/", "/run/kong-mcp"):
            text = re.sub(rf"(?<![\w/]){name}", f"{self.folder}{name}", text)
        text = text.replace("'kong-mcp[sidecar]'", f"'{self.wheel}[sidecar]'")
        return text.replace("127.0.0.1:8790", f"127.0.0.1:{self.sidecar}").replace("10.0.0.7:8080", self.replica)

    @property
    def environment(self):
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("KONG_", "MCP_", "DECK_"))}
        return mine | {
            "PATH": f"{self.folder}/tools:{Path(sys.executable).parent}:{mine['PATH']}",
            "DECK_KONG_ADDR": f"http://127.0.0.1:{self.admin}",
            "DECK_ANALYTICS": "false",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def write_conf(self, values):
        """Write a kong.conf of somebody's, and what the README adds to it."""
        theirs = {
            "prefix": f"{self.folder}/usr/kong",
            "proxy_listen": f"127.0.0.1:{self.proxy}",
            "admin_listen": f"127.0.0.1:{self.admin}",
            "admin_gui_listen": "off",
            "nginx_worker_processes": "1",
            **({"nginx_user": "root root"} if os.geteuid() == 0 else {}),
            **values,
        }
        self.conf.write_text(fill_in(self.map(block("tested", "kong.conf")), theirs))

    def run(self, *names):
        """Run blocks of the README in one shell; return its processes' group and all that they printed, to be read."""
        script = "".join(re.sub(r"(?m)^\$ ", "", block("run", name)) for name in names)
        log = self.folder / f"{names[-1]}.log"
        with log.open("wb") as output:
            shell = subprocess.Popen(
                ["bash", "-euc", self.map(script) + 'echo "ada: ${DECK_ADA_KEY:-}"'],
                env=self.environment,
                stdout=output,
                stderr=output,
                cwd=self.folder / "opt/kong-mcp" if (self.folder / "opt/kong-mcp").is_dir() else self.folder,
                start_new_session=True,
            )
        if shell.wait(400):
            end(shell.pid)
            pytest.fail(log.read_text())
        return shell.pid, log


def end(group):
    """End what a shell left behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)


@pytest.fixture(scope="module")
def machine():
    with tempfile.TemporaryDirectory(prefix="readme-", dir="/tmp") as folder:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run([*command, "--wheel-dir", folder, ROOT], check=True)
        (wheel,) = Path(folder).glob("kong_mcp-*.whl")
        with replicas("weather") as (replica,):
            machine = Machine(Path(folder), wheel)
            machine.replica = f"127.0.0.1:{replica.port}"
            machine.run("install", "keys")
            with (machine.folder / "etc/kong-mcp/sidecar.env").open("a") as ports:
                ports.write(f"MCP_SIDECAR_KONG_URL=http://127.0.0.1:{machine.proxy}\n")
                ports.write(f"MCP_SIDECAR_LISTEN=127.0.0.1:{machine.sidecar}\n")
            yield machine


@contextlib.contextmanager
def followed(machine, values, last):
    """Follow the rest of the README; give the agent's key."""
    machine.write_conf(values)
    # Each follows the README from here on: what the one before declared is not there.
    (machine.folder / "opt/kong-mcp/deck/servers/weather.yaml").unlink(missing_ok=True)
    group, log = machine.run("beside", "declare", last)
    try:
        yield re.search(r"(?m)^ada: (\w+)$", log.read_text())[1]
    finally:
        end(group)
        pid = machine.folder / "usr/kong/pids/nginx.pid"
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGTERM)
            wait_for(lambda: not pid.exists(), lambda: "nginx has not ended")


def used(machine, key):
    """List and call as an official client does, as soon as the route is served."""

    async def use():
        url = f"http://127.0.0.1:{machine.proxy}/weather/mcp"
        async with connect_to(url, {"apikey": key}, "auto") as client:
            listed = await client.list_tools()
            called = await client.call_tool("good", {"text": "x"})
            return "good" in [tool.name for tool in listed.tools], called.content[0].text

    def tried():
        with contextlib.suppress(BaseException):
            return asyncio.run(use())
        return None

    log = machine.folder / "usr/kong/logs/error.log"
    return wait_for(tried, lambda: log.read_text()[-3000:])


@pytest.mark.requirement("DECK-023")
def test_it_is_followed_on_a_kong_without_a_database(machine):
    values = {"database": "off", "declarative_config": str(machine.folder / "etc/kong/kong.yaml")}
    with followed(machine, values, "render") as key:
        assert used(machine, key) == (True, "good: x")
        machine.run("doctor")


@pytest.mark.requirement("DECK-023")
@pytest.mark.skipif(not (program("postgres") and program("initdb")), reason="needs PostgreSQL")
def test_it_is_followed_on_a_kong_with_postgresql(machine):
    port = free_port()
    with run_postgres(port) as url:
        with psycopg.connect(url.format("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE kong")
        values = {
            "database": "postgres",
            "pg_host": "127.0.0.1",
            "pg_port": port,
            "pg_user": "store",
            "pg_database": "kong",
        }
        machine.write_conf(values)
        subprocess.run(
            ["kong", "migrations", "bootstrap", "-c", machine.conf],
            env=machine.environment,
            check=True,
            capture_output=True,
        )
        with followed(machine, values, "sync") as key:
            assert used(machine, key) == (True, "good: x")
            machine.run("doctor")
