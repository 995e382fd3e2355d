"""Files that commands write."""

from __future__ import annotations

import os
from pathlib import Path

import click


def write_whole(out: Path, text: str) -> None:
    """Replace a file whole, so that nobody who reads it meanwhile gets half of it.

    A link goes on pointing where it did, and what is no file (/dev/stdout, a pipe) is written to and stays what it is.

    Raises:
        click.ClickException: it cannot be written.
    """
    try:
        if out.exists() and not out.is_file():
            out.write_text(text, encoding="utf-8")
            return
        out = out.resolve()
        scratch = out.with_name(f".{out.name}.{os.getpid()}")
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(out)
    except OSError as error:
        raise click.ClickException(f"cannot write {out}: {error.strerror}") from None
