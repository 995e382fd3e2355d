"""What the commands that look at an installation share: where it is, and how they say what they saw."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from kong_mcp.doctor.finding import CheckResult, Level

_FILE = click.Path(path_type=Path)


def places_of(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say where kong.conf and the environments of the services are."""
    for option in (
        click.option(
            "--sidecar-env",
            type=_FILE,
            default="/etc/kong-mcp/sidecar.env",
            show_default=True,
            help="The sidecar's likewise.",
        ),
        click.option(
            "--guard-env",
            type=_FILE,
            default="/etc/kong-mcp/guard.env",
            show_default=True,
            help="Environment file of the plugin server; where there is none, this environment is taken.",
        ),
        click.option(
            "--conf", type=_FILE, default="/etc/kong/kong.conf", show_default=True, help="Kong's configuration."
        ),
    ):
        command = option(command)
    return command


def tell(findings: Iterable[CheckResult], *, as_json: bool) -> None:
    """Print findings as they come, or as one JSON document; end with status 1 if one is a failure."""
    told = []
    for finding in findings:
        told.append(finding)
        if not as_json:
            click.echo(f"{finding.level:<5} {finding.check}: {finding.seen}")
            if finding.mend:
                click.echo(f"      -> {finding.mend}")
    failed = [result for result in told if result.level is Level.FAIL]
    if as_json:
        click.echo(json.dumps({"ok": not failed, "checks": [asdict(result) for result in told]}, indent=2))
    sys.exit(1 if failed else 0)
