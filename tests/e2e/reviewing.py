"""`kong-mcp surface` on the store of a gateway that runs."""

from __future__ import annotations

from click.testing import CliRunner

from kong_mcp.cli import main
from kong_mcp.dev import STORE_FILE


def review(running, *arguments):
    """Run a command of a reviewer, and return what it prints."""
    dev = running.dev
    done = CliRunner().invoke(
        main, ["surface", *arguments, "--store", dev.settings.store or str(dev.folder / STORE_FILE)]
    )
    assert done.exit_code == 0, done.output
    return done.output
