"""All server files of a platform, as one: each read, and held to the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kong_mcp.declare.problems import Problem
from kong_mcp.declare.server_file import ServerFile, read_file
from kong_mcp.declare.virtual import resolve

SUFFIXES: Final = frozenset({".yaml", ".yml"})
DESCRIPTIONS: Final = (".openapi.yaml", ".openapi.yml")
"""How files are named that are no server files, but descriptions of REST APIs beside them."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What was read: servers by name, and what is wrong. Nothing may be made of servers while `errors` has any."""

    servers: tuple[ServerFile, ...]
    problems: tuple[Problem, ...] = field(default=())

    @property
    def errors(self) -> list[Problem]:
        """The problems that are no warnings."""
        return [problem for problem in self.problems if not problem.warning]


def read_folder(paths: Sequence[Path]) -> Folder:
    """Read server files, and all those below folders. Files that cannot be used are among the problems alone."""
    servers, problems = [], []
    seen: set[Path] = set()
    for path in paths:
        files = list(_files(path))
        if not files:
            text = "found no such file or folder" if not path.exists() else "found no .yaml file in this folder"
            problems.append(Problem(str(path), 1, "", f"{text}; write one: kong-mcp server add NAME URL"))
        for file in files:
            if (real := file.resolve()) in seen:  # named twice, by itself and by its folder say
                continue
            seen.add(real)
            server, found = read_file(file)
            problems += found
            if server is not None:
                servers.append(server)
    return together(servers, problems)


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if _is_server_file(file))
    elif path.exists():
        yield path


def _is_server_file(file: Path) -> bool:
    return file.suffix in SUFFIXES and not file.name.endswith(DESCRIPTIONS) and file.is_file()


def together(servers: Sequence[ServerFile], problems: Sequence[Problem] = ()) -> Folder:
    """Return servers as one folder, with what is wrong between them added to the problems."""
    found = list(problems)
    names: dict[str, ServerFile] = {}
    paths: dict[str, ServerFile] = {}
    for server in servers:
        if (other := names.setdefault(server.name, server)) is not server:
            where = f"{other.file}:{other.line('name')}"
            found.append(
                server.problem("name", f"found {server.name}, the name of the server in {where}; write another")
            )
            continue
        clash = next((path for path in server.paths if paths.setdefault(path, server) is not server), None)
        if clash is not None:
            other = paths[clash]
            text = f"agents reach {other.name} ({other.file}:{other.line('path')}) at {clash} already; write another"
            found.append(server.problem("path", text))
    found += [
        server.problem(
            "successor", f"{server.values['successor']} is no server here; is it declared elsewhere?", warning=True
        )
        for server in servers
        if server.values.get("successor", server.name) not in names
    ]
    known, wrong = resolve(sorted(servers, key=lambda server: server.name))
    return Folder(tuple(known), tuple(sorted([*found, *wrong])))
