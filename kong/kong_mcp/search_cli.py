"""`kong-mcp search`: find what answers a question, among what servers offer and what was approved."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from mcp_core.pins.states import OPEN
from mcp_core.scan.excerpt import escaped
from mcp_core.scan.items import KIND_WORDS
from mcp_sidecar.search.index import MOST_RESULTS, Index, SearchResult
from mcp_sidecar.search.items import ItemKey, SearchItem, search_item
from mcp_sidecar.search.models import installed_embedders
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.store import SETTLE, Store
from mcp_sidecar.store.values import ItemId, UnknownItemError
from mcp_sidecar.surface import lockfile

_SHOWN: Final = 100
"""Characters of a description in the table."""


@click.command()
@click.argument("query")
@click.option("--store", "address", envvar="MCP_SIDECAR_STORE", help="File of SQLite, or a postgresql:// URL.")
@click.option("--settle", envvar="MCP_SIDECAR_SETTLE", type=float, default=SETTLE, help="As the sidecars have it.")
@click.option(
    "--lock",
    "lock_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Only what this lock file lists, in the form that it lists. Without a store its names alone are searched.",
)
@click.option("--server", help="Of this server only.")
@click.option("--limit", type=click.IntRange(1, MOST_RESULTS), default=10, show_default=True)
@click.option("--words", is_flag=True, help="Search by words alone, also where a model is installed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def search(
    query: str,
    address: str | None,
    settle: float,
    lock_path: Path | None,
    server: str | None,
    limit: int,
    *,
    words: bool,
    as_json: bool,
) -> None:
    """Find the items that answer QUERY among those that are open, and print the best first.

    \b
    kong-mcp search "which tool sends an invoice" --store surfaces.db
    kong-mcp search weather --lock mcp.lock --json
    """  # noqa: D301 - click's \b keeps the example's line
    try:
        items = [item for item in _items(address, settle, lock_path) if server in (None, item.server)]
        # The quickest model: this index is made for one question.
        index = Index.of(items, None if words else next(installed_embedders(), None))
    except (StoreError, UnknownItemError, lockfile.LockError, ValueError, OSError) as error:
        raise click.ClickException(escaped(str(error))) from None
    found = index.find(query, limit, lambda _key: True)
    said = {item.key: item.description for item in items}
    if as_json:
        click.echo(json.dumps(_as_json(found, said), indent=2))
        return
    for line in _table(found, said):
        click.echo(line)
    if not found.items:
        click.echo("nothing is open", err=True)
    elif found.fallback:
        click.echo(f"nothing fits: these are the first of {found.allowed} by name", err=True)


def _items(address: str | None, settle: float, lock_path: Path | None) -> list[SearchItem]:
    """Return what there is to search."""
    locked = None if lock_path is None else lockfile.read(lock_path)
    if address is None:
        if locked is None:
            raise click.UsageError("give --store or --lock: what is to be searched")
        return [SearchItem(id_.server, id_.kind, id_.name) for id_ in locked]
    with contextlib.closing(Store(address, settle=settle)) as store:
        wanted = _open(store) if locked is None else ((id_, one.digest) for id_, one in locked.items())
        return [search_item(id_.server, id_.kind, id_.name, store.content(id_, digest)[1]) for id_, digest in wanted]


def _open(store: Store) -> Iterator[tuple[ItemId, str]]:
    """Yield each open item with the digest of its open version that was seen last."""
    for standing in store.standings():
        if standing.open:
            yield standing.id, next(version.digest for version in standing.versions if version.state in OPEN)


def _as_json(found: SearchResult, said: dict[ItemKey, str]) -> dict[str, Any]:
    return {
        "items": [
            {
                "server": server,
                "kind": KIND_WORDS[kind],
                "name": name,
                "score": item.score,
                "description": said[item.key],
            }
            for item in found.items
            for server, kind, name in [item.key]
        ],
        "searched": found.allowed,
        "fallback": found.fallback,
        "cut": found.cut,
    }


def _table(found: SearchResult, said: dict[ItemKey, str]) -> list[str]:
    """Return a line for each item, in ASCII: servers write names and descriptions."""
    rows = [
        (escaped(f"{server} {KIND_WORDS[kind]} {name}"), f"{item.score:7.2f}", _short(said[item.key]))
        for item in found.items
        for server, kind, name in [item.key]
    ]
    width = max((len(name) for name, _, _ in rows), default=0)
    return [f"{score}  {name:<{width}}  {text}".rstrip() for name, score, text in rows]


def _short(text: str) -> str:
    line = escaped(" ".join(text.split()))
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."
