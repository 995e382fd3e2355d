"""`kong-mcp debug`: have every request of one server or principal logged, for a while."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from kong_mcp.spans import Minutes
from mcp_core.scan.excerpt import escaped
from mcp_sidecar.store.debug_words import DebugStore, DebugWord, latest
from mcp_sidecar.store.engine import StoreError

_Told = TypeVar("_Told")
_store_option = click.option(
    "--store", "address", envvar="MCP_SIDECAR_STORE", required=True, help="The store that the sidecars share."
)


def _of_whom(command: Any) -> Any:
    """Give a command what says of whom, where, and who says so."""
    for option in (
        click.option("--as", "actor", envvar="KONG_MCP_REVIEWER", default=getpass.getuser, help="Who says so."),
        _store_option,
        click.option("--principal", default="", help="Of this principal, as logs, usage and audit name it."),
        click.option("--server", default="", help="Of this server; with --principal, of both at once."),
    ):
        command = option(command)
    return command


@click.group()
def debug() -> None:
    """Log every request of one server or principal for a while.

    Sidecars write one line for each: what was decided, why, and how long it took (docs/telemetry.md). It ends by
    itself; who turned it on stands in the store's chain.
    """


@debug.command()
@_of_whom
@click.option("--for", "minutes", type=Minutes(), default=15, show_default="15m", help="How long: 24h at most.")
@click.option("--why", default="", help="The reason, which is kept in the chain.")
def on(server: str, principal: str, address: str, actor: str, minutes: int, why: str) -> None:
    """Begin, or go on for longer.

    \b
    kong-mcp debug on --server files --for 15m
    kong-mcp debug on --server files --principal ada --for 2h --why "ticket 4711"
    """  # noqa: D301 - click's \b keeps the example's lines
    now = time.time()
    word = DebugWord(server, principal, int(now * 1000), int(now) + minutes * 60, actor, why)
    _say(address, word)
    click.echo(f"{_named(word)}: every request is logged until {_when(word.until)}, by every sidecar of this store")


@debug.command()
@_of_whom
def off(server: str, principal: str, address: str, actor: str) -> None:
    """End it early, named as it was begun."""
    word = DebugWord(server, principal, time.time_ns() // 1_000_000, 0, actor)
    if not any((debug_word.server, debug_word.principal) == (server, principal) for debug_word in _open(address)):
        raise click.ClickException(f"{_named(word)}: not on; kong-mcp debug list says what is")
    _say(address, word)
    click.echo(f"{_named(word)}: ends as soon as the sidecars have read the store")


@debug.command("list")
@_store_option
def list_words(address: str) -> None:
    """Say what is on, until when, and who turned it on."""
    for debug_word in sorted(_open(address), key=lambda word: word.until):
        click.echo(
            "  ".join(
                [
                    _named(debug_word),
                    f"until {_when(debug_word.until)}",
                    f"by {escaped(debug_word.actor)}",
                    escaped(debug_word.why),
                ]
            ).rstrip()
        )


def _named(word: DebugWord) -> str:
    parts = [("server", word.server), ("principal", word.principal)]
    return ", ".join(f"{kind} {escaped(name)}" for kind, name in parts if name)


def _when(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _open(address: str) -> list[DebugWord]:
    return latest(_with(address, lambda store: store.debug_words())[1], time.time())


def _say(address: str, word: DebugWord) -> None:
    if not word.server and not word.principal:
        raise click.UsageError("say of whom: --server, --principal, or both")
    _with(address, lambda store: store.debug(word))


def _with(address: str, work: Callable[[DebugStore], _Told]) -> _Told:
    try:
        opened = DebugStore(address)
        try:
            return work(opened)
        finally:
            opened.close()
    except (StoreError, ValueError) as error:
        raise click.ClickException(str(error)) from None
