"""Stores on both databases, and items to put into them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from mcp_core.pins.states import DEFAULT_RULES
from mcp_core.scan import ItemKind, name_of
from mcp_sidecar.store.sightings import Sighting
from mcp_sidecar.store.store import Store
from mcp_sidecar.store.values import ItemId
from servers.postgres import program, run_postgres

_numbers = itertools.count()


@pytest.fixture(scope="session")
def _postgres() -> Iterator[str]:
    if program("postgres") is None or program("initdb") is None:
        pytest.skip("PostgreSQL is not installed")
    with run_postgres() as url:
        Store(url.format("template1"), migrate=True).close()  # what CREATE DATABASE copies
        yield url


def _address(request: pytest.FixtureRequest, folder: Path, template: str) -> str:
    if request.param == "sqlite":
        return str(folder / "store.db")
    url = request.getfixturevalue("_postgres")
    name = f"store_{next(_numbers)}"
    with psycopg.connect(url.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")  # type: ignore[arg-type]
    return str(url.format(name))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    return _address(request, tmp_path, "template0")


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database in which nothing was written yet; PostgreSQL's has its tables."""
    return _address(request, tmp_path, "template1")


@pytest.fixture
def open_store(address: str) -> Iterator[Callable[..., Store]]:
    """Open the store at the address, as often as wanted: each is a node's."""
    opened = []

    def open_store(**settings: Any) -> Store:
        store = Store(address, **{"migrate": True, **settings})
        opened.append(store)
        return store

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    return open_store()


class Words:
    """Items, and the ways in which tests see them."""

    SERVER = "notes"

    @staticmethod
    def tool(name: str = "read", description: str = "Reads a note.", **more: Any) -> Sighting:
        return Words.item(ItemKind.TOOL, {"name": name, "description": description, "inputSchema": {}, **more})

    @staticmethod
    def item(kind: ItemKind, item: dict[str, Any]) -> Sighting:
        return Sighting.of(kind, name_of(kind, item), item)

    @staticmethod
    def see(store: Store, *sightings: Sighting, at: float = 1000.0, server: str = SERVER, **more: Any) -> Any:
        settings = {"rules": DEFAULT_RULES, **more}
        return store.observe(server, sightings, now=int(at * 1000), **settings)

    @staticmethod
    def id(name: str = "read", kind: ItemKind = ItemKind.TOOL, server: str = SERVER) -> ItemId:
        return ItemId(server, kind, name)


@pytest.fixture(scope="session")
def notes() -> SimpleNamespace:
    return SimpleNamespace(**{name: getattr(Words, name) for name in ("tool", "item", "see", "id", "SERVER")})
