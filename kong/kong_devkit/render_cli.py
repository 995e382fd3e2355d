"""The command ``render``: decK files in, one declarative file for Kong out."""

import os
from pathlib import Path

import click

from kong_devkit.errors import ConfigError
from kong_devkit.render import render
from kong_devkit.render_text import write_yaml


@click.command("render")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write here (mode 0600) instead of to stdout.")
def render_command(files: tuple[Path, ...], output: Path | None) -> None:
    """Merge decK FILES (or directories of them) into one file that Kong takes as declarative_config.

    Does what `deck file render --populate-env-vars` does: ${{ env "DECK_NAME" }} is filled in from the environment,
    _info.defaults and _plugin_configs are applied. The result holds secrets if the files do.

    Example: kong-devkit render deck/shared.yaml deck/servers -o build/kong.yaml
    """
    try:
        document = render(files, os.environ)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    text = write_yaml(document)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        _write(output, text)
    except OSError as error:
        raise click.ClickException(f"cannot write {output}: {error.strerror}") from error


def _write(path: Path, text: str) -> None:
    """Replace a file whole, so that a Kong that reloads meanwhile never reads half of it."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
    scratch.replace(path)
