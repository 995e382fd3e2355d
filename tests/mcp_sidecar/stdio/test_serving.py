"""The process of local servers, as its programs see it."""

import subprocess
import sys

import pytest

SERVE = """
import ctypes, os, subprocess
from mcp_sidecar.stdio import serving

def run(server, sockets):
    print(server.config.loop, flush=True)
    for process in ("$PPID", "$$"):  # this one, then one that it runs
        command = ["/bin/sh", "-c", f"cat /proc/{process}/environ; exit $?"]
        ended = subprocess.run(command, env={"GIVEN": "x"}, capture_output=True, check=False)
        print(b"KEPT" in ended.stdout, b"GIVEN" in ended.stdout, b"denied" in ended.stderr)

if os.getuid() == 0:
    # Root reads everything; the rights of another user are wanted here.
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as after exec: a change of user had taken it
serving.StdioHttp.run = run
serving.serve([], [0])
"""


@pytest.mark.requirement("STDIO-027")
def test_no_program_reads_the_environment_of_what_runs_it():
    ended = subprocess.run(
        [sys.executable, "-c", SERVE], capture_output=True, text=True, timeout=60, check=False, env={"KEPT": "secret"}
    )
    assert ended.stdout.splitlines() == ["uvloop", "False False True", "False True False"], ended.stderr
