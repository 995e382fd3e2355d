"""`kong-mcp upgrade-check`: what of an older release's installation must change, said before anything is restarted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

import click

from kong_devkit.kongconf import parse
from kong_mcp.doctor import kong, services
from kong_mcp.doctor.finding import CheckResult, fail, ok, warn
from kong_mcp.doctor.place import Installation, PlaceError, read_place
from kong_mcp.doctor.places import places_of, tell
from kong_mcp.doctor.store import check_store
from kong_mcp.share import kong_folder

_MUST_HAVE: Final = ("lua_package_path", "nginx_proxy_proxy_ignore_headers")
"""Settings of kong.conf without which Kong 3.9 starts and is not what this release takes it for."""
_GONE: Final = {
    "DECK_MCP_INTERNAL_KEY": "the sidecar's API key of 0.1, which every agents' route took too",
    "group: mcp-internal": "the ACL group of the sidecar's API key of 0.1",
}
"""Texts of decK files of older releases."""


@click.command("upgrade-check")
@places_of
@click.option(
    "--deck",
    "files",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Your decK file or folder. Give it once for each.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def upgrade_check(conf: Path, guard_env: Path, sidecar_env: Path, files: tuple[Path, ...], *, as_json: bool) -> None:
    """Say what an installation of 0.1 needs changed for this release, before you restart anything.

    Run it as root on Kong's machine, from this release's own environment: it changes nothing, and prints no key. The
    exit status is 0, or 1 when something would refuse requests, or not start.
    """
    tell(_findings(conf, guard_env, sidecar_env, files), as_json=as_json)


def _findings(conf: Path, guard: Path, sidecar: Path, files: Sequence[Path]) -> Iterator[CheckResult]:
    yield services.who_runs()
    try:
        place = read_place(conf, guard, sidecar, os.environ)
    except PlaceError as error:
        yield fail("kong.conf", str(error), "run this as root")
        return
    yield check_store(place.sidecar.get("MCP_SIDECAR_STORE"))
    yield check_variables(place)
    yield kong.check_plugins(place, conf)
    yield check_conf(place)
    yield kong.check_start(place)
    yield kong.check_description(place)[0]
    yield check_old_deck(files)


def check_variables(place: Installation) -> CheckResult:
    """Say whether this release's sidecar takes the variables that it is given."""
    check, mend = "sidecar's variables", "correct the sidecar's environment file"
    try:
        settings = import_module("mcp_sidecar.settings")
    except ModuleNotFoundError:
        return warn(check, "not looked at: the sidecar is not installed here", "pip install 'kong-mcp[sidecar]'")
    try:
        read = settings.read_settings(place.sidecar)
    except ValueError as error:
        return fail(check, "; ".join(str(error).splitlines()), mend)
    if read.warnings:
        return warn(check, "; ".join(read.warnings), mend)
    return ok(check, "this release takes them all")


def check_conf(place: Installation) -> CheckResult:
    """Say which settings of this release's kong.conf are missing in what Kong is given."""
    shipped = parse((kong_folder() / "kong.conf").read_text(encoding="utf-8"))
    missing = [name for name in _MUST_HAVE if not place.kong.get(name)]
    if missing:
        mend = "write: " + "; ".join(f"{name} = {shipped[name]}" for name in missing)
        return fail("settings of Kong", f"kong.conf lacks {', '.join(missing)}", mend)
    return ok("settings of Kong", "kong.conf has what this release added")


def check_old_deck(files: Sequence[Path]) -> CheckResult:
    """Say whether decK files hold what older releases put there."""
    check = "decK files"
    if not files:
        return warn(check, "none were named", "name them: --deck deck")
    listed = [path for file in files for path in (sorted(file.rglob("*.y*ml")) if file.is_dir() else [file])]
    for path in listed:
        text = path.read_text(encoding="utf-8", errors="replace")
        for old, meaning in _GONE.items():
            if old in text:
                return fail(
                    check, f"{path} has {old}: {meaning}", "kong-mcp unpack brings deck/shared.yaml anew; sync it"
                )
    return ok(check, f"nothing of an older release in {len(listed)} files; kong-mcp deck diff says what changes")
