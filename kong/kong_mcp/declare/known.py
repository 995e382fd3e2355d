"""Globs that match nothing of what servers are known to offer: mostly a word that was mistyped. Warnings, no more.

What is known comes from a lock file (`kong-mcp surface lock`); a server that is not in it is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kong_mcp.declare.problems import Problem, shown
from kong_mcp.declare.server_file import ServerFile
from mcp_core.methods import Kind
from mcp_core.policy import Access, View
from mcp_core.scan import ItemKind

_KINDS: Final[Mapping[str, tuple[Kind, frozenset[ItemKind]]]] = {
    "tools": (Kind.TOOL, frozenset({ItemKind.TOOL})),
    "prompts": (Kind.PROMPT, frozenset({ItemKind.PROMPT})),
    "resources": (Kind.RESOURCE, frozenset({ItemKind.RESOURCE, ItemKind.TEMPLATE})),
}

Surface = Mapping[str, Sequence[tuple[ItemKind, str]]]
"""Kinds and names of items, by server."""


class SurfaceError(ValueError):
    """What servers offer cannot be read from here; the message says what to do."""


def read_lock(path: Path) -> Surface:
    """Return what a lock file says that servers offer. Raises SurfaceError."""
    try:
        from mcp_sidecar.surface import lockfile  # noqa: PLC0415 - Kong's machine need not have what the sidecar needs
    except ModuleNotFoundError:
        raise SurfaceError("a lock file needs the store's packages: pip install 'kong-mcp[sidecar]'") from None
    try:
        locked = lockfile.read(path)
    except lockfile.LockError as error:
        raise SurfaceError(str(error)) from None
    surface: dict[str, list[tuple[ItemKind, str]]] = {}
    for item in locked:
        surface.setdefault(item.server, []).append((item.kind, item.name))
    return surface


def warnings(servers: Sequence[ServerFile], surface: Surface) -> list[Problem]:
    """Return a warning for each glob that matches nothing that its server is known to offer."""
    return [
        problem for server in servers if server.name in surface for problem in _of_server(server, surface[server.name])
    ]


def _of_server(server: ServerFile, items: Sequence[tuple[ItemKind, str]]) -> Iterator[Problem]:
    holders: list[tuple[str, Mapping[str, Any]]] = [("", server.values)]
    holders += [(f"rules[{at}].", rule) for at, rule in enumerate(server.values.get("rules", ()))]
    for before, holder in holders:
        for field, (kind, kinds) in _KINDS.items():
            names = [name for item, name in items if item in kinds]
            for word, globs in holder.get(field, {}).items():
                for at, glob in enumerate(globs):
                    if glob != "*" and not any(_concerns(kind, word, glob, name) for name in names):
                        text = f"{shown(glob)} matches none of the {len(names)} {field} that {server.name} offers"
                        yield server.problem(f"{before}{field}.{word}[{at}]", text, warning=True)


def _concerns(kind: Kind, word: str, glob: str, name: str) -> bool:
    """Return whether a glob matches a name as the guard has it: allowed exactly, denied in every spelling."""
    if word == "allow":
        return View({kind: Access((glob,), ())}).allows(kind, name)
    return not View({kind: Access(("*",), (glob,))}).allows(kind, name)
