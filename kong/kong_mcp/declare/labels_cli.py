"""`kong-mcp server labels`: what flow rules could say of a server's items, as a person may put it into its file."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from kong_mcp.declare.emit import yaml_text
from kong_mcp.policies.surfaces import RULED_BY
from kong_mcp.scan_command import read_headers
from kong_mcp.scan_live import LiveError, fetch_surface
from kong_mcp.scan_sources import Listed, SourceError, read_source
from mcp_core.adaptive.flow import ReadLabel
from mcp_core.adaptive.proposal import Proposal, propose
from mcp_core.methods import SURFACE_KEYS
from mcp_core.scan import ItemKind, escaped

_PLAIN: Final = re.compile(r"[^*?\[\]{}!\\$\s\x00-\x1f]{1,256}")
"""Names that stand for themselves in a glob and in decK."""


@click.command()
@click.argument("source", metavar="URL|FILE")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header for a running server.")
@click.option("--why", is_flag=True, help="Say beside each item which words speak for its labels.")
def labels(source: str, headers: tuple[str, ...], *, why: bool) -> None:
    """Propose labels for flow rules (docs/flow-rules.md) of what a server offers, as YAML for its server file.

    They come from names, arguments and hints, which are the server's own words: read them before you use them. Items
    of which nothing speaks are named on standard error; unlabelled, they count as if they had all labels. A FILE holds
    the answer to a list; - is standard input.

    \b
    kong-mcp server labels http://10.0.0.7:8080/mcp >> deck/servers/mail.yaml
    kong-mcp server labels tools.json --why
    """  # noqa: D301 - click's \b keeps the example's lines
    try:
        surface = _surface(source, read_headers(headers))
    except (SourceError, LiveError, OSError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise click.ClickException(f"{escaped(source)}: {escaped(said)}") from None
    found: dict[Proposal, dict[str, list[str]]] = {}
    left: list[str] = []
    for kind, name, item in _items(surface):
        proposal = propose(kind, item) if _PLAIN.fullmatch(name) else None
        if proposal is None:
            left.append(escaped(name)[:80])
            continue
        if why:
            click.echo(f"{escaped(name)}: {escaped('; '.join(proposal.because))}", err=True)
        alike = Proposal(proposal.reads, proposal.external, ())
        names = found.setdefault(alike, {}).setdefault(f"{RULED_BY[kind].value}", [])
        names += [] if name in names else [name]
    if found:
        click.echo(yaml_text({"labels": [_label(one, items) for one, items in found.items()]}), nl=False)
    if left:
        more = f" and {len(left) - 20} more" if len(left) > 20 else ""
        click.echo(f"nothing speaks for: {', '.join(left[:20])}{more}; label them by hand", err=True)


def _surface(source: str, headers: dict[str, str]) -> Mapping[str, Any]:
    if source.startswith(("http://", "https://")):
        return fetch_surface(source, headers)
    read = read_source(sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes())
    if not isinstance(read, Listed):
        raise SourceError("give a server's URL, or the answer to its tools/list")
    return read.surface


def _items(surface: Mapping[str, Any]) -> Iterator[tuple[ItemKind, str, Mapping[str, Any]]]:
    for key, (_, named) in SURFACE_KEYS.items():
        items = surface.get(key)
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict) and isinstance(item.get(named), str) and ItemKind(key) in RULED_BY:
                yield ItemKind(key), item[named], item


def _label(one: Proposal, items: Mapping[str, list[str]]) -> dict[str, Any]:
    label: dict[str, Any] = dict(items)
    if one.reads:
        label["reads"] = [word.value for word in ReadLabel if word in one.reads]
    return label | ({"writes": ["external"]} if one.external else {})
