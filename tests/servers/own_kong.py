"""A Kong as a team runs its own: kong/kong.conf, plugin server and sidecar beside it, with or without a database."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from kong_devkit.render import render
from kong_devkit.render_text import write_yaml
from kong_mcp.dev import free_port
from servers.launch import wait_for, whole_lines
from servers.passing import listening, passed

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PLUGINS = ROOT / "plugins"


def fill_in(conf: str, values: dict[str, str]) -> str:
    """Return a kong.conf with other values: those that it has, in their place, and the rest at its end."""
    for name, value in values.items():
        line = f"{name} = {value}"
        conf, found = re.subn(rf"(?m)^{re.escape(name)} = .*$", lambda _: line, conf)  # noqa: B023 - used at once
        conf += "" if found else f"{line}\n"
    return conf


def other_plugins(folder, **changes):
    """Return a folder with a guard that Kong must be told other things of."""
    folder.mkdir()
    source = (PLUGINS / "mcp-guard.py").read_text()
    for name, value in changes.items():
        source = re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", source)
    (folder / "mcp-guard.py").write_text(source)
    return folder


class Program:
    """A process with a log of its own."""

    def __init__(self, command, log: Path, environment=None, **more) -> None:
        self.command, self.log, self.environment, self.more = command, log, environment, more
        self.process = None

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(one) for one in self.command], stdout=log, stderr=log, env=self.environment, **self.more
            )
        return self

    def events(self) -> list[dict]:
        """Return what it wrote down, one JSON document a line."""
        lines = whole_lines(self.log, errors="replace") if self.log.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{")]

    def count(self, event: str) -> int:
        return sum(one["event"] == event for one in self.events())

    def wait_for(self, probe):
        def holds():
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            return probe()

        return wait_for(holds, lambda: self.log.read_text()[-4000:])

    def stop(self, number=signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
        if self.process is not None:
            self.process.wait(30)


class OwnKong:
    """One node. `database` is the port of a PostgreSQL with the database kong; without, it takes `load`ed decK files.

    With `passing` somebody else keeps the plugin server's socket, as systemd does. `conf` is more of kong.conf.
    """

    def __init__(self, database: int | None = None, *, passing: bool = False, **conf: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="own-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.prefix = self.folder / "p"
        self.socket = self.folder / "mcp.sock"
        self.dump = self.folder / "mcp-guard.json"
        self.port, self.admin, self.status, self.sidecar_port = (free_port() for _ in range(4))
        self.keys = base64.b64encode(secrets.token_bytes(32)).decode()
        self.state = self.folder / "kong.yaml"
        stored = {"database": "off", "declarative_config": str(self.state)}
        if database:
            stored = {"database": "postgres", "pg_host": "127.0.0.1", "pg_port": str(database), "pg_user": "store"}
            stored |= {"pg_database": "kong", "declarative_config": ""}
        self.values = {
            "prefix": str(self.prefix),
            **stored,
            "proxy_listen": f"127.0.0.1:{self.port}",
            "admin_listen": f"127.0.0.1:{self.admin}",
            "status_listen": f"127.0.0.1:{self.status}",
            "pluginserver_mcp_guard_socket": str(self.socket),
            "pluginserver_mcp_guard_query_cmd": f"cat {self.dump}",
            "lua_package_path": f"{PLUGINS}/lua/?.lua;;",
            "nginx_worker_processes": "1",
            "worker_state_update_frequency": "1",
            "db_update_frequency": "1",
            **({"nginx_user": "root root"} if os.geteuid() == 0 else {}),
            **conf,
        }
        command, more = [BIN / "mcp-pluginserver", "--plugins", PLUGINS, "--socket", self.socket], {}
        self.listening = listening(self.socket) if passing else None
        if self.listening:
            command, more = passed(self.listening, command), {"pass_fds": [self.listening.fileno()]}
        self.plugin_server = Program(command, self.folder / "pluginserver.log", self.environment, **more)
        self.sidecar = Program([BIN / "mcp-sidecar", "serve"], self.folder / "sidecar.log", self.environment)
        self.write_dump()

    @property
    def environment(self) -> dict[str, str]:
        """What all programs of this node are started with."""
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("KONG_", "MCP_", "DECK_"))}
        return mine | {
            "KONG_MCP_KEYS": self.keys,
            "MCP_SIDECAR_KONG_URL": f"http://127.0.0.1:{self.port}",
            "MCP_SIDECAR_LISTEN": f"127.0.0.1:{self.sidecar_port}",
            "DECK_MCP_SIDECAR_TARGET": f"127.0.0.1:{self.sidecar_port}",
            "DECK_ANALYTICS": "false",
        }

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin}"

    @property
    def error_log(self) -> str:
        return (self.prefix / "logs/error.log").read_text(errors="replace")

    def load(self, *files: Path) -> None:
        """Render decK files for a Kong without a database."""
        self.state.touch(0o600)
        self.state.write_text(write_yaml(render(files, self.environment)))

    def write_dump(self, plugins: Path = PLUGINS) -> None:
        command = [BIN / "mcp-pluginserver", "--plugins", plugins, "--dump", "mcp-guard"]
        self.dump.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)

    def kong(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run kong with this node's kong.conf."""
        conf = self.folder / "kong.conf"
        conf.write_text(fill_in((ROOT / "kong/kong.conf").read_text(), self.values))
        done = subprocess.run(
            ["kong", *arguments, "-c", conf], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def start_kong(self):
        self.kong("start")
        wait_for(lambda: self.get(f"http://127.0.0.1:{self.status}/status"), lambda: self.error_log[-4000:])
        return self

    def stop_kong(self) -> None:
        pid = self.prefix / "pids/nginx.pid"
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGTERM)
            wait_for(lambda: not pid.exists(), lambda: self.error_log[-4000:])

    def start_plugin_server(self) -> None:
        served = self.plugin_server.count("serving")
        self.plugin_server.start()
        self.plugin_server.wait_for(lambda: self.plugin_server.count("serving") > served)

    def start_sidecar(self) -> None:
        self.sidecar.start()
        self.sidecar.wait_for(lambda: self.get(f"http://127.0.0.1:{self.sidecar_port}/livez") == 200)

    def get(self, url: str) -> int | None:
        """Return the status of a GET, None where nothing answers."""
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return None

    def close(self) -> None:
        """End everything and leave nothing behind."""
        self.stop_kong()
        for one in (self.plugin_server, self.sidecar):
            one.stop()
        if self.listening:
            self.listening.close()
        shutil.rmtree(self.folder, ignore_errors=True)
