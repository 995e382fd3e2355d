"""The catalog as the command line has it: of server files and, where one is named, of the store that sidecars share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio

from kong_mcp.declare.records import record_of
from kong_mcp.declare.server_cli import good
from mcp_core.errand import Address
from mcp_core.servers import McpServer
from mcp_sidecar.catalog.catalog import Catalog
from mcp_sidecar.store.store import Store

_T = TypeVar("_T")


class DeclaredServers:
    """The servers of files, which do not change while a command runs."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.all: Mapping[str, McpServer] = (
            {server.name: record_of(server) for server in good(paths).servers} if paths else {}
        )
        self.changed_at = 0

    @property
    def names(self) -> set[str]:
        """The names of all servers."""
        return set(self.all)

    def address(self, name: str) -> Address | None:
        """Return where a server is, as far as it is said."""
        return self.all[name].address if name in self.all else None

    def refresh(self) -> None:
        """Do nothing."""


class StoreAtHand:
    """A store that is open, as the catalog asks it."""

    generation = -2

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ask(self, question: Callable[[Store], _T]) -> _T:
        """Ask the store. Raises StoreError."""
        return question(self._store)


@contextmanager
def catalog_of(paths: Sequence[Path], store: str | None) -> Iterator[Catalog]:
    """Give the catalog of files and store. Raises StoreError, ValueError, and what click shows of files."""
    declared = DeclaredServers(paths)
    if store is None:
        catalog = Catalog(declared, None)
        anyio.run(catalog.refresh)
        yield catalog
        return
    with closing(Store(store)) as opened:
        catalog = Catalog(declared, StoreAtHand(opened))
        anyio.run(catalog.refresh)
        yield catalog


def contents(catalog: Catalog, *arguments: Any) -> Any:
    """Return Catalog.contents from code that is not asynchronous."""
    return anyio.run(catalog.contents, *arguments)
