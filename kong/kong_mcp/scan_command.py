"""`kong-mcp scan`: the scanner of the gateway, for the command line and for CI."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import click
import yaml

from kong_devkit.errors import unreadable
from kong_mcp import scan_output
from kong_mcp.scan_live import LIST_SECONDS, LiveError, fetch_surface
from kong_mcp.scan_output import ScanRow
from kong_mcp.scan_sources import (
    Lines,
    Listed,
    Servers,
    SourceError,
    SourceLine,
    by_server,
    inventory,
    read_source,
    tool_of,
)
from kong_mcp.written import write_whole
from mcp_core.scan import (
    Finding,
    ItemKind,
    Report,
    ScanConfig,
    ScanConfigError,
    Scanner,
    Severity,
    Surface,
    ToolNames,
    Verdict,
    escaped,
    tool_names,
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
@click.option(
    "--beside",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="FILE|DIR",
    help="Tools of other servers that stand before the same model: tools/list results or lines of tools.",
)
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header for a running server.")
@click.option(
    "--seconds",
    type=click.FloatRange(0),
    default=LIST_SECONDS,
    show_default=True,
    help="How long the pages of a running server's list may take after the first.",
)
def scan(  # noqa: PLR0913 - one for each option
    sources: tuple[str, ...],
    *,
    as_json: bool,
    sarif: Path | None,
    fail_on: str,
    what: str | None,
    together: bool,
    config: Path | None,
    beside: tuple[Path, ...],
    headers: tuple[str, ...],
    seconds: float,
) -> None:
    """Look for text in tools, prompts and resources that would steer a model.

    A FILE holds a tools/list result, one tool a line (JSONL), or a client's configuration with servers' URLs; - is
    standard input. A URL is a running server's MCP endpoint.

    Exit status: 0 if nothing reaches --fail-on, 1 if something does, 2 if a source could not be read.
    """
    scanner = Scanner(_config(config))
    known = _inventory(beside)
    given = read_headers(headers)
    rows: list[ScanRow] = []
    unread = 0
    for source in sources:
        try:
            for row in _rows(Look(scanner, known, source, seconds), what or "tools", given, together=together):
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
        write_whole(sarif, scan_output.sarif(rows))
    if unread:
        raise SystemExit(2)
    if any(row.report.verdict in _FAILS[fail_on] for row in rows):
        raise SystemExit(1)


def _config(path: Path | None) -> ScanConfig:
    if path is None:
        return ScanConfig()
    try:
        return ScanConfig.from_config(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path}: {unreadable(error)}") from None
    except (ScanConfigError, yaml.YAMLError) as error:
        raise click.UsageError(f"{path}: {error}") from None


def read_headers(given: Sequence[str]) -> dict[str, str]:
    """Return headers that were given as 'NAME: VALUE'. Raises UsageError."""
    headers = {}
    for one in given:
        name, colon, value = one.partition(":")
        if not colon or not name.strip():
            raise click.UsageError("--header: write 'NAME: VALUE'")
        headers[name.strip()] = value.strip()
    return headers


@dataclass(frozen=True)
class Look:
    """How one source is read: by which rules, and beside which servers' tools.

    The pages of a running server's list may take `seconds` after the first.
    """

    scanner: Scanner
    known: Mapping[str, frozenset[str]]
    source: str
    seconds: float

    @cached_property
    def names(self) -> ToolNames:
        """The names of the other servers' tools."""
        return ToolNames(self.known)

    def fetched(self, url: str, headers: Mapping[str, str]) -> Surface:
        """Return the surface of a running server, and say on standard error how far a long list is."""
        return fetch_surface(url, headers, seconds=self.seconds, tell=lambda line: click.echo(escaped(line), err=True))


def _inventory(paths: Sequence[Path]) -> dict[str, frozenset[str]]:
    known: dict[str, frozenset[str]] = {}
    for path in paths:
        try:
            for server, names in inventory(path).items():
                known[server] = known.get(server, frozenset()) | names
        except (SourceError, OSError) as error:
            raise click.UsageError(f"--beside {path}: {escaped(str(error))}") from None
    return known


