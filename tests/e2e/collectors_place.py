"""The sidecar's own end of Kong's records: without it, with another in its place, and with it again."""

import contextlib
import json
import os
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from kong_mcp.processes import Child
from servers.launch import wait_for


class Sidecar:
    """The gateway's sidecar, to be killed and started anew with what it was started with."""

    def __init__(self, child):
        place = Path("/proc") / str(child.pid)
        self._child = child
        self._command = place.joinpath("cmdline").read_text().split("\0")[:-1]
        variables = place.joinpath("environ").read_text().split("\0")[:-1]
        self._environment = dict(variable.split("=", 1) for variable in variables)

    def kill(self):
        os.kill(self._child.pid, signal.SIGKILL)
        self._child.stop()

    def _listens(self):
        address = ("127.0.0.1", int(self._environment["MCP_SIDECAR_LISTEN"].rpartition(":")[2]))
        with contextlib.suppress(OSError), socket.create_connection(address):
            return True

    @contextlib.contextmanager
    def again(self):
        child = Child("sidecar", self._command, self._environment, self._child.log)
        try:
            wait_for(self._listens, lambda: Path(self._child.log).read_text()[-2000:])
            yield
        finally:
            child.stop()


@contextlib.contextmanager
def in_its_place(running):
    """Listen where the sidecar did, which is gone: give what Kong tells, and with which tokens, as it comes."""
    heard, tokens = [], set()

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/collector":
                tokens.add(self.headers["Authorization"])
                heard.extend(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", running.dev.sidecar_port), Taker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield heard, tokens
        server.shutdown()
