"""The known surfaces: what servers offer, from a lock file, a store, or the answers to lists in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kong_mcp.policies.documents import PolicySourceError
from kong_mcp.scan_sources import Lines, Listed, SourceError, read_source
from mcp_core.methods import SURFACE_KEYS, Kind
from mcp_core.pins.snapshot import IS_OPEN, Surface
from mcp_core.scan.items import ItemKind

if TYPE_CHECKING:
    from mcp_sidecar.store.values import ItemId

WORDS: Final = {
    ItemKind.TOOL: "tool",
    ItemKind.PROMPT: "prompt",
    ItemKind.RESOURCE: "resource",
    ItemKind.TEMPLATE: "template",
    ItemKind.SKILL: "skill",
    ItemKind.FILE: "file",
}
"""What people call the kinds of items that a policy rules over."""
RULED_BY: Final = {
    ItemKind.TOOL: Kind.TOOL,
    ItemKind.PROMPT: Kind.PROMPT,
    ItemKind.RESOURCE: Kind.RESOURCE,
    ItemKind.TEMPLATE: Kind.RESOURCE,
    ItemKind.SKILL: Kind.RESOURCE,
    ItemKind.FILE: Kind.RESOURCE,
}
_NO_DIGEST: Final = b""


class Offer(NamedTuple):
    """One item of a server, and the state that pins know it in: "open" or the word for why not."""

    kind: ItemKind
    name: str
    state: str = IS_OPEN


@dataclass(frozen=True, slots=True)
class KnownSurfaces:
    """What servers offer, as far as it is known. `states` says whether it is known too what is approved."""

    servers: Mapping[str, list[Offer]] = field(default_factory=dict)
    states: bool = False
    source: str = ""

    def surface(self, server: str) -> Surface:
        """Return a server's items as the guard knows them by its snapshot."""
        items = self.servers.get(server, ())
        states = {(item.kind, item.name): item.state for item in items}
        return Surface(states, dict.fromkeys(states, _NO_DIGEST))


NOTHING_KNOWN: Final = KnownSurfaces()


def read_lock(path: Path) -> KnownSurfaces:
    """Read a lock file. Raises PolicySourceError."""
    lockfile = sidecar_module("surface.lockfile")
    try:
        locked = lockfile.read(path)
    except lockfile.LockError as error:
        raise PolicySourceError(str(error)) from None
    return KnownSurfaces(_by_server((id_, IS_OPEN) for id_ in locked), states=True, source=str(path))


def read_store(address: str) -> KnownSurfaces:
    """Read what a store saw. Raises PolicySourceError."""
    store_room, engine = sidecar_module("store.store"), sidecar_module("store.engine")
    try:
        store = store_room.Store(address)
        try:
            standings = store.standings()
        finally:
            store.close()
    except (engine.StoreError, ValueError) as error:
        raise PolicySourceError(f"{address}: {error}") from None
    return KnownSurfaces(
        _by_server((standing.id, standing.state) for standing in standings), states=True, source=address
    )


def sidecar_module(name: str) -> Any:
    """Return a module of the sidecar. Raises PolicySourceError where its packages are not installed."""
    from importlib import import_module  # noqa: PLC0415 - only lock files and stores need the sidecar's packages

    try:
        return import_module(f"mcp_sidecar.{name}")
    except ModuleNotFoundError:
        raise PolicySourceError("lock files and stores need the sidecar: pip install 'kong-mcp[sidecar]'") from None


def _by_server(states: Iterable[tuple[ItemId, str]]) -> dict[str, list[Offer]]:
    servers: dict[str, list[Offer]] = {}
    for id_, state in states:
        if id_.kind in RULED_BY:
            servers.setdefault(id_.server, []).append(Offer(id_.kind, id_.name, state))
    return servers


def read_lists(given: Iterable[str], only: str | None) -> KnownSurfaces:
    """Read answers to lists: NAME=FILE, or FILE where it names servers itself or `only` one server can be meant.

    A FILE holds the answer to a list or several of them, an object of them by server, or one tool a line with `server`.

    Raises:
        PolicySourceError: with the file, and what to give instead.
    """
    servers: dict[str, list[Offer]] = {}
    for text in given:
        name, equals, file = text.partition("=")
        path, server = (Path(file), name) if equals and not Path(text).exists() else (Path(text), only)
        for owner, item in _read_list(path, server):
            servers.setdefault(owner, []).append(item)
    return KnownSurfaces(servers, source=", ".join(given))


def _read_list(path: Path, server: str | None) -> Iterator[tuple[str, Offer]]:
    try:
        source = read_source(path.read_bytes())
    except OSError as error:
        raise PolicySourceError(f"{path}: {error.strerror}") from None
    except SourceError as error:
        raise PolicySourceError(f"{path}: {error}") from None
    if isinstance(source, Listed):
        if server is None:
            raise PolicySourceError(f"{path}: say whose list this is: --surface NAME={path}")
        yield from ((server, item) for item in _items(path, source.surface))
    elif isinstance(source, Lines):
        yield from _of_lines(path, source, server)
    else:
        raise PolicySourceError(f"{path}: give the answer to tools/list, by server where there are several")


def _of_lines(path: Path, lines: Lines, server: str | None) -> Iterator[tuple[str, Offer]]:
    for line in lines.lines:
        where = f"{path}:{line.index + 1}"
        if line.value is None:
            raise PolicySourceError(f"{where}: {line.why}")
        if isinstance(line.value.get("name"), str):
            owner = line.value.get("server", server)
            if not isinstance(owner, str):
                raise PolicySourceError(f"{where}: say whose tool this is: a member server, or --surface NAME={path}")
            yield owner, Offer(ItemKind.TOOL, line.value["name"])
        elif not SURFACE_KEYS.keys() & line.value and all(isinstance(one, dict) for one in line.value.values()):
            for owner, surface in line.value.items():
                yield from ((owner, item) for item in _items(path, surface.get("result", surface)))
        else:
            raise PolicySourceError(f"{where}: give the answer to tools/list, by server where there are several")


def _items(path: Path, surface: Mapping[str, Any]) -> Iterator[Offer]:
    for key, (_, named) in SURFACE_KEYS.items():
        items = surface.get(key, [])
        if not isinstance(items, list):
            raise PolicySourceError(f"{path}: {key} is a list of items")
        for number, one in enumerate(items):
            if not isinstance(one, dict) or not isinstance(one.get(named), str):
                raise PolicySourceError(f"{path}: {key}[{number}] has no {named}")
            yield Offer(ItemKind(key), one[named])
