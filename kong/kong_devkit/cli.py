"""The command line: ``kong-devkit start`` and ``kong-devkit check``."""

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from kong_devkit import app, kongconf
from kong_devkit.errors import ConfigError
from kong_devkit.render_cli import render_command

_CONF = click.option(
    "-c",
    "--conf",
    required=True,
    type=click.Path(path_type=Path),
    help="A kong.conf. KONG_* variables override its keys.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kong-mcp")
def main() -> None:
    """Stand in for Kong Gateway 3.9 (DB-less) while you try or test plugins.

    It reads the same kong.conf and the same declarative file, and drives the same ProtoBuf:1 plugin servers.
    It has what an MCP gateway needs of Kong, refuses what it does not have, speaks plain HTTP/1.1 only, and is not for
    production.
    """


@main.command()
@_CONF
def start(conf: Path) -> None:
    """Run in the foreground until SIGTERM or Ctrl-C; POST /config of the Admin API brings another declarative file."""
    gateway = _build(conf)
    try:
        asyncio.run(gateway.run())
    except OSError as error:
        _fail(f"cannot listen: {error}")


@main.command()
@_CONF
def check(conf: Path) -> None:
    """Check a kong.conf, its plugin servers' descriptions and the declarative file; name what does not fit."""
    _build(conf)
    click.echo("configuration is valid")


def _build(conf: Path) -> app.Gateway:
    try:
        loaded = kongconf.load(conf, os.environ)
        logging.basicConfig(
            level=loaded.log_level, stream=sys.stderr, format="%(asctime)s [%(levelname)s] %(name)s: %(message)s"
        )
        loaded.prefix.mkdir(parents=True, exist_ok=True)
        return app.build(loaded)
    except ConfigError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"prefix: {error}")


def _fail(message: str) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(1)


main.add_command(render_command)
