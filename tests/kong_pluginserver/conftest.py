from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from kongside import Server


@pytest.fixture
def serve():
    """Start servers that end with the test: serve({"name.py": source}, "--option", "value")."""
    servers: list[Server] = []

    def start(plugins, *options: str, **more) -> Server:
        servers.append(Server(plugins, *options, **more))
        return servers[-1].start()

    yield start
    for server in servers:
        server.stop()
    for server in servers:
        shutil.rmtree(server.home, ignore_errors=True)
