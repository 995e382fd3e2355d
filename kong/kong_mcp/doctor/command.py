"""The command: all checks in order, as text or as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from kong_mcp.doctor import kong, services
from kong_mcp.doctor.finding import Finding, Level, fail
from kong_mcp.doctor.place import PlaceError, read_place

_FILE = click.Path(path_type=Path)


@click.command()
@click.option("--conf", type=_FILE, default="/etc/kong/kong.conf", show_default=True, help="Kong's configuration.")
@click.option(
    "--guard-env",
    type=_FILE,
    default="/etc/kong-mcp/guard.env",
    show_default=True,
    help="Environment file of the plugin server; where there is none, this environment is taken.",
)
@click.option(
    "--sidecar-env", type=_FILE, default="/etc/kong-mcp/sidecar.env", show_default=True, help="The sidecar's likewise."
)
@click.option("--admin", metavar="URL", help="Kong's Admin API, where it is not what kong.conf says.")
@click.option(
    "--deck", "files", type=_FILE, multiple=True, help="A decK file or folder to lint. Give it once for each."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def doctor(
    conf: Path, guard_env: Path, sidecar_env: Path, admin: str | None, files: tuple[Path, ...], *, as_json: bool
) -> None:
    """Look at an installation, and say what to mend, in the order in which to mend it.

    Run it as root on Kong's machine: it tries what must work for nginx's user as that user. It changes nothing, and
    prints no key. The exit status is 0, or 1 when a check failed.
    """
    findings = []
    for finding in _findings(conf, guard_env, sidecar_env, admin, files):
        findings.append(finding)
        if not as_json:
            click.echo(f"{finding.level:<5} {finding.check}: {finding.seen}")
            if finding.mend:
                click.echo(f"      -> {finding.mend}")
    failed = [one for one in findings if one.level is Level.FAIL]
    if as_json:
        click.echo(json.dumps({"ok": not failed, "checks": [asdict(one) for one in findings]}, indent=2))
    sys.exit(1 if failed else 0)


def _findings(conf: Path, guard: Path, sidecar: Path, admin: str | None, files: tuple[Path, ...]) -> Iterator[Finding]:
    yield services.who_runs()
    yield kong.check_release(os.environ)
    try:
        place = read_place(conf, guard, sidecar, os.environ)
    except PlaceError as error:
        yield fail("kong.conf", str(error), "run this as root")
        return
    yield kong.check_plugins(place, conf)
    yield kong.check_start(place)
    described, mark = kong.check_description(place)
    yield described
    yield from kong.check_socket(place, mark)
    yield services.check_keys(place)
    yield services.check_key_files(guard, sidecar)
    yield from services.check_sidecar(place)
    yield services.check_clock(place)
    yield services.check_admin(place, admin)
    yield services.check_deck(files, os.environ)
