"""What `kong-mcp scan` reads: files of items, results or changes, client configurations, and servers' surfaces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from mcp_core import jsonrpc, methods
from mcp_core.jsonrpc import Limits, NotStrictError
from mcp_core.scan import Surface

LIMITS: Final = Limits(body=64 * 1024 * 1024, keys=2_000_000)
"""What one file, or one line of it, may hold: inventories are larger than messages."""

_SERVERS: Final = ("mcpServers", "servers", "mcp")


class SourceError(ValueError):
    """A file cannot be read; the message says why and what to give instead."""


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One line of a JSONL file: its number from 0, and its object, or why there is none."""

    index: int
    value: Mapping[str, Any] | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """A file with one object a line."""

    lines: tuple[SourceLine, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A server's surface, from the answer to a list or several of them."""

    surface: Surface


@dataclass(frozen=True, slots=True)
class Servers:
    """A client's configuration: name -> URL and headers of servers that are reached over HTTP; names of the others."""

    urls: Mapping[str, tuple[str, Mapping[str, str]]]
    others: tuple[str, ...]


Source: TypeAlias = Lines | Listed | Servers


def read_source(data: bytes) -> Source:
    """Tell what a file holds. Raises SourceError if it is nothing that can be scanned."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    rows = [(index, row) for index, row in enumerate(data.split(b"\n")) if row.strip()]
    if not rows:
        raise SourceError("it is empty; give a tools/list result, one tool a line, or a client's configuration")
    if len(rows) > 1 and (_line(*rows[0]).value is not None or _line(*rows[1]).value is not None):
        return Lines(tuple(_line(index, row) for index, row in rows))
    try:
        value = jsonrpc.load(data, LIMITS)
    except NotStrictError as error:
        if len(rows) == 1 or rows[0][1].lstrip()[:1] != b"{":
            raise SourceError(f"it is not strict JSON, nor one object a line: {error}") from None
        raise SourceError(f"it is not strict JSON: {error}") from None
    return _document(value)


def _line(index: int, row: bytes) -> SourceLine:
    try:
        value = jsonrpc.load(row, LIMITS)
    except NotStrictError as error:
        return SourceLine(index, None, f"the line is not strict JSON: {error}")
    if not isinstance(value, dict):
        return SourceLine(index, None, "the line is not an object")
    return SourceLine(index, value)


def _document(value: Any) -> Source:
    if isinstance(value, list):
        return Lines(
            tuple(
                SourceLine(index, one)
                if isinstance(one, dict)
                else SourceLine(index, None, "the member is not an object")
                for index, one in enumerate(value)
            )
        )
    if not isinstance(value, dict):
        raise SourceError("it holds neither an object nor a list of them")
    result = value.get("result")
    for holder in (value, result if isinstance(result, dict) else {}):
        if any(isinstance(holder.get(key), list) for key in methods.SURFACE_KEYS):
            return Listed(holder)
    for key in _SERVERS:
        servers = value.get(key)
        if isinstance(servers, dict) and isinstance(servers.get("servers"), dict):
            servers = servers["servers"]  # VS Code's settings.json: mcp.servers
        if isinstance(servers, dict) and all(isinstance(server, dict) for server in servers.values()):
            return _servers(servers)
    return Lines((SourceLine(0, value),))


def _servers(configured: Mapping[str, Mapping[str, Any]]) -> Servers:
    urls, others = {}, []
    for name, one in configured.items():
        url = one.get("url") or one.get("serverUrl") or one.get("httpUrl")
        if isinstance(url, str):
            headers = one.get("headers")
            held = headers if isinstance(headers, dict) else {}
            urls[name] = (url, {key: value for key, value in held.items() if isinstance(value, str)})
        else:
            others.append(name)
    return Servers(urls, tuple(others))


TOOL_KEYS: Final = frozenset(
    "name title description inputSchema outputSchema annotations _meta icons execution".split()  # noqa: SIM905 - a list of words
)
"""Members of a tool that MCP defines: on a line of JSONL the others are the file's own (source, label) and not read."""


def tool_of(value: Any) -> dict[str, Any]:
    """Return the tool that a line describes."""
    return {key: one for key, one in value.items() if key in TOOL_KEYS} if isinstance(value, dict) else {}


def inventory(path: Path) -> dict[str, frozenset[str]]:
    """Return server -> names of its tools, from a file or every file of a folder.

    A file is a tools/list result or lines of tools. The server is the line's `server`, or the file's stem.

    Raises:
        SourceError: naming the file that holds no tools.
    """
    files = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
    found: dict[str, set[str]] = {}
    for file in files:
        try:
            read = read_source(file.read_bytes())
        except SourceError as error:
            raise SourceError(f"{file.name}: {error}") from None
        if isinstance(read, Servers):
            raise SourceError(f"{file.name}: it is a client's configuration; give what the servers list")
        surfaces: Iterable[tuple[str, Any]] = (
            [("", read.surface.get("tools", ()))] if isinstance(read, Listed) else by_server(read)
        )
        for server, tools in surfaces:
            named = (tool.get("name") for tool in tools if isinstance(tool, dict))
            found.setdefault(server or file.stem, set()).update(name for name in named if isinstance(name, str))
    if not any(found.values()):
        raise SourceError(f"{path.name}: no tools are in it")
    return {server: frozenset(names) for server, names in found.items()}


def by_server(lines: Lines) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """Yield server -> its tools, for lines that say which server they come from."""
    servers: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines.lines:
        if line.value is not None:
            servers.setdefault(str(line.value.get("server", "")), []).append(tool_of(line.value))
    yield from servers.items()
