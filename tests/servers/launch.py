"""Starts MCP servers as processes of their own, and reads what they wrote down."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path

from kong_mcp.dev import free_port

RECORDING = Path(__file__).with_name("recording_server.py")
FEATURES = Path(__file__).with_name("feature_server.py")


def wait_for_port(port, process, seconds=30):
    until = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"the server on port {port} did not start (status {process.poll()})")
        time.sleep(0.05)


def wait_for(probe, failure, seconds=30):
    """Ask again and again until `probe` gives something true, and return that; `failure` says what is there instead."""
    until = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < until, failure()
        time.sleep(0.02)
    return found


def whole_lines(path, errors="strict"):
    """Return the lines of a file that another process writes, without one that is not whole yet."""
    text = path.read_text(encoding="utf-8", errors=errors)
    return text[: text.rfind("\n") + 1].splitlines()


class Replica:
    """One running MCP server process and its journal: what it executed, and which HTTP requests reached it."""

    def __init__(self, name, *options, script=RECORDING, port=None):
        self.name = name
        self.port = port or free_port()
        folder = Path(tempfile.mkdtemp(prefix="mcp-server-"))
        # Tests read the journal of a replica that they killed, so it stays as long as the replica does.
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.journal = folder / "journal.jsonl"
        self.journal.touch()
        self._command = [sys.executable, str(script), "--name", name, "--port", str(self.port)]
        self._command += ["--journal", str(self.journal), *options]
        self._log = folder / "log"
        self.start()

    def start(self):
        environment = {**os.environ, "PYTHONPATH": str(RECORDING.parents[1])}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, env=environment)
        try:
            wait_for_port(self.port, self.process)
        except RuntimeError as error:
            self.kill()
            raise RuntimeError(f"{error}: {self._log.read_text()[-2000:]}") from None

    def restart(self, *options):
        """Run anew on the same port, with more options."""
        self.kill()
        self._command += options
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/{'sse' if '--sse' in self._command else 'mcp'}"

    def lines(self, since=0):
        """Return what the server wrote, after the first `since` lines."""
        return [json.loads(line) for line in whole_lines(self.journal)[since:]]

    def executed(self):
        """Return [kind, name] of everything the server executed."""
        return [line[1:] for line in self.lines() if line[1] not in ("http", "stream")]

    def requests(self):
        """Return (method, headers) of every HTTP request that reached the server, without the health checks."""
        return [(line[2], line[3]) for line in self.lines() if line[1] == "http" and "user-agent" in line[3]]

    def targets(self):
        """Return the path, with its query, that each of these requests asked for."""
        return [line[5] for line in self.lines() if line[1] == "http" and "user-agent" in line[3]]

    def wait_until(self, holds, since=0):
        """Wait until something holds for [kind, what ...] of all that the server wrote after the first lines."""
        wait_for(
            lambda: holds([line[1:] for line in self.lines(since)]),
            lambda: f"{self.name} wrote only {self.executed()[-20:]}",
        )

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def freeze(self):
        os.kill(self.process.pid, signal.SIGSTOP)


@contextlib.contextmanager
def replicas(*names, options=()):
    """Run one recording server per name."""
    with contextlib.ExitStack() as stack:
        running = []
        for name in names:
            replica = Replica(name, *options)
            stack.callback(replica.kill)
            running.append(replica)
        yield running
