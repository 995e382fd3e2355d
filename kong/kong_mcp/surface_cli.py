"""`kong-mcp surface` and `kong-mcp audit`: review what servers offer, in the store that their sidecars share."""

from __future__ import annotations

import contextlib
import getpass
import json
import time
from collections.abc import Callable, Iterator
from functools import partial, wraps
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from kong_mcp import review_command
from kong_mcp.written import write_whole
from mcp_core.pins.states import State
from mcp_core.scan.excerpt import escaped
from mcp_core.scan.items import KIND_WORDS
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.store import SETTLE, Store
from mcp_sidecar.store.values import ItemId, Standing, UnknownItemError
from mcp_sidecar.surface import lockfile, review

_SHORT: Final = 12
_ENTRIES: Final = 500
"""Entries of the chain that are read at once."""
_F = TypeVar("_F", bound=Callable[..., Any])

_store_option = click.option(
    "--store", "address", envvar="MCP_SIDECAR_STORE", required=True, help="File of SQLite, or a postgresql:// URL."
)
_settle_option = click.option(
    "--settle", envvar="MCP_SIDECAR_SETTLE", type=float, default=SETTLE, help="As the sidecars have it (seconds)."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_digest_option = click.option("--digest", help="The version, by its digest or the beginning of it.")
_kind_argument = click.argument("kind", type=click.Choice(tuple(KIND_WORDS.values())))


_why_option = click.option("--why", required=True, help="The reason, which is kept with the decision.")
_as_option = click.option(
    "--as", "reviewer", envvar="KONG_MCP_REVIEWER", default=getpass.getuser, help="Who decides. Default: your login."
)


@contextlib.contextmanager
def _opened(address: str, settle: float) -> Iterator[Store]:
    """Open the store, and say what went wrong as an error of the command."""
    try:
        store = Store(address, settle=settle)
        try:
            yield store
        finally:
            store.close()
    except (
        StoreError,
        UnknownItemError,
        review.SeveralItemsError,
        review.SeveralWaitError,
        lockfile.LockError,
        ValueError,
    ) as error:
        raise click.ClickException(str(error)) from None


def _with_store(command: _F) -> _F:
    """Give a command the open store in place of the options that name it."""

    @_store_option
    @_settle_option
    @wraps(command)
    def wrapped(address: str, settle: float, **arguments: Any) -> Any:
        with _opened(address, settle) as store:
            return command(store, **arguments)

    return wrapped  # type: ignore[return-value]  # click calls it by its options


@click.group()
def surface() -> None:
    """Review what servers put before models: list, show, diff, approve, reject, lock."""


@surface.command("list")
@_with_store
@click.option("--server", help="Of this server only.")
@click.option("--state", type=click.Choice(("open", "quarantined", "rejected")), help="Only what stands so.")
@_json_option
def list_items(store: Store, server: str | None, state: str | None, *, as_json: bool) -> None:
    """List all items with the version that was seen last."""
    found = [standing for standing in store.standings(server) if state in (None, standing.state)]
    if as_json:
        _print([review.standing_json(standing) for standing in found])
        return
    for standing in found:
        click.echo(_line(standing))
    if not found:
        click.echo("nothing was seen yet" if state is None else f"nothing is {state}", err=True)


def _line(standing: Standing) -> str:
    seen = standing.versions[0]
    notes = [
        seen.state.value,
        seen.reason,
        *seen.rules,
        *(["differs"] if any(v.differs for v in standing.versions) else []),
        *(["changes often"] if standing.changes_often else []),
    ]
    kind = KIND_WORDS[standing.id.kind]
    shown = f"{standing.id.server} {kind} {escaped(standing.id.name)}"
    return f"{standing.state:<12}{seen.digest[:_SHORT]}  {shown}  ({', '.join(notes)})"


@surface.command()
@_with_store
@click.argument("server")
@_kind_argument
@click.argument("name", default="")
@_digest_option
@_json_option
def show(store: Store, server: str, kind: str, name: str, digest: str | None, *, as_json: bool) -> None:
    """Show one version: content, findings, history. Instructions have no name."""
    shown = review.show(store, review.item(store, server, kind, name), digest)
    if as_json:
        _print(shown)
        return
    click.echo(f"{shown['state']} ({shown['reason']})  {shown['digest']}")
    click.echo(f"seen {shown['first_seen']} to {shown['last_seen']}")
    _print(shown["content"])
    for finding in shown["findings"]:
        click.echo(
            f"{finding['severity']}: {finding['rule']} at {finding['path']}: {finding['message']}\n"
            f"  {finding['excerpt']}"
        )
    for entry in shown["history"]:
        why = f": {escaped(entry['why'])}" if entry["why"] else ""
        what = f"{entry['action']} {entry['digest'][:_SHORT]} {entry['state']}"
        click.echo(f"{entry['at']} {escaped(entry['actor'])} {what}{why}")


@surface.command()
@_with_store
@click.argument("server")
@_kind_argument
@click.argument("name", default="")
@_digest_option
@_json_option
def diff(store: Store, server: str, kind: str, name: str, digest: str | None, *, as_json: bool) -> None:
    """Compare the version that was seen last with the approved one. The exit status is 1 where they differ."""
    found = review.diff(store, review.item(store, server, kind, name), digest)
    if as_json:
        _print(found.to_json())
    elif found.before is None:
        click.echo("no other version is approved", err=True)
    for line in () if as_json else found.lines:
        click.echo(line)
    raise SystemExit(1 if found.fields else 0)


@surface.command()
@_with_store
@click.argument("item", nargs=-1, metavar="[SERVER [KIND [NAME]]]")
@_digest_option
@click.option("--all", "everything", is_flag=True, help="All that waits, of SERVER or of all servers.")
@click.option(
    "--lock", "lock_path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="All of a lock file."
)
@_why_option
@_as_option
def approve(
    store: Store,
    item: tuple[str, ...],
    digest: str | None,
    lock_path: Path | None,
    reviewer: str,
    why: str,
    *,
    everything: bool,
) -> None:
    """Approve a version of one item, all that waits, or what a lock file lists."""
    say = partial(_decide, store, State.APPROVED, reviewer, why)
    if len(item) > 1 and (everything or lock_path is not None):
        # A server may call a tool --all: whoever pastes its name approves one item, or nothing.
        raise click.UsageError("give either one item, or --all or --lock FILE; a name that begins with - goes after --")
    if lock_path is not None:
        _approve_lock(store, lockfile.read(lock_path), say)
    elif everything:
        for seen in review.waiting(store, item[0] if item else None):
            say(seen.id, seen.digest)
    elif len(item) in (2, 3):
        say(review.item(store, item[0], item[1], "".join(item[2:])), digest)
    else:
        raise click.UsageError("give SERVER KIND NAME, or --all, or --lock FILE")


def _approve_lock(store: Store, file: dict[ItemId, lockfile.Locked], say: Callable[[ItemId, str | None], None]) -> None:
    missing = 0
    states = {
        (standing.id, version.digest): version.state for standing in store.standings() for version in standing.versions
    }
    for id_, locked in file.items():
        state = states.get((id_, locked.digest))
        if state is None:
            missing += 1
            click.echo(f"not seen yet: {id_.server} {KIND_WORDS[id_.kind]} {escaped(id_.name)}", err=True)
        elif state is not State.APPROVED:
            say(id_, locked.digest)
    if missing:
        raise click.ClickException(f"{missing} item(s) of the file were not seen in this form")


@surface.command()
@_with_store
@click.argument("server")
@_kind_argument
@click.argument("name", default="")
@_digest_option
@_why_option
@_as_option
def reject(store: Store, server: str, kind: str, name: str, digest: str | None, reviewer: str, why: str) -> None:
    """Reject a version of one item: it stays hidden, and so does whatever it changes into."""
    _decide(store, State.REJECTED, reviewer, why, review.item(store, server, kind, name), digest)


def _decide(store: Store, state: State, reviewer: str, why: str, id_: ItemId, digest: str | None) -> None:
    seen = review.decide(store, id_, state, reviewer=reviewer, why=why, digest=digest)
    shown = f"{id_.server} {KIND_WORDS[id_.kind]} {escaped(id_.name)}"
    click.echo(f"{state.value}: {shown} {seen.digest[:_SHORT]}")


@surface.command()
@_with_store
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--server", help="Of this server only.")
@click.option("--check", is_flag=True, help="Write nothing; the exit status is 1 where the file differs.")
def lock(store: Store, file: Path, server: str | None, *, check: bool) -> None:
    """Write what servers offer now into a lock file, or compare it with one."""
    now = lockfile.of_store(store, server)
    if not check:
        write_whole(file, lockfile.dump(now))
        click.echo(f"{file}: {len(now)} item(s)")
        return
    if not file.is_file():
        raise click.ClickException(f"there is no {file}: write it with `kong-mcp surface lock {file}`")
    locked = lockfile.read(file)
    lines = lockfile.differences({id_: one for id_, one in locked.items() if server in (None, id_.server)}, now)
    for line in lines:
        click.echo(line)
    raise SystemExit(1 if lines else 0)


@surface.command("review")
@_with_store
@click.option("--server", help="Of this server only.")
@click.option("--why", help=f"The reason, which is kept with each decision. Default: {review_command.WHY!r}.")
@click.option("--print", "only_print", is_flag=True, help="Print what waits and end: nothing is decided.")
@_as_option
def review_items(store: Store, server: str | None, reviewer: str, why: str | None, *, only_print: bool) -> None:
    """Review what waits, on a screen: a page of items at a time, and nothing is decided before you say so."""
    review_command.review(store, server=server, reviewer=reviewer, why=why, only_print=only_print)


@click.group()
def audit() -> None:
    """Prove what was seen and decided."""


def verify_store(address: str, anchor: str | None) -> None:
    """Prove the chain of the store's entries, and print its anchor, or name the first row that does not hold."""
    with _opened(address, SETTLE) as store:
        done = store.verify(None if anchor is None else _anchor(anchor))
    if done.problem is not None:
        raise click.ClickException(f"{escaped(done.problem)} ({done.entries} row(s) before it hold)")
    click.echo(f"{done.entries} row(s) hold\nanchor: {done.anchor}")


def entries_of(address: str, after: int) -> Iterator[dict[str, Any]]:
    """Yield the entries of the store's chain behind one, by its number, oldest first."""
    with _opened(address, SETTLE) as store:
        while several := store.entries(after, _ENTRIES):
            yield from several
            after = several[-1]["seq"]


@audit.command("accept-store")
@_store_option
@click.argument("anchor", metavar="SEQ:HASH")
@_why_option
@_as_option
def accept_store(address: str, anchor: str, reviewer: str, why: str) -> None:
    """Take this store in the place of the one that sidecars knew.

    A sidecar that finds another store than it knew opens nothing new, and says in its log and in /readyz how to call
    this command; SEQ:HASH is the last entry that it knew. What it knew to be closed stays closed until it is approved.
    """
    seq, last = _anchor(anchor)
    try:
        store = Store(address, migrate=True)
        try:
            store.accept((seq, last), reviewer=reviewer, why=why, now=time.time_ns() // 1_000_000)
            click.echo(f"accepted in the place of {anchor}\nanchor: {store.head()}")
        finally:
            store.close()
    except (StoreError, ValueError) as error:
        raise click.ClickException(str(error)) from None


def _anchor(text: str) -> tuple[int, str]:
    seq, colon, last = text.partition(":")
    if not colon or not seq.isdigit() or len(last) != 64:
        raise click.UsageError("write the anchor as it was printed, SEQ:HASH")
    return int(seq), last


def _print(value: Any) -> None:
    """Print JSON in ASCII: texts of servers are shown, not obeyed."""
    click.echo(json.dumps(value, indent=2))
