"""Runs the official suite, @modelcontextprotocol/conformance, in the version that tests/node pins."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from conformance import authorization
from conformance.compare import once, read_scenarios
from conformance.lane import VARIABLE
from node import tools

PACKAGE = "@modelcontextprotocol/conformance"
REVISIONS = ("2025-06-18", "2025-11-25", "2026-07-28")
LEGS = ("server", "client", "auth", "tasks", "virtual")
"""What is judged: a server, an agent, how an agent logs in, a server with the tasks extension, of no revision, or a
virtual server over a server."""

# One scenario takes a second or two; a machine that has other work to do may need much longer.
_SCENARIO_SECONDS = 120
_SUITE_SECONDS = 600
_AGENT = Path(__file__).with_name("client.py")
_TASKS = "tasks-"
_AUTH = "auth/"
_LISTED = re.compile(r"^ +- (\S+)", re.MULTILINE)


def present():
    return tools.program(PACKAGE) is not None


def scenarios(leg, revision):
    """Return the names of the scenarios of one leg that the suite has for a revision."""
    asked = {"auth": "client", "tasks": "server", "virtual": "server"}.get(leg, leg)
    selection = [f"--{asked}"] if leg == "tasks" else [f"--{asked}", "--spec-version", revision]
    listed = _run(["list", *selection], subprocess.PIPE, os.environ)
    names = _LISTED.findall(listed.stdout)
    if leg == "tasks":
        return [name for name in names if name.startswith(_TASKS)]
    of_auth = [name for name in names if name.startswith(_AUTH)]
    if leg == "auth":
        return of_auth + list(authorization.EXTENSIONS if revision == REVISIONS[-1] else ())
    return [name for name in names if name not in of_auth]


def all_scenarios():
    """Return the names of the scenarios for clients of all revisions and none."""
    return _LISTED.findall(_run(["list", "--client"], subprocess.PIPE, os.environ).stdout)


def judge_server(url, revision, folder, names=None):
    """Run scenarios, all of them without `names`, against the server at `url`. Return them by name."""
    _empty(folder)
    arguments = ["server", "--url", url, "-o", str(folder)]
    if names is None:
        _logged(folder, [*arguments, "--suite", "all", "--spec-version", revision], os.environ)
    for name in names or ():
        # The suite refuses to run an extension at a revision; it speaks the newest one then.
        wire = [] if name.startswith(_TASKS) else ["--spec-version", revision]
        _logged(folder, [*arguments, "--scenario", name, *wire], os.environ)
    return read_scenarios(folder)


def judge_client(lane, revision, folder, names, more=None):
    """Run scenarios with our agent, which goes through a gateway where `lane` says so. Return them by name.

    `more` is added to the suite's environment.
    """
    _empty(folder)
    environment = {**os.environ, **(more or {}), **({VARIABLE: lane} if lane else {})}
    command = f"{sys.executable} {_AGENT}"
    arguments = ["client", "--command", command, "--timeout", str(_SCENARIO_SECONDS * 1000), "-o", str(folder)]
    ended = {}
    for name in names:
        wire = [] if name in authorization.EXTENSIONS else ["--spec-version", revision]
        ended[name] = _logged(folder, [*arguments, *wire, "--scenario", name], environment) == 0
    return read_scenarios(folder, ended.get)


def judge_login(kind, revision, folder, names):
    """Run scenarios `auth/*` with our agent: directly, or with a gateway as the resource server (`kind`)."""
    if kind is None:
        return once(judge_client(None, revision, folder, names))
    found = {}
    for number, group in enumerate(authorization.groups(names)):
        with authorization.gateway_for(group, kind) as environment:
            found |= judge_client(None, revision, folder / str(number), group.names, environment)
    return once(found)


def _empty(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _logged(folder, arguments, environment):
    with (folder / "suite.log").open("a", encoding="utf-8") as log:
        return _run(arguments, log, environment).returncode


def _run(arguments, output, environment):
    command = [*tools.program(PACKAGE), *arguments]
    return subprocess.run(
        command, stdout=output, stderr=output, env=environment, text=True, check=False, timeout=_SUITE_SECONDS
    )
