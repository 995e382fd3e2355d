"""`kong-mcp revoke`: cut off a subject, a client or a session, on every node within seconds."""

from __future__ import annotations

import getpass
import os
import time
from importlib.metadata import version
from typing import Final

import click

from mcp_core.auth.revoked import Revocable, Word, digest_of
from mcp_core.seal import KeyRingError, parse_keys
from mcp_core.sealed_file import SealedFileError
from mcp_kong.settings import KEYS_VARIABLE
from mcp_sidecar.auth.revocations import REVOKED_VARIABLE, RevokedFile
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.store import Store

HOURS: Final = 24.0
_MOST_HOURS: Final = 24.0 * 3660


@click.command()
@click.argument("kind", type=click.Choice([revocable.value for revocable in Revocable]))
@click.argument("name")
@click.option("--issuer", help="Whose subject or client it is, as its tokens have it in iss.")
@click.option("--why", required=True, help="The reason, which is kept in the chain.")
@click.option(
    "--hours",
    type=click.FloatRange(0, _MOST_HOURS, min_open=True),
    default=HOURS,
    show_default=True,
    help="How long it holds: at least as long as the issuer's longest token.",
)
@click.option("--undo", is_flag=True, help="Let them in again.")
@click.option("--store", envvar="MCP_SIDECAR_STORE", help="The store that the sidecars share: reaches every node.")
@click.option("--file", envvar=REVOKED_VARIABLE, help="The list of this node: is written at once, sidecar or not.")
@click.option("--as", "reviewer", envvar="KONG_MCP_REVIEWER", default=getpass.getuser, help="Who says so.")
def revoke(
    kind: str, name: str, issuer: str | None, why: str, hours: float, reviewer: str, *, undo: bool, **places: str | None
) -> None:
    """Cut off KIND (subject, client, session) NAME.

    A subject is sub and a client is client_id of an issuer's tokens; a session is the value of Mcp-Session-Id. Whatever
    tokens they have or get open nothing until the time is over.
    """
    what, store, file = Revocable(kind), places["store"], places["file"]
    if (issuer is None) != (what is Revocable.SESSION):
        raise click.UsageError("say whose subject or client it is with --issuer; a session is no issuer's")
    if store is None and file is None:
        raise click.UsageError(f"name the store (--store), or this node's list (--file or {REVOKED_VARIABLE})")
    now = time.time()
    digest = digest_of(what, name, issuer or "")
    word = Word(digest, int(now * 1000), 0 if undo else int(now + hours * 3600))
    done = []
    if file is not None:
        _write_file(file, word, now)
        done.append("on this node now")
    if store is not None:
        shown = digest.hex() if what is Revocable.SESSION else name
        _write_store(store, word, kind=kind, name=shown, issuer=issuer or "", reviewer=reviewer, why=why)
        done.append("on every node as soon as its sidecar has read the store")
    click.echo(f"{kind} {'let in again' if undo else 'cut off'}: {', and '.join(done)}")
    if store is None:
        click.echo("without a store, no other node hears of it, and no chain tells of it", err=True)


def _write_file(path: str, word: Word, now: float) -> None:
    try:
        ring = parse_keys(os.environ.get(KEYS_VARIABLE, ""))
        RevokedFile(path, ring, version("kong-mcp")).add([word], now)
    except KeyRingError as error:
        raise click.ClickException(f"{KEYS_VARIABLE}: {error}") from None
    except (SealedFileError, OSError) as error:
        raise click.ClickException(f"{path}: {error}") from None


def _write_store(address: str, word: Word, *, kind: str, name: str, issuer: str, reviewer: str, why: str) -> None:
    try:
        opened = Store(address)
        try:
            opened.revoke(word, kind=kind, name=name, issuer=issuer, reviewer=reviewer, why=why)
        finally:
            opened.close()
    except (StoreError, ValueError) as error:
        raise click.ClickException(str(error)) from None
