"""The real authorization server of the tests' machines, as a process of its own; see tests/node/machines.mjs."""

import contextlib
import json
import subprocess
from pathlib import Path

import httpx

from kong_mcp.dev import free_port
from node import tools
from tokens.kit import jwk

_SCRIPT = Path(__file__).parents[1] / "node" / "machines.mjs"


@contextlib.contextmanager
def machines_issuer():
    """Run it, and give its URL."""
    command = [str(one) for one in (tools.node(), _SCRIPT, tools.MODULES, free_port())]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:
        process.stdin.write(json.dumps([jwk("RS256", private=True, use="sig", alg="RS256")]) + "\n")
        process.stdin.flush()
        yield json.loads(process.stdout.readline())["issuer"]
        process.stdin.close()


def post(issuer, path, client, headers=None, **form):
    """Ask it for something, as one of its clients. Returns the answer."""
    auth = (client, f"{client}-secret-0123456789")
    return httpx.post(f"{issuer}{path}", data=form, auth=auth, headers=headers, trust_env=False, timeout=30)
