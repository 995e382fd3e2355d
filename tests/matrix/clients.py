"""The clients of the matrix: each looks at many servers in one process, and gives what it saw of each of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from node.tools import MODULES, node
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
SHORT = ["python1", "python2", "typescript1", "typescript2"]
"""Each line, in the era that it comes to by itself."""


def look(client, targets, seconds=300):
    """Have a client look at targets (url, old, headers, steps); gives a list of [what, what came] for each."""
    command, settings = CLIENTS[client]()
    settings |= {"targets": targets, "modules": str(MODULES)}
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(
        [*command, json.dumps(settings)], capture_output=True, text=True, timeout=seconds, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
