"""`kong-mcp usage`: who used what, from the store in which the sidecars count."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, TypeVar

import click

from kong_mcp.spans import Span
from mcp_core.scan import ItemKind
from mcp_core.scan.excerpt import escaped
from mcp_core.telemetry import usage as questions
from mcp_core.telemetry.tally import HOUR_MS, UsageKey
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.store import Store
from mcp_sidecar.store.usage import UsageStore

_F = TypeVar("_F", bound=Callable[..., Any])
_COLUMNS: Final = {"tool": "name", "item": "name", "error": "error", "hour": "hour"}
"""What --by calls a member of the key that has another name there."""
BY: Final = ("server", "tool", "principal", "method", "outcome", "reason", "error", "era", "lane", "hour")


def _options(command: _F) -> _F:
    """Give a command the store, the span of time and the form, and the open store in place of its address."""

    @click.option(
        "--store", "address", envvar="MCP_SIDECAR_STORE", required=True, help="File of SQLite, or a postgresql:// URL."
    )
    @click.option("--since", type=Span(), default="7d", show_default=True, help="How far back: 24h, 7d, 2w.")
    @click.option("--server", help="Of this server only.")
    @click.option("--format", "form", type=click.Choice(("table", "json", "csv")), default="table", show_default=True)
    @wraps(command)
    def wrapped(address: str, **arguments: Any) -> Any:
        with opened(address) as store:
            return command(store, address=address, **arguments)

    return wrapped  # type: ignore[return-value]  # click calls it by its options


@contextmanager
def opened(address: str) -> Iterator[UsageStore]:
    """Open the store, and say what went wrong as an error of the command."""
    try:
        store = UsageStore(address)
        try:
            yield store
        finally:
            store.close()
    except (StoreError, ValueError) as error:
        raise click.ClickException(str(error)) from None


class _ShowUnlessNamed(click.Group):
    """A group whose command is `show` where none is named: its options may follow the group's name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command's name where it is left out."""
        named = bool(args) and (not args[0].startswith("-") or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["show", *args])


@click.group(cls=_ShowUnlessNamed)
def usage() -> None:
    """Say who used what, how often and how well: `kong-mcp usage` alone is `kong-mcp usage show`."""


@usage.command()
@_options
@click.option("--by", default="server,tool", show_default=True, help=f"What each line is of: {', '.join(BY)}.")
@click.option("--tool", help="Calls of this tool or prompt only.")
@click.option("--principal", help="Requests of this principal only.")
def show(
    store: UsageStore,
    by: str,
    since: int,
    server: str | None,
    tool: str | None,
    principal: str | None,
    form: str,
    address: str,  # noqa: ARG001 - every command gets it
) -> None:
    """Count requests: calls, errors, time within which half and 95 % were done, bytes and estimated tokens.

    \b
    kong-mcp usage show --since 24h --by server,tool,principal
    kong-mcp usage show --by outcome,reason --format csv
    """  # noqa: D301 - click's \b keeps the example's lines
    columns = [one.strip() for one in by.split(",")]
    if unknown := set(columns) - set(BY):
        raise click.UsageError(f"--by has no {', '.join(sorted(unknown))}: write some of {', '.join(BY)}")
    found = [
        (key, counted)
        for key, counted in _rows(store, since, server)
        if tool in (None, key.name) and principal in (None, key.principal)
    ]
    summed = questions.summed(found, [_COLUMNS.get(column, column) for column in columns])
    _print([_line(columns, what) | questions.figures(counted) for what, counted in summed.items()], form)


@usage.command()
@_options
@click.argument("tool")
def who(store: UsageStore, tool: str, since: int, server: str | None, form: str, address: str) -> None:  # noqa: ARG001
    """Say who uses a tool: each principal, how often, and when last (to the hour, or the day for older ones)."""
    found = [(key, counted) for key, counted in _rows(store, since, server) if key.name == tool]
    last: dict[tuple[str, str], int] = {}
    for key, _ in found:
        last[key.server, key.principal] = max(key.hour, last.get((key.server, key.principal), 0))
    summed = questions.summed(found, ("server", "principal"))
    _print(
        [
            _line(("server", "principal"), what) | questions.figures(counted) | {"last": _hour(last[what])}
            for what, counted in summed.items()
        ],
        form,
    )


@usage.command()
@_options
def unused(store: UsageStore, since: int, server: str | None, form: str, address: str) -> None:
    """List the tools and prompts that are open (as pins know) and that nobody has called."""
    called = questions.used(_rows(store, since, server))
    known = Store(address)
    try:
        standings = known.standings(server)
    finally:
        known.close()
    words = {ItemKind.TOOL: "tool", ItemKind.PROMPT: "prompt"}
    lines = [
        {"server": standing.id.server, "kind": words[standing.id.kind], "name": standing.id.name}
        for standing in standings
        if standing.id.kind in words
        and standing.state == "open"
        and (standing.id.server, standing.id.name) not in called
    ]
    _print(lines, form)


@usage.command()
@_options
@click.option("--by", default="server,tool,principal", show_default=True, help=f"What is compared: {', '.join(BY)}.")
def changes(store: UsageStore, by: str, since: int, server: str | None, form: str, address: str) -> None:  # noqa: ARG001
    """Compare this span with the one before it: what is new, what is gone, what doubled or halved."""
    columns = [one.strip() for one in by.split(",")]
    if unknown := set(columns) - set(BY):
        raise click.UsageError(f"--by has no {', '.join(sorted(unknown))}: write some of {', '.join(BY)}")
    now = _now()
    before = store.rows_between(now - 2 * since, now - since, server)
    told = questions.changes(before, _rows(store, since, server), [_COLUMNS.get(column, column) for column in columns])
    _print(
        [
            {"change": change.word, **_line(columns, change.what), "before": change.before, "now": change.now}
            for change in told
        ],
        form,
    )


def _now() -> int:
    """Return the hour that begins next: the present one counts too."""
    return time.time_ns() // 1_000_000 // HOUR_MS + 1


def _rows(store: UsageStore, since: int, server: str | None) -> Iterator[tuple[UsageKey, Any]]:
    return store.rows_between(_now() - since, _now(), server)


def _line(columns: Sequence[str], what: Sequence[Any]) -> dict[str, Any]:
    return {name: _hour(one) if name == "hour" else one for name, one in zip(columns, what, strict=True)}


def _hour(number: int) -> str:
    return time.strftime("%Y-%m-%dT%H:00Z", time.gmtime(number * 3600))


def _print(lines: Sequence[dict[str, Any]], form: str) -> None:
    """Print lines. Names are agents' and servers' texts: a table shows them escaped, CSV hides formulas."""
    if form == "json":
        click.echo(json.dumps(list(lines), indent=2))
        return
    if not lines:
        click.echo("nothing was counted", err=True)
        return
    if form == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in line.items()} for line in lines)
        click.echo(text.getvalue(), nl=False)
        return
    shown = [list(lines[0]), *([_shown(value) for value in line.values()] for line in lines)]
    widths = [max(len(row[number]) for row in shown) for number in range(len(shown[0]))]
    numeric = [isinstance(value, int | float) or value is None for value in lines[0].values()]
    for row in shown:
        cells = zip(row, widths, numeric, strict=True)
        click.echo("  ".join(one.rjust(w) if right else one.ljust(w) for one, w, right in cells).rstrip())


def _shown(value: Any) -> str:
    return "-" if value in (None, "") else escaped(str(value))


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t" and value else value
