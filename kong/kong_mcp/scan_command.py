"""`kong-mcp scan`: the scanner of the gateway, for the command line and for CI."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click
import yaml

from kong_mcp import scan_output
from kong_mcp.scan_live import LiveError, fetch_surface
from kong_mcp.scan_output import Row
from kong_mcp.scan_sources import Line, Lines, Listed, Servers, SourceError, by_server, read_source, tool_of
from mcp_core.scan import (
    Finding,
    ItemKind,
    Report,
    ScanConfig,
    ScanConfigError,
    Scanner,
    Severity,
    Surface,
    Verdict,
    escaped,
)

_UNREADABLE: Final = "input.unreadable"
_FAILS: Final = {
    "block": {Verdict.BLOCK},
    "flag": {Verdict.BLOCK, Verdict.FLAG},
    "never": set[Verdict](),
}
_LONG: Final = 200
"""Lines from which a progress bar is worth its line."""


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="FILE|URL...")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each tool, result or change.")
@click.option("--sarif", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write SARIF 2.1.0 too.")
@click.option(
    "--fail-on",
    type=click.Choice(tuple(_FAILS)),
    default="block",
    show_default=True,
    help="The verdict from which the exit status is 1.",
)
@click.option("--results", "what", flag_value="results", help="Lines are results of tools, with their `text`.")
@click.option("--changes", "what", flag_value="changes", help="Lines are changes of tools: `before` and `after`.")
@click.option("--together", is_flag=True, help="Lines stand before one model: compare tools of different `server`s.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file with families, rules and patterns (spec/scanning.md).",
)
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header for a running server.")
def scan(
    sources: tuple[str, ...],
    *,
    as_json: bool,
    sarif: Path | None,
    fail_on: str,
    what: str | None,
    together: bool,
    config: Path | None,
    headers: tuple[str, ...],
) -> None:
    """Look for text in tools, prompts and resources that would steer a model.

    A FILE holds a tools/list result, one tool a line (JSONL), or a client's configuration with servers' URLs; - is
    standard input. A URL is a running server's MCP endpoint.

    Exit status: 0 if nothing reaches --fail-on, 1 if something does, 2 if a source could not be read.
    """
    scanner = Scanner(_config(config))
    given = _headers(headers)
    rows: list[Row] = []
    unread = 0
    for source in sources:
        try:
            for row in _rows(scanner, source, what or "tools", given, together=together):
                rows.append(row)
                if as_json:
                    sys.stdout.write(scan_output.json_line(row) + "\n")
        except (SourceError, LiveError, OSError) as error:
            unread += 1
            said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            click.echo(f"{escaped(source)}: {escaped(said)}", err=True)
    if not as_json:
        for line in scan_output.table(rows):
            click.echo(line)
    if sarif:
        sarif.write_text(scan_output.sarif(rows), encoding="ascii")
    if unread:
        raise SystemExit(2)
    if any(row.report.verdict in _FAILS[fail_on] for row in rows):
        raise SystemExit(1)


def _config(path: Path | None) -> ScanConfig:
    if path is None:
        return ScanConfig()
    try:
        return ScanConfig.from_config(yaml.safe_load(path.read_bytes()) or {})
    except (ScanConfigError, yaml.YAMLError) as error:
        raise click.UsageError(f"{path}: {error}") from None


def _headers(given: Sequence[str]) -> dict[str, str]:
    headers = {}
    for one in given:
        name, colon, value = one.partition(":")
        if not colon or not name.strip():
            raise click.UsageError("--header: write 'NAME: VALUE'")
        headers[name.strip()] = value.strip()
    return headers


def _rows(scanner: Scanner, source: str, what: str, headers: dict[str, str], *, together: bool) -> Iterator[Row]:
    if source.startswith(("http://", "https://")):
        yield from _surfaces(scanner, source, {source: fetch_surface(source, headers)})
        return
    data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    read = read_source(data)
    if isinstance(read, Listed):
        yield from _surfaces(scanner, source, {"": read.surface})
    elif isinstance(read, Servers):
        yield from _configured(scanner, source, read, headers)
    elif together:
        yield from _surfaces(scanner, source, {server: {"tools": tools} for server, tools in by_server(read)})
    else:
        yield from _lines(scanner, source, read, what)


def _configured(scanner: Scanner, source: str, servers: Servers, headers: dict[str, str]) -> Iterator[Row]:
    for name in servers.others:
        click.echo(f"{escaped(name)}: not scanned, it runs a command; scan the URL that serves it", err=True)
    surfaces: dict[str, Surface] = {}
    failures = []
    for name, (url, own) in servers.urls.items():
        try:
            surfaces[name] = fetch_surface(url, {**own, **headers})
        except LiveError as error:
            failures.append(f"{name}: {error}")
    yield from _surfaces(scanner, source, surfaces)
    if failures:
        raise LiveError("; ".join(failures))


def _surfaces(scanner: Scanner, source: str, surfaces: dict[str, Surface]) -> Iterator[Row]:
    index = 0
    for server, reports in scanner.scan_inventory(surfaces).items():
        for (kind, name), report in reports.items():
            yield Row(source, index, kind.value, name, report, server)
            index += 1


def _lines(scanner: Scanner, source: str, lines: Lines, what: str) -> Iterator[Row]:
    look = _LOOKS[what]
    shown = len(lines.lines) >= _LONG and sys.stderr.isatty()
    with click.progressbar(lines.lines, label="scanning", file=sys.stderr, hidden=not shown) as bar:
        for line in bar:
            if line.value is None:
                yield Row(source, line.index, what, "", _unreadable(line, line.why))
            else:
                yield look(scanner, source, line, line.value)


def _tool(scanner: Scanner, source: str, line: Line, value: Any) -> Row:
    tool = tool_of(value)
    return Row(source, line.index, "tools", _name(tool), scanner.scan_item(ItemKind.TOOL, tool))


def _result(scanner: Scanner, source: str, line: Line, value: Any) -> Row:
    text = value.get("text")
    report = scanner.scan_result(text) if isinstance(text, str) else _unreadable(line, "the line has no text")
    return Row(source, line.index, "result", _name(value), report)


def _change(scanner: Scanner, source: str, line: Line, value: Any) -> Row:
    before, after = tool_of(value.get("before")), tool_of(value.get("after"))
    if not after:
        return Row(source, line.index, "change", _name(before), _unreadable(line, "the line has no after"))
    return Row(source, line.index, "change", _name(after), scanner.scan_change(ItemKind.TOOL, before, after))


_LOOKS: Final[dict[str, Callable[[Scanner, str, Line, Any], Row]]] = {
    "tools": _tool,
    "results": _result,
    "changes": _change,
}


def _name(value: dict[str, Any]) -> str:
    name = value.get("name")
    return name if isinstance(name, str) else ""


def _unreadable(line: Line, why: str) -> Report:
    finding = Finding(_UNREADABLE, "input", Severity.BLOCK, f"line {line.index + 1}", "", f"It cannot be read: {why}.")
    return Report.of([finding])