def _rows(look: Look, what: str, headers: dict[str, str], *, together: bool) -> Iterator[ScanRow]:
    source = look.source
    if source.startswith(("http://", "https://")):
        yield from _surfaces(look, {source: look.fetched(source, headers)})
        return
    data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    read = read_source(data)
    if isinstance(read, Listed):
        yield from _surfaces(look, {"": read.surface})
    elif isinstance(read, Servers):
        yield from _configured(look, read, headers)
    elif together:
        yield from _surfaces(look, {server: {"tools": tools} for server, tools in by_server(read)})
    else:
        yield from _lines(look, read, what)


def _configured(look: Look, servers: Servers, headers: dict[str, str]) -> Iterator[ScanRow]:
    for name in servers.others:
        click.echo(f"{escaped(name)}: not scanned, it runs a command; scan the URL that serves it", err=True)
    surfaces: dict[str, Surface] = {}
    failures = []
    for name, (url, own) in servers.urls.items():
        try:
            surfaces[name] = look.fetched(url, {**own, **headers})
        except LiveError as error:
            failures.append(f"{name}: {error}")
    yield from _surfaces(look, surfaces)
    if failures:
        raise LiveError("; ".join(failures))


def _surfaces(look: Look, surfaces: Mapping[str, Surface]) -> Iterator[ScanRow]:
    index = 0
    names = ToolNames(look.known)
    for server, surface in surfaces.items():
        names.add(server, tool_names(surface))
    for server, surface in surfaces.items():
        others = len((look.known.keys() | surfaces.keys()) - {server})
        for (kind, name), report in look.scanner.scan_beside(surface, server, names).items():
            yield ScanRow(look.source, index, kind.value, name, report, server, others)
            index += 1


def _lines(look: Look, lines: Lines, what: str) -> Iterator[ScanRow]:
    read = _LOOKS[what]
    shown = len(lines.lines) >= _LONG and sys.stderr.isatty()
    with click.progressbar(lines.lines, label="scanning", file=sys.stderr, hidden=not shown) as bar:
        for line in bar:
            if line.value is None:
                yield ScanRow(look.source, line.index, what, "", _unreadable(line, line.why))
            else:
                yield read(look, line, line.value)


def _tool(look: Look, line: SourceLine, value: Any) -> ScanRow:
    tool = tool_of(value)
    if not look.known:
        return ScanRow(
            look.source, line.index, "tools", _name(tool), look.scanner.scan_item(ItemKind.TOOL, tool), beside=0
        )
    server = str(value.get("server", ""))
    reports = look.scanner.scan_beside({"tools": [tool]}, server, look.names)
    others = len(look.known.keys() - {server})
    return ScanRow(look.source, line.index, "tools", _name(tool), reports[ItemKind.TOOL, _name(tool)], beside=others)


def _result(look: Look, line: SourceLine, value: Any) -> ScanRow:
    text = value.get("text")
    report = look.scanner.scan_result(text) if isinstance(text, str) else _unreadable(line, "the line has no text")
    return ScanRow(look.source, line.index, "result", _name(value), report)


def _change(look: Look, line: SourceLine, value: Any) -> ScanRow:
    before, after = tool_of(value.get("before")), tool_of(value.get("after"))
    if not after:
        return ScanRow(look.source, line.index, "change", _name(before), _unreadable(line, "the line has no after"))
    return ScanRow(
        look.source, line.index, "change", _name(after), look.scanner.scan_change(ItemKind.TOOL, before, after)
    )


_LOOKS: Final[dict[str, Callable[[Look, SourceLine, Any], ScanRow]]] = {
    "tools": _tool,
    "results": _result,
    "changes": _change,
}


def _name(value: dict[str, Any]) -> str:
    name = value.get("name")
    return name if isinstance(name, str) else ""


def _unreadable(line: SourceLine, why: str) -> Report:
    finding = Finding(_UNREADABLE, "input", Severity.BLOCK, f"line {line.index + 1}", "", f"It cannot be read: {why}.")
    return Report.of([finding])
