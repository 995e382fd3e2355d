"""Run the official conformance suite directly and through the gateway, and show that nothing differs."""

import contextlib
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from conformance import authorization, suite
from conformance.compare import count, differences, failures, passed, without
from conformance.lane import PATHS, Forwarder
from e2e.harness import KINDS
from kong_mcp.dev import DevSettings, free_port, run_dev
from kong_mcp.servers import DevServer, parse_server
from node.tools import MISSING
from servers.launch import wait_for_port

_HERE = Path(__file__).parent
_RESULTS = Path("build/conformance")

COMPLETE = {
    ("server", "2025-06-18"): 56,
    ("server", "2025-11-25"): 84,
    ("server", "2026-07-28"): 152,
    ("client", "2025-06-18"): 3,
    ("client", "2025-11-25"): 20,
    ("client", "2026-07-28"): 64,
    ("auth", "2025-11-25"): 183,
    ("auth", "2026-07-28"): 340,
    ("tasks", "2026-07-28"): 44,
    ("virtual", "2025-06-18"): 56,
    ("virtual", "2025-11-25"): 83,
    ("virtual", "2026-07-28"): 152,
}
"""How many checks of the pinned suite pass without a gateway: with fewer, the comparison would leave something out."""

MEMBER = "member"
OPEN = {kind: {"allow": ["*"]} for kind in ("tools", "prompts", "resources")}
VIRTUAL = DevServer("many", "http", "/mcp", (), OPEN, virtual=True, members=(MEMBER,))
"""One server over another: the suite's tools keep their names on it."""

NOT_COMPARED = {
    "sep-2640-": "scenarios for skills want a server with skills: tests/e2e/test_skills_conformance.py runs them",
}
"""How the names of scenarios begin that are not run -> why."""

QUICK = ("tools-call-simple-text", "tools-call-with-progress", "server-sse-polling", "server-stateless")
"""Scenarios of the leg virtual for --quick."""

NOT_OF_VIRTUAL = {
    "server-sse-streams-functional": "it is judged where lists come as streams; a virtual server sends its own as JSON",
}
"""Checks that are not compared on a virtual server -> why."""


@dataclass(frozen=True)
class Row:
    """One line of the table. `direct` and `behind` are passed and judged checks."""

    gateway: str
    revision: str
    leg: str
    direct: tuple
    behind: tuple
    lines: tuple


