"""The official TypeScript SDK as a child process that answers one line for each line, where Node has it."""

from __future__ import annotations

import atexit
import base64
import json
import shutil
import subprocess
from functools import cache
from pathlib import Path

HOME = Path(__file__).parents[2] / "build/fuzz-node"
"""Where `make fuzz` installs it."""


class TypeScript:
    """One child. Its answers are what its reader makes of a body, or None where it refuses."""

    def __init__(self, node):
        self._child = subprocess.Popen(
            [node, str(HOME / "sdk.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HOME
        )

    def ask(self, kind, body):
        question = {"kind": kind, "body": base64.b64encode(body).decode()}
        self._child.stdin.write(json.dumps(question).encode() + b"\n")
        self._child.stdin.flush()
        return json.loads(self._child.stdout.readline())

    def stop(self):
        self._child.stdin.close()
        self._child.stdout.close()
        self._child.wait(10)


@cache
def running():
    """Return the child of this process, started when it is first asked for, or None where there can be none."""
    node = shutil.which("node")
    if node is None or not (HOME / "node_modules").is_dir():
        return None
    child = TypeScript(node)
    atexit.register(child.stop)
    return child
