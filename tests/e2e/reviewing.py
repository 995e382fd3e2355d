"""`kong-mcp surface` on the store of a gateway that runs."""

from __future__ import annotations

from click.testing import CliRunner

from kong_mcp.cli import main
from mcp_sidecar.store.store import Store
from servers.stores import opened


def review(running, *arguments):
    """Run a command of a reviewer, and return what it prints."""
    with opened(Store, running.dev.store):
        done = CliRunner().invoke(main, ["surface", *arguments, "--store", running.dev.store])
    assert done.exit_code == 0, done.output
    return done.output
