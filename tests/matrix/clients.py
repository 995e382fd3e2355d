"""The clients of the matrix: each looks at many servers in one process, and gives what it saw of each of them."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from node.tools import MODULES, node, program
from python1.tools import python1

HERE = Path(__file__).parent
CLIENTS = {
    "python1": lambda: ([str(python1()), str(HERE / "look.py")], {}),
    "python2-legacy": lambda: ([sys.executable, str(HERE / "look.py")], {"mode": "legacy"}),
    "python2": lambda: ([sys.executable, str(HERE / "look.py")], {"mode": "auto"}),
    "typescript1": lambda: ([str(node()), str(HERE / "look.mjs")], {"line": "v1"}),
    "typescript2-legacy": lambda: ([str(node()), str(HERE / "look.mjs")], {"line": "v2"}),
    "typescript2": lambda: ([str(node()), str(HERE / "look.mjs")], {"line": "v2", "version": "auto"}),
}
INSPECTOR = "inspector"
SHORT = ["python1", "python2", "typescript1", "typescript2"]
"""Each line, in the era that it comes to by itself."""


def look(client, targets, seconds=1200):
    """Have a client look at targets (url, old, headers, steps); gives a list of [what, what came] for each."""
    if client == INSPECTOR:
        return [inspect(target) for target in targets]
    command, settings = CLIENTS[client]()
    settings |= {"targets": targets, "modules": str(MODULES)}
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(
        [*command, json.dumps(settings)], capture_output=True, text=True, timeout=seconds, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def inspect(target):
    """Have the Inspector's command line list the tools of one target, in the era that it comes to by itself."""
    how = "sse" if target["old"] else "http"
    headers = [f"--header={name}: {value}" for name, value in target["headers"].items()]
    command = [*program("@modelcontextprotocol/inspector"), "--cli", "--format", "json", "--quiet", "--transport", how]
    command += ["--server-url", target["url"], *headers, "--method", "tools/list"]
    with tempfile.TemporaryDirectory(prefix="mcp-matrix-") as home:
        environment = {**os.environ, "HOME": home}
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    if done.returncode != 0:
        return [["failed", done.stderr[-1000:]]]
    return [["tools", json.loads(done.stdout)]]
