"""The command: all checks in order, as text or as JSON."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click

from kong_mcp.doctor import kong, machine, services
from kong_mcp.doctor.finding import CheckResult, fail
from kong_mcp.doctor.place import PlaceError, read_place
from kong_mcp.doctor.places import places_of, tell
from kong_mcp.doctor.store import check_store

_FILE = click.Path(path_type=Path)


@click.command()
@places_of
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
    tell(_findings(conf, guard_env, sidecar_env, admin, files), as_json=as_json)


def _findings(
    conf: Path, guard: Path, sidecar: Path, admin: str | None, files: tuple[Path, ...]
) -> Iterator[CheckResult]:
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
    yield machine.check_servers(place)
    yield machine.check_build()
    yield machine.check_folders(place)
    yield services.check_keys(place)
    yield services.check_key_files(guard, sidecar)
    yield check_store(place.sidecar.get("MCP_SIDECAR_STORE"))
    yield from services.check_sidecar(place)
    yield services.check_clock(place)
    yield services.check_admin(place, admin)
    yield services.check_deck(files, os.environ)