@contextlib.contextmanager
def conformance_server():
    """Run our server as a process of its own and give its URL."""
    port = free_port()
    _RESULTS.mkdir(parents=True, exist_ok=True)
    with (_RESULTS / "server.log").open("w", encoding="utf-8") as log:
        command = [sys.executable, str(_HERE / "server.py"), "--port", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for_port(port, process)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def gateway_around(kind, server_url):
    """Run a gateway and give the URL of our server behind it, and what sends agents through it."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        target = Path(folder) / "target"
        with Forwarder(target) as forwarder:
            servers = [parse_server(f"server={server_url}")]
            servers += [replace(parse_server(f"{MEMBER}={server_url}"), acted=True), VIRTUAL]
            servers += [parse_server(f"{name}=http://127.0.0.1:{forwarder.port}{path}") for name, path in PATHS.items()]
            with run_dev(DevSettings(servers, kind, port=0)) as dev:
                urls = {path: dev.url(name) for name, path in PATHS.items()}
                yield dev.url("server"), dev.url(VIRTUAL.name), json.dumps({"target": str(target), "urls": urls})


def judge(leg, way, revision, who, names=None):
    """Run one leg at one revision. `way` is a URL, what sends agents through, or a kind of gateway (None: directly)."""
    some = f", {len(names)} of it" if names else ""
    click.echo(f"{who}: {leg} leg at {revision}{some} ...", err=True)
    folder = _RESULTS / who / f"{leg}-{revision}{'-some' if names else ''}"
    if leg == "virtual":
        return without(suite.judge_server(way, revision, folder, names), NOT_OF_VIRTUAL)
    if leg == "server":
        return suite.judge_server(way, revision, folder, names)
    names = names or [
        scenario for scenario in suite.scenarios(leg, revision) if not scenario.startswith(tuple(NOT_COMPARED))
    ]
    run = {"client": suite.judge_client, "auth": suite.judge_login}.get(leg, suite.judge_server)
    return run(way, revision, folder, names)


def compare(leg, revision, ways, direct, *, whole=True):
    """Run one leg behind a gateway and return its row. `ways` is name -> way, the direct one first.

    `whole` says that nothing of the leg was left out: then as much must pass directly as the suite has.

    Some scenarios measure time, and a busy machine makes them late: what differs is run once more, both ways.
    """
    (_, straight), (kind, through) = ways.items()
    behind = judge(leg, through, revision, kind, None if whole else list(direct))
    if again := list(differences(direct, behind)):
        direct = direct | judge(leg, straight, revision, "direct", again)
        behind = behind | judge(leg, through, revision, kind, again)
    lines = [line for several in differences(direct, behind).values() for line in several]
    lines += [f"direct: {line}" for line in failures(direct)]
    if whole and passed(direct) != COMPLETE[leg, revision]:
        lines.append(f"direct: {passed(direct)} checks passed, not {COMPLETE[leg, revision]}")
    counts = [(passed(one), count(one)) for one in (direct, behind)]
    return Row(kind, revision, leg, *counts, tuple(lines))


def _these(leg, revision, some):
    """Return the scenarios of a leg that are among `some`, or None for all of them."""
    return [name for name in suite.scenarios(leg, revision) if name in some[leg]] if leg in some else None


def show(rows):
    click.echo(f"{'gateway':<8} {'revision':<11} {'leg':<7} {'direct':>9} {'behind':>9}  differences")
    for row in rows:
        direct, behind = (f"{good}/{judged}" for good, judged in (row.direct, row.behind))
        verdict = len(row.lines) or "none"
        click.echo(f"{row.gateway:<8} {row.revision:<11} {row.leg:<7} {direct:>9} {behind:>9}  {verdict}")
        for line in row.lines:
            click.echo(f"    {line}")


@click.command()
@click.option("--gateway", "kinds", multiple=True, type=click.Choice(["devkit", "kong"]), help="Only this gateway.")
@click.option("--version", "revisions", multiple=True, type=click.Choice(suite.REVISIONS), help="Only this revision.")
@click.option("--leg", "legs", multiple=True, type=click.Choice(suite.LEGS), help="Only one of them.")
@click.option("--quick", is_flag=True, help="On the devkit only and few of auth/*, for CI.")
def main(kinds, revisions, legs, quick):
    """Compare what the official suite finds without and with a gateway; any check that differs ends with 1."""
    if not suite.present():
        raise click.ClickException(MISSING)
    kinds = kinds or (["devkit"] if quick else KINDS)
    rows = []
    with conformance_server() as url:
        straight = {"server": url, "client": None, "auth": None, "tasks": url, "virtual": url}
        plan = [
            (leg, revision)
            for revision in revisions or suite.REVISIONS
            for leg in legs or suite.LEGS
            if (leg, revision) in COMPLETE
        ]
        some = {"auth": authorization.QUICK, "virtual": QUICK} if quick else {}
        direct = {
            (leg, revision): judge(leg, straight[leg], revision, "direct", _these(leg, revision, some))
            for leg, revision in plan
        }
        for kind in kinds:
            with gateway_around(kind, url) as (behind, many, lane):
                through = {"server": behind, "client": lane, "auth": kind, "tasks": behind, "virtual": many}
                for leg, revision in plan:
                    ways = {"direct": straight[leg], kind: through[leg]}
                    rows.append(compare(leg, revision, ways, direct[leg, revision], whole=leg not in some))
    show(rows)
    for check, reason in NOT_OF_VIRTUAL.items():
        click.echo(f"Left out of the leg virtual: {check}: {reason}.")
    for beginning, reason in NOT_COMPARED.items():
        click.echo(f"Left out: {beginning}*: {reason}.")
    if quick:
        click.echo("Left out with --quick: a real Kong, and most of the scenarios auth/* and of the leg virtual.")
    if any(row.lines for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
