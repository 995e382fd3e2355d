"""An installation in a folder, with a Kong and a sidecar that answer what a test says, for `kong-mcp doctor`."""

import base64
import contextlib
import functools
import json
import os
import subprocess
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from servers.own_kong import BIN, PLUGINS, Program

DOCTOR = [BIN / "kong-mcp", "doctor", "--json"]
KEY, OTHER = (base64.b64encode(bytes([one]) * 32).decode() for one in (1, 2))
ORDER = [
    *(
        "doctor",
        "kong",
        "kong.conf",
        "start command",
        "description",
        "socket",
        "plugin servers",
        "build",
        "folders",
        "keys",
    ),
    *("key files", "store", "sidecar", "clock", "admin", "decK files"),
]


@functools.cache
def dump_of(plugins):
    """Return what a plugin server of these plugins says of its guard."""
    command = [BIN / "mcp-pluginserver", "--plugins", plugins, "--dump", "mcp-guard"]
    return subprocess.run(command, check=True, capture_output=True).stdout


class Site:
    """An installation in a folder; `heads` are what its Kong, and `ready` what its sidecar, answer."""

    def __init__(self, folder):
        self.folder = folder
        self.socket = folder / "mcp.sock"
        self.dump = folder / "mcp-guard.json"
        self.dump_of(PLUGINS)
        self.ready = (200, {"ready": True, "problems": {}})
        self.root = (200, {"version": "3.9.3", "plugins": {"available_on_server": {"mcp-guard": {}}}})
        self.date, self.dates, self.others = None, {}, []
        self.conf = {
            "plugins": "bundled,mcp-guard,mcp-internal,mcp-answers",
            "nginx_main_env": "KONG_MCP_KEYS",
            "pluginserver_names": "mcp-guard",
            "pluginserver_mcp_guard_socket": str(self.socket),
            "pluginserver_mcp_guard_query_cmd": f"cat {self.dump}",
        }
        self.guard = {"KONG_MCP_KEYS": KEY}
        self.sidecar = {"KONG_MCP_KEYS": KEY}
        self.options = []
        self.server = self._serve()

    def dump_of(self, plugins):
        self.dump.write_bytes(dump_of(plugins))

    def _serve(self):
        site = self

        class Both(BaseHTTPRequestHandler):
            def do_GET(self):
                answers = {"/livez": (200, {}), "/readyz": site.ready, "/": site.root}
                status, told = answers[self.path]
                self.send_response_only(status)
                address = f"127.0.0.1:{self.server.server_port}"
                self.send_header("Date", site.dates.get(address) or site.date or formatdate(usegmt=True))
                self.end_headers()
                self.wfile.write(json.dumps(told).encode())

            def log_message(self, *_):
                pass

        self.answers = Both
        server = ThreadingHTTPServer(("127.0.0.1", 0), Both)
        threading.Thread(target=server.serve_forever).start()
        address = f"127.0.0.1:{server.server_port}"
        self.conf |= {"admin_listen": address, "proxy_listen": address}
        self.sidecar["MCP_SIDECAR_LISTEN"] = address
        return server

    def ask(self):
        """Run the doctor; return its checks by name."""
        conf = self.folder / "kong.conf"
        conf.write_text("".join(f"{name} = {value}\n" for name, value in self.conf.items() if value is not None))
        for name in ("guard", "sidecar"):
            path = self.folder / f"{name}.env"
            path.touch(0o600)
            path.write_text("".join(f"{key}={value}\n" for key, value in getattr(self, name).items()))
        places = [f"--conf={conf}", f"--guard-env={self.folder}/guard.env", f"--sidecar-env={self.folder}/sidecar.env"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("KONG_", "MCP_"))}
        command = [*DOCTOR, *places, *self.options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert not [key for key in (KEY, OTHER) if key in done.stdout + done.stderr]
        told = json.loads(done.stdout)
        assert [one["check"] for one in told["checks"]] == ORDER
        failed = [one for one in told["checks"] if one["level"] == "fail"]
        assert (done.returncode, told["ok"]) == (1 if failed else 0, not failed)
        assert all(one["mend"] for one in told["checks"] if one["level"] != "ok")
        return {one["check"]: one for one in told["checks"]}

    def other_address(self):
        """Serve the same at another address, whose clock `dates` may set; return it."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), self.answers)
        threading.Thread(target=server.serve_forever).start()
        self.others.append(server)
        return f"127.0.0.1:{server.server_port}"

    def close(self):
        for server in (self.server, *self.others):
            server.shutdown()
            server.server_close()


@contextlib.contextmanager
def plugin_server(site, plugins=PLUGINS):
    environment = {**os.environ, "KONG_MCP_KEYS": KEY}
    command = [BIN / "mcp-pluginserver", "--plugins", plugins, "--socket", site.socket, "--workers", "1"]
    running = Program(command, site.folder / "pluginserver.log", environment).start()
    try:
        running.wait_for(lambda: running.count("serving"))
        yield
    finally:
        running.stop()
