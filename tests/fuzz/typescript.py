"""The official TypeScript SDK as a child process that answers one line for each line, where Node has it."""

from __future__ import annotations

import atexit
import base64
import json
import subprocess
from functools import cache
from pathlib import Path

from node.tools import MODULES, node

SCRIPT = Path(__file__).parents[1] / "node" / "read.mjs"


class TypeScript:
    """One child. Its answers are what its reader makes of a body, or None where it refuses."""

    def __init__(self, binary):
        command = [str(binary), str(SCRIPT), str(MODULES)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

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
    binary = node()
    if binary is None:
        return None
    child = TypeScript(binary)
    atexit.register(child.stop)
    return child
