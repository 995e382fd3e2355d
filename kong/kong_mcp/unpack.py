"""`kong-mcp unpack`: puts what a Kong needs from this package where kong.conf and people can name it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Final

import click

from kong_mcp.konnect import schema_lua
from kong_mcp.share import deck_folder, kong_folder, lua_folder, plugins_folder, program

_DECK: Final = ("shared.yaml", "answers.yaml", "registry.yaml", "portal.yaml", "template.yaml", "lint.yaml")


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def unpack(folder: Path) -> None:
    """Write plugins, their dumps, decK files, kong.conf, systemd units and schemas for Konnect into FOLDER.

    Do it again after each upgrade, then restart Kong: it reads the dumps when it starts. decK files that are there
    already are yours, and kept; where one differs from this release's, that is put beside it as NAME.new.
    """
    mask = os.umask(0o022)  # Kong's user must read all of it
    try:
        _copy(plugins_folder(), folder / "plugins", "*.py", "lua/**/*.lua")
        names = sorted(path.stem for path in plugins_folder().glob("*.py"))
        for name in names:
            dump = dump_of(folder / "plugins", name)
            _write(folder / f"{name}.json", dump)
            if not (lua_folder() / "kong" / "plugins" / name).is_dir():  # those have their schema in Lua
                schema = schema_lua(json.loads(dump)["Plugins"][0]["Schema"])
                _write(folder / "konnect" / name / "schema.lua", schema.encode())
        _copy(kong_folder(), folder / "kong", "kong.conf", "systemd/*")
        kept = [name for name in _DECK if not _offer(deck_folder() / name, folder / "deck" / name)]
    except subprocess.CalledProcessError as error:
        raise click.ClickException(f"the plugins do not load: {error.stderr.decode(errors='replace')}") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or folder}: {error.strerror or error}") from None
    finally:
        os.umask(mask)
    dumps = ", ".join(f"{name}.json" for name in names)
    click.echo(f"{folder}: plugins, {dumps}, kong/kong.conf, kong/systemd, konnect, deck")
    for name in kept:
        click.echo(f"{folder}/deck/{name} is not this release's, and was kept: compare it with {name}.new", err=True)


def dump_of(plugins: Path, name: str) -> bytes:
    """Return what Kong must know of a plugin in a folder of them.

    Raises:
        CalledProcessError: the plugin does not load; `stderr` says why.
    """
    command = [program("mcp-pluginserver"), "--plugins", str(plugins), "--dump", name]
    return subprocess.run(command, check=True, capture_output=True).stdout  # noqa: S603 - our own program, no shell


def _copy(source: Path, target: Path, *patterns: str) -> None:
    for path in sorted(path for pattern in patterns for path in source.glob(pattern)):
        _write(target / path.relative_to(source), path.read_bytes())


def _offer(source: Path, target: Path) -> bool:
    """Write a file where there is none; put it beside one that differs. Return whether the two are equal now."""
    wanted = source.read_bytes()
    if target.is_file() and target.read_bytes() != wanted:
        _write(target.with_name(f"{target.name}.new"), wanted)
        return False
    _write(target, wanted)
    return True


def _write(path: Path, content: bytes) -> None:
    """Write a file that everybody may read, in one step: Kong may be reading the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content)
    temporary.chmod(0o644)
    temporary.replace(path)
