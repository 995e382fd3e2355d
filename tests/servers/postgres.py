"""A PostgreSQL of our own for tests: in a temporary folder, on a unix socket, as nobody's superuser.

Kong knows no unix socket of PostgreSQL's: for it the server listens on a port of the loopback address as well.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

START_SECONDS = 30.0


def program(name: str) -> str | None:
    """Return a program of PostgreSQL: Debian keeps them out of the PATH."""
    versions = Path("/usr/lib/postgresql")
    beside = sorted(versions.glob(f"*/bin/{name}")) if versions.is_dir() else []
    return str(beside[-1]) if beside else shutil.which(name)


@contextlib.contextmanager
def run_postgres(port: int | None = None) -> Iterator[str]:
    """Run a server for as long as the context lasts, and give the URL of its empty database, without a name."""
    folder = Path(tempfile.mkdtemp(prefix="kmpg-", dir="/tmp"))  # a socket's path may have some 100 characters
    # PostgreSQL will not run as root.
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    ids = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    data = folder / "data"
    try:
        made = [program("initdb"), "-D", data, "-U", "store", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"]
        subprocess.run(made, check=True, capture_output=True, cwd=folder, **ids)
        heard = ["-c", "listen_addresses=127.0.0.1", "-p", str(port)] if port else ["-c", "listen_addresses="]
        options = [*heard, "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        with (folder / "log").open("wb") as log:
            started = [program("postgres"), "-D", data, *options]
            server = subprocess.Popen(started, stdout=log, stderr=log, cwd=folder, **ids)
        try:
            _wait(server, folder, port)
            yield f"postgresql://store@/{{}}?host={folder}" + (f"&port={port}" if port else "")
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(START_SECONDS)
    finally:
        shutil.rmtree(folder)


def _wait(server: subprocess.Popen[bytes], folder: Path, port: int | None) -> None:
    until = time.monotonic() + START_SECONDS
    asked = [program("pg_isready"), "-h", folder, "-U", "store", *(["-p", str(port)] if port else [])]
    while subprocess.run(asked, capture_output=True, check=False).returncode:
        assert server.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < until, (folder / "log").read_text()
        time.sleep(0.02)
