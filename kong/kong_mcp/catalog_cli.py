"""`kong-mcp catalog`: which servers there are, what they offer, what an owner must do, and lists for clients."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from kong_mcp.catalog_export import FORMATS, exported
from kong_mcp.catalog_owner import advice
from kong_mcp.catalog_sources import catalog_of, contents
from mcp_core.principal import NOBODY, consumer
from mcp_core.scan.excerpt import escaped
from mcp_core.scan.items import KIND_WORDS
from mcp_sidecar.catalog.catalog import Catalog
from mcp_sidecar.catalog.entry import CatalogEntry
from mcp_sidecar.catalog.known import CatalogItem
from mcp_sidecar.catalog.settings import CATALOG_VARIABLES, CatalogSettings
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.surface.review import iso
from mcp_sidecar.surface.viewers import READER, Viewer

_F = TypeVar("_F", bound=Callable[..., Any])
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _viewer(name: str | None, groups: Sequence[str]) -> Viewer:
    """Return who looks: who has the files and the store sees everything, unless a consumer is named."""
    if name is None and not groups:
        return Viewer("", READER, NOBODY)
    return Viewer(name or "", frozenset(), consumer(name or "", groups))


def _with_catalog(command: _F) -> _F:
    """Give a command the catalog and who looks, in place of the options that say which."""

    @click.option(
        "--servers",
        "paths",
        multiple=True,
        required=True,
        type=click.Path(exists=True, path_type=Path),
        metavar="DIR|FILE",
        help="Server files.",
    )
    @click.option(
        "--store", envvar="MCP_SIDECAR_STORE", help="What sidecars write down: a file, or a postgresql:// URL."
    )
    @click.option("--consumer", help="Show what this consumer may see and use, not all.")
    @click.option("--group", "groups", multiple=True, help="A group that the consumer is in.")
    @wraps(command)
    def wrapped(paths: tuple[Path, ...], store: str | None, **arguments: Any) -> Any:
        viewer = _viewer(arguments.pop("consumer"), arguments.pop("groups"))
        with _said(), catalog_of(paths, store) as catalog:
            return command(catalog, viewer, **arguments)

    return wrapped  # type: ignore[return-value]  # click calls it by its options


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except (StoreError, ValueError) as error:
        raise click.ClickException(str(error)) from None


@click.group("catalog")
def catalog() -> None:
    """List, show, search and export the servers behind the gateway.

    \b
    kong-mcp catalog list --servers deck/servers --store /var/lib/kong-mcp/store.db
    kong-mcp catalog show weather --servers deck/servers --store /var/lib/kong-mcp/store.db --owner
    """  # noqa: D301 - click's \b keeps the example's lines


@catalog.command("list")
@_with_catalog
@_JSON
def list_entries(known: Catalog, viewer: Viewer, *, as_json: bool) -> None:
    """List servers: name, version, life cycle, owner, items, what waits for review, how the last look ended, title.

    \b
    kong-mcp catalog list --servers deck/servers
    kong-mcp catalog list --servers deck/servers --store store.db --consumer ada --group finance
    """  # noqa: D301 - click's \b keeps the example's lines
    _tell(known.entries(viewer), as_json=as_json)


@catalog.command()
@click.argument("text")
@_with_catalog
@_JSON
def search(known: Catalog, viewer: Viewer, text: str, *, as_json: bool) -> None:
    """List servers with TEXT in name, title, description, owner, tags or the name of an item, in any case.

    \b
    kong-mcp catalog search forecast --servers deck/servers --store store.db
    """  # noqa: D301 - click's \b keeps the example's lines
    wanted = text.casefold()
    _tell(
        [catalog_entry for catalog_entry in known.entries(viewer) if wanted in _haystack(catalog_entry)],
        as_json=as_json,
    )


def _haystack(entry: CatalogEntry) -> str:
    record = entry.record
    words = [record.name, record.title, record.description, record.owner, *record.tags]
    return "\n".join([*words, *(item.name for item in entry.items)]).casefold()


@catalog.command()
@click.argument("name")
@_with_catalog
@click.option("--owner", is_flag=True, help="Say what its owner must do, and why.")
@_JSON
def show(known: Catalog, viewer: Viewer, name: str, *, owner: bool, as_json: bool) -> None:
    """Show one server: what it is, where it is, its items, and with --owner what must be done about it.

    \b
    kong-mcp catalog show weather --servers deck/servers --store store.db --owner
    """  # noqa: D301 - click's \b keeps the example's lines
    entry = known.entry(viewer, name)
    if entry is None:
        raise click.ClickException(f"there is no server {name[:60]!a}: `kong-mcp catalog list` names those that are")
    todo = advice(entry, contents(known, entry)) if owner else []
    if as_json:
        _print({**summary(entry), "items": [_item(item) for item in entry.items], **({"todo": todo} if owner else {})})
        return
    for label, value in _facts(entry):
        click.echo(f"{label:<12}{value}")
    for item in entry.items:
        click.echo(f"{item.state:<12}{KIND_WORDS[item.kind]} {escaped(item.name)}{' (gone)' if item.gone else ''}")
    if owner:
        click.echo("\nto do:" if todo else "\nnothing to do")
    for number, line in enumerate(todo, 1):
        click.echo(f"{number}. {line}")


@catalog.command()
@_with_catalog
@click.option("--format", "kind", type=click.Choice(FORMATS), required=True, help="Which file to write.")
@click.option("--url", required=True, help="Where agents reach the gateway: https://mcp.example.com.")
@click.option("--namespace", default="", help="As MCP_SIDECAR_REGISTRY_NAMESPACE.")
def export(known: Catalog, viewer: Viewer, *, kind: str, url: str, namespace: str) -> None:
    """Write a file for clients: an allow list for GitHub Copilot, settings or mcp.json for VS Code, a registry's list.

    \b
    kong-mcp catalog export --servers deck/servers --url https://mcp.example.com --format github > managed-settings.json
    kong-mcp catalog export --servers deck/servers --url https://mcp.example.com --format vscode
    """  # noqa: D301 - click's \b keeps the example's lines
    read = dict(CATALOG_VARIABLES.values())
    settings = CatalogSettings(str(read["public_url"](url)), str(read["named"](namespace)) if namespace else "")
    _print(exported(kind, known.entries(viewer), settings))


def summary(entry: CatalogEntry) -> dict[str, Any]:
    """Return what a list tells of a server, as JSON values."""
    record, look = entry.record, entry.look
    return {
        "name": record.name,
        "title": entry.title,
        "version": entry.version,
        "life_cycle": record.life_cycle.value,
        "successor": record.successor or None,
        "owner": record.owner or None,
        "path": record.path,
        "tags": list(record.tags),
        "links": dict(record.links),
        "pins": record.pins.value,
        "states": dict(sorted(entry.states.items())),
        "findings": dict(sorted(entry.rules.items())),
        "looked": {"at": iso(look.at), "outcome": look.outcome} if look.at else None,
    }


def _item(item: CatalogItem) -> dict[str, Any]:
    found = {
        "kind": KIND_WORDS[item.kind],
        "name": item.name,
        "state": item.state,
        "usable": item.usable,
        "gone": item.gone,
    }
    return {
        **found,
        "digest": item.shown.digest,
        "findings": list(item.shown.rules),
        "first_seen": iso(item.shown.first_seen),
    }


def _facts(entry: CatalogEntry) -> Iterator[tuple[str, str]]:
    record, look = entry.record, entry.look
    yield "name", record.name
    yield "title", entry.title
    yield "version", entry.version
    yield "life cycle", record.life_cycle.value + (f", use {record.successor}" if record.successor else "")
    yield "owner", record.owner or "-"
    yield "path", record.path
    yield from ((word, url) for word, url in record.links.items())
    yield "last look", f"{iso(look.at)}, {look.outcome}" if look.at else "never"


def _tell(entries: Iterable[CatalogEntry], *, as_json: bool) -> None:
    if as_json:
        _print([summary(catalog_entry) for catalog_entry in entries])
        return
    rows = [("NAME", "VERSION", "LIFE CYCLE", "OWNER", "ITEMS", "WAITING", "LOOK", "TITLE"), *map(_row, entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if len(rows) == 1:
        click.echo("there is none that may be seen", err=True)


def _row(catalog_entry: CatalogEntry) -> tuple[str, ...]:
    record = catalog_entry.record
    words = record.name, catalog_entry.version, record.life_cycle.value, record.owner or "-"
    return (
        *words,
        str(len(catalog_entry.items)),
        str(catalog_entry.states["quarantined"]),
        catalog_entry.look.outcome or "-",
        catalog_entry.title,
    )


def _print(value: Any) -> None:
    click.echo(json.dumps(value, indent=1, ensure_ascii=False))
