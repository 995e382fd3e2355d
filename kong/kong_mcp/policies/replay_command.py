"""`kong-mcp policy replay`: yesterday's calls against tomorrow's policy."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Final

import click

from kong_mcp.policies import replay_report
from kong_mcp.policies.commands import PATH, PolicyCommandError, uncollected
from kong_mcp.policies.documents import PolicySourceError
from kong_mcp.policies.recorded import counted_calls, logged_calls
from kong_mcp.policies.replay import Replayed, ReplayWord, replay
from kong_mcp.policies.source import read_policies
from kong_mcp.spans import Span
from mcp_core.scan.excerpt import escaped

_LOSSES: Final = (ReplayWord.LOST, ReplayWord.MAY_LOSE)
_GAINS: Final = (ReplayWord.GAINED, ReplayWord.MAY_GAIN)
_FAIL_ON: Final = {"any": (*_LOSSES, *_GAINS), "loss": _LOSSES, "gain": _GAINS}


@click.command("replay")
@click.option("--policy", "paths", type=PATH, multiple=True, required=True, help="The policy to try: as for explain.")
@click.option("--old", type=PATH, multiple=True, help="The policy that was in force: fewer calls are in doubt.")
@click.option("--with", "shared", type=PATH, multiple=True, help="Files of both states: decK with consumers, say.")
@click.option("--store", "address", envvar="MCP_SIDECAR_STORE", metavar="ADDRESS", help="Where usage is counted.")
@click.option("--log", "folder", type=PATH, help="An audit log, in place of --store: it has URIs of resources too.")
@click.option("--since", type=Span(), default="7d", show_default=True, help="How far back: 24h, 7d, 2w.")
@click.option("--server", help="Calls of this server only.")
@click.option("--json", "output", flag_value="json", help="Print JSON.")
@click.option("--markdown", "output", flag_value="markdown", help="Print tables for a pull request.")
@click.option(
    "--fail-on",
    type=click.Choice(tuple(_FAIL_ON)),
    default="any",
    show_default=True,
    help="Which changes make the exit status 1.",
)
def replay_command(  # noqa: PLR0913, PLR0917 - each is an option
    paths: tuple[Path, ...],
    old: tuple[Path, ...],
    shared: tuple[Path, ...],
    address: str | None,
    folder: Path | None,
    since: int,
    server: str | None,
    output: str | None,
    fail_on: str,
) -> None:
    """Say which calls of whom would end otherwise, had this policy been in force.

    \b
    kong-mcp policy replay --policy new.yaml --store store.db --since 7d
    kong-mcp policy replay --policy deck/servers --old main/deck/servers --with deck/consumers.yaml --markdown
    kong-mcp policy replay --policy new.yaml --log /var/lib/kong-mcp/audit --fail-on loss

    Groups and scopes of callers are not recorded: where they would decide, calls "may" be lost or gained.

    Exit status: 0 where all would end as they did, 1 where some would not (--fail-on), 2 where something given cannot
    be used, or nothing was recorded that could be replayed.
    """  # noqa: D301 - click's \b keeps the examples' lines
    if folder is None and address is None:
        raise click.UsageError("say where calls were recorded: --store, MCP_SIDECAR_STORE, or --log")
    now = time.time_ns() // 1_000_000
    try:
        with uncollected():
            new = read_policies([*paths, *shared])
            before = read_policies([*old, *shared]) if old else None
            if folder is not None:
                recorded = logged_calls(folder, since, now, server)
            else:
                recorded = counted_calls(str(address), since, now, server)
            found = replay(recorded, new, before)
    except PolicySourceError as error:
        raise PolicyCommandError(escaped(str(error))) from None
    _print(found, output)
    if not found.judged:
        raise PolicyCommandError("no call was recorded that could be replayed: this says nothing about the policy")
    raise SystemExit(1 if found.has(*_FAIL_ON[fail_on]) else 0)


def _print(found: Replayed, output: str | None) -> None:
    if output == "json":
        click.echo(json.dumps(replay_report.to_json(found), indent=2))
        return
    for line in replay_report.markdown(found) if output == "markdown" else replay_report.lines(found):
        click.echo(line)
