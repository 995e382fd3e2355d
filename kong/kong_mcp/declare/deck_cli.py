"""`kong-mcp deck`: server files as decK state, and decK itself called with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import click

from kong_mcp.declare.emit import state_text, variables
from kong_mcp.declare.folder import read_folder
from kong_mcp.declare.model import TAG_PATTERN
from kong_mcp.declare.records import record_of
from kong_mcp.declare.render import SERVERS_TAG, TAG, SharedError, assemble, shared_files
from kong_mcp.declare.server_cli import good, paths_argument
from kong_mcp.written import write_whole
from mcp_core.servers import write_servers

_DECK: Final = "deck"
_HOW: Final = "https://docs.konghq.com/deck/ says how to install it"


def _state_options(command: Any) -> Any:
    """Give a command the options that say what else is in the state."""
    for option in (
        click.option(
            "--tag",
            help="Tag of everything in the state, by which decK knows what is not its business. "
            f"Default: {TAG}, or {SERVERS_TAG} without what is shared.",
        ),
        click.option(
            "--answers/--no-answers",
            default=True,
            show_default=True,
            help="Whether the plugin mcp-answers is in it. Leave it out for a Kong that does not load it.",
        ),
        click.option(
            "--collector/--no-collector",
            default=False,
            show_default=True,
            help="Whether Kong tells the sidecar's collector of each request (DECK_MCP_COLLECTOR_TOKEN).",
        ),
        click.option(
            "--registry/--no-registry",
            default=False,
            show_default=True,
            help="Whether clients find servers at /registry/v0.1/servers, without a credential (docs/registry.md).",
        ),
        click.option(
            "--portal/--no-portal",
            default=False,
            show_default=True,
            help="Whether people find the portal at /portal/ (docs/portal.md).",
        ),
        click.option(
            "--shared-file",
            "files",
            multiple=True,
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="decK state that all servers share, instead of what comes with this package.",
        ),
        click.option(
            "--shared/--no-shared",
            default=True,
            show_default=True,
            help="Whether what all servers share is in it: upstreams closed and mcp-sidecar, the sidecar's consumer.",
        ),
    ):
        command = option(command)
    return command


@click.group()
def deck() -> None:
    """Make decK state of server files, and give it to decK.

    \b
    kong-mcp deck render deck/servers --out deck/rendered.yaml
    kong-mcp deck diff deck/servers -- --kong-addr http://127.0.0.1:8001
    kong-mcp deck sync deck/servers -- --kong-addr http://127.0.0.1:8001
    """  # noqa: D301 - click's \b keeps the example's lines


@deck.command()
@paths_argument
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where the file of --out is another.")
@click.option(
    "--servers-out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what the sidecar is to know of each server to this file, for its MCP_SIDECAR_SERVERS_FILE.",
)
@_state_options
def render(paths: tuple[Path, ...], out: Path | None, servers_out: Path | None, *, check: bool, **options: Any) -> None:
    """Print one decK state for all servers of DIR.

    The same files give the same bytes. Nothing is rendered while anything in them must be mended (exit status 1).

    \b
    kong-mcp deck render deck/servers --out deck/rendered.yaml
    kong-mcp deck render deck/servers | deck file merge - deck/ours.yaml | deck gateway sync -
    kong-mcp deck render deck/servers --out deck/rendered.yaml --check      # in CI: is what is committed up to date?
    """  # noqa: D301 - click's \b keeps the example's lines
    text = _render(paths, **options)
    if check:
        if out is None:
            raise click.UsageError("--check needs --out FILE, the file to compare with")
        _compare(out, text, paths, "--out")
    if servers_out is not None:
        listed = write_servers(
            record_of(server_file) for server_file in read_folder(list(paths)).servers if not server_file.server.virtual
        )
        _compare(servers_out, listed, paths, "--servers-out") if check else write_whole(servers_out, listed)
    if check:
        return
    if out is None:
        click.echo(text, nl=False)
    else:
        write_whole(out, text)


def _compare(out: Path, text: str, paths: tuple[Path, ...], option: str) -> None:
    if not out.is_file() or out.read_bytes() != text.encode():
        again = " ".join(map(str, paths))
        raise click.ClickException(f"{out} is stale: kong-mcp deck render {again} {option} {out}")


def _render(
    paths: tuple[Path, ...],
    *,
    shared: bool,
    answers: bool,
    collector: bool,
    registry: bool,
    portal: bool,
    files: tuple[Path, ...],
    tag: str | None,
) -> str:
    if tag is not None and re.fullmatch(TAG_PATTERN, tag) is None:
        raise click.UsageError("--tag: write a tag without blank, comma and slash, team-sky say")
    folder = good(paths)
    chosen = list(files) or shared_files(answers=answers, registry=registry, portal=portal)
    try:
        files = tuple(chosen) if shared else ()
        state = assemble(folder.servers, files, tag or (TAG if shared else SERVERS_TAG), collector=collector)
    except SharedError as error:
        raise click.ClickException(str(error)) from None
    return state_text(state)


@deck.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.argument("flags", nargs=-1, type=click.UNPROCESSED, metavar="[-- DECK FLAGS]")
@_state_options
def diff(folder: Path, flags: tuple[str, ...], **options: Any) -> None:
    """Say what a sync would change: `deck gateway diff` with what is rendered of DIR.

    The exit status is decK's own.

    \b
    kong-mcp deck diff deck/servers
    kong-mcp deck diff deck/servers -- --kong-addr http://127.0.0.1:8001 --non-zero-exit-code
    """  # noqa: D301 - click's \b keeps the example's lines
    _call("diff", _render((folder,), **options), flags)


@deck.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.argument("flags", nargs=-1, type=click.UNPROCESSED, metavar="[-- DECK FLAGS]")
@_state_options
def sync(folder: Path, flags: tuple[str, ...], **options: Any) -> None:
    """Make Kong what DIR says: `deck gateway sync` with what is rendered of it.

    Servers whose files are gone are removed; what does not carry the state's tag stays as it is. Nothing is synced
    while anything in the files must be mended. The exit status is decK's own.

    \b
    kong-mcp deck sync deck/servers
    kong-mcp deck sync deck/servers -- --kong-addr http://127.0.0.1:8001
    """  # noqa: D301 - click's \b keeps the example's lines
    _call("sync", _render((folder,), **options), flags)


def _call(command: str, text: str, flags: tuple[str, ...]) -> None:
    """Call decK with a state on its standard input, and end with its exit status."""
    program = shutil.which(_DECK)
    if program is None:
        raise click.ClickException(f"there is no `{_DECK}` on the PATH: {_HOW}")
    if missing := [name for name in variables(text) if name not in os.environ]:
        raise click.ClickException(f"set {', '.join(missing)} in the environment: decK fills them in")
    done = subprocess.run([program, "gateway", command, "-", *flags], input=text, text=True, check=False)  # noqa: S603
    raise SystemExit(done.returncode)
