"""Gateways, upstream servers and raw clients for the devkit's tests.

A gateway is the devkit, or a real Kong where present.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from kong_mcp.dev import free_port

HERE = Path(__file__).parent
KINDS = ["devkit", *(["kong"] if shutil.which("kong") else [])]
ODD = f"{sys.executable} {HERE / 'odd_server.py'}"
BUILT_IN = ("key-auth", "file-log", "http-log")
PLUGINS = {"probe": 400, "second": 300}


def until(condition, seconds=15.0, what="the condition"):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come about in {seconds} s")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_arguments):
        pass

    def version_string(self):
        return "tiny"

    def do_any(self):
        owner = self.server.owner
        if "chunked" in (self.headers.get("transfer-encoding") or ""):
            body = b"".join(self._chunks())
        else:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
        owner.seen.append((self.command, self.path))
        if self.path.startswith("/probe"):
            self._plain(owner.health)
        elif "/status/" in self.path:
            self._plain(int(self.path.rpartition("/")[2]))
        elif "/sse" in self.path:
            self._events(owner)
        elif "/hang" in self.path:
            owner.release.wait(20)
            self.close_connection = True
        elif "/slam" in self.path:
            self.close_connection = True
        else:
            self._echo(owner, body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = do_any  # noqa: N815 - http.server's names

    def _chunks(self):
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _plain(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _echo(self, owner, body):
        answer = json.dumps(
            {
                "name": owner.name,
                "method": self.command,
                "path": self.path,
                "headers": [[name, value] for name, value in self.headers.items()],
                "body": body.decode("utf-8", "replace") if len(body) < 2000 else "",
                "size": len(body),
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Upstream", owner.name)
        self.send_header("Connection", "X-Hop")
        self.send_header("X-Hop", "only for the next hop")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    def _events(self, owner):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        stream = owner.streams[self.path]
        try:
            for number in range(1000):
                if (number or "now" not in self.path) and not stream.ticks.acquire(timeout=20):
                    break
                event = f"data: {number}\n\n".encode()
                self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
                self.wfile.flush()
        except OSError:
            stream.gone.set()
        self.close_connection = True


class Stream:
    """One event stream of an upstream: a tick lets one event go, ``gone`` tells that the other side closed."""

    def __init__(self):
        self.ticks, self.gone = threading.Semaphore(0), threading.Event()


class Upstream:
    """An echoing HTTP server on its own threads."""

    def __init__(self, name="one", port=0):
        self.name, self.seen, self.health = name, [], 200
        self.streams, self.release = defaultdict(Stream), threading.Event()
        ThreadingHTTPServer.allow_reuse_address = True
        ThreadingHTTPServer.daemon_threads = True
        ThreadingHTTPServer.block_on_close = False
        ThreadingHTTPServer.request_queue_size = 256
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self._server.owner = self
        self._server.handle_error = lambda *_arguments: None
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def stop(self):
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    def upstream(self, name):
        """The values of a header as the upstream saw it."""
        return [value for key, value in self.json["headers"] if key.lower() == name.lower()]


class Gateway:
    """A running gateway over a declarative document; ``kind`` is devkit or kong."""

    def __init__(self, kind, document, plugins=(), extra="", *, serve=True):
        self.kind = kind
        self.folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="dk-"))
        self.port, self.admin = free_port(), free_port()
        self.declarative = self.folder / "kong.yml"
        self.write(document)
        names = ", ".join(plugins)
        lines = [
            f"prefix = {self.folder}/p",
            f"proxy_listen = 127.0.0.1:{self.port}",
            f"admin_listen = 127.0.0.1:{self.admin}",
            "database = off",
            f"declarative_config = {self.declarative}",
            f"plugins = {', '.join([*BUILT_IN, *plugins])}",
            "log_level = info",
            "anonymous_reports = off",
            "admin_gui_listen = off",
            "status_listen = off",
            "nginx_user = root root",
            "nginx_main_worker_processes = 1",
            extra,
        ]
        lines += [f"pluginserver_names = {names}"] if names else []
        for number, name in enumerate(plugins):
            key = f"pluginserver_{name.replace('-', '_')}"
            lines.append(f"{key}_socket = {self.folder}/odd.sock")
            lines.append(f"{key}_query_cmd = {ODD} dump {name} {PLUGINS[name]}")
            if serve and not number:
                lines.append(f"{key}_start_cmd = {ODD} serve {self.folder}/odd.sock")
        self.conf = self.folder / "kong.conf"
        self.conf.write_text("\n".join(lines) + "\n")
        self.log = self.folder / "out.log"

    def write(self, document):
        self.declarative.write_text(json.dumps({"_format_version": "3.0", **document}))

    def start(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KONG_")}
        environment["PROBE_WORD"] = "from-the-vault"
        command = (
            ["kong", "start"] if self.kind == "kong" else [str(Path(sys.executable).parent / "kong-devkit"), "start"]
        )
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*command, "-c", str(self.conf)], stdout=log, stderr=log, env=environment)
        try:
            until(self._listening, 60, "the gateway's listener")
            socket_path = self.folder / "odd.sock"
            if "_start_cmd" in self.conf.read_text():
                until(socket_path.exists, 20, "the plugin server's socket")
        except BaseException:
            sys.stderr.write(self.log.read_text()[-4000:])
            self.stop()
            raise
        return self

    def _listening(self):
        status = self.process.poll()
        assert status is None or (self.kind == "kong" and status == 0), self.log.read_text()[-4000:]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as probe:
            probe.sendall(b"GET / HTTP/1.1\r\nHost: ready.test\r\nConnection: close\r\n\r\n")
            probe.settimeout(10)
            return bool(probe.recv(100))
        return False

    def stop(self):
        pid_file = self.folder / "p/pids/nginx.pid"
        if self.kind == "kong" and pid_file.exists():
            os.kill(int(pid_file.read_text()), signal.SIGTERM)
            until(lambda: not pid_file.exists(), 20, "the end of nginx")
        elif self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.process.returncode

    def __enter__(self):
        return self.start()

    def __exit__(self, *_error):
        self.stop()

    def ask(self, path="/", method="GET", host="x.test", body=None, headers=(), timeout=20):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in [("Host", host), *(headers.items() if isinstance(headers, dict) else headers)]:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def raw(self, data, timeout=5):
        """Send bytes, read until the gateway closes or falls silent for half a second."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as client:
            client.sendall(data)
            received = b""
            client.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                while piece := client.recv(65536):
                    received += piece
            return received

    def load(self, document):
        """Have another document by POST /config; return the status and the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=20)
        text = json.dumps({"_format_version": "3.0", **document})
        connection.request("POST", "/config", text, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read().decode()
        connection.close()
        return response.status, answer
