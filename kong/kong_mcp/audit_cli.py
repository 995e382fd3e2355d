"""`kong-mcp audit`: prove, search and hand on what was decided."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

from kong_mcp.spans import Span
from kong_mcp.surface_cli import audit, entries_of, verify_store
from mcp_core.scan.excerpt import escaped
from mcp_core.seal import parse_keys
from mcp_core.telemetry.ocsf import decision
from mcp_sidecar.telemetry.audit import pseudonym
from mcp_sidecar.telemetry.audit_log import public_text, signing_key
from mcp_sidecar.telemetry.audit_reading import HeadError, search, verify

__all__ = ["audit"]

_HOUR_MS: Final = 3_600_000
_BATCH: Final = 500
_SECONDS: Final = 30
_PRIORITY: Final = 13 * 8 + 5
"""Of syslog: facility log audit, severity notice (RFC 5424, section 6.2.1)."""
_TERMS: Final = ("server", "item", "principal", "outcome", "reason", "method", "request", "session", "trace", "error")

_log_option = click.option(
    "--log", "folder", envvar="MCP_SIDECAR_AUDIT", type=click.Path(path_type=Path, file_okay=False), help="Its folder."
)
_keys_option = click.option("--keys", envvar="KONG_MCP_KEYS", help="The gateway's ring: KONG_MCP_KEYS.")


@audit.command("verify")
@click.option("--store", "address", envvar="MCP_SIDECAR_STORE", help="Prove the chain of approvals in this store.")
@click.option("--anchor", help="SEQ:HASH that was printed before: the chain must still go through it.")
@_log_option
@_keys_option
@click.option("--public-key", "public", multiple=True, help="Who may have signed heads, in place of --keys.")
def verify_chain(
    address: str | None, anchor: str | None, folder: Path | None, keys: str | None, public: tuple[str, ...]
) -> None:
    """Prove the store's chain of approvals, the audit log's chain of requests, or both.

    Names the first row or line that does not hold. Prints an anchor of the store's chain to keep elsewhere.
    """
    if address is None and folder is None:
        raise click.UsageError("name --store, for approvals, or --log, for the audit log of requests")
    if address is not None:
        verify_store(address, anchor)
    if folder is not None:
        _verify_log(folder, list(public) or _public_keys(keys))


def _verify_log(folder: Path, public: list[str]) -> None:
    if not folder.is_dir():
        raise click.ClickException(f"there is no folder {folder}")
    try:
        proof = verify(folder, public)
    except (HeadError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    if proof.problem is not None:
        raise click.ClickException(f"{proof.problem} ({proof.lines} line(s) before it hold)")
    click.echo(f"{proof.lines} line(s) hold, {proof.first} to {proof.last.seq}\nhead: {proof.last}")


@audit.command("key")
@_keys_option
def show_key(keys: str | None) -> None:
    """Print the public keys of the ring: with them others can prove the audit log, and sign nothing."""
    for key in _public_keys(keys):
        click.echo(key)


def _searching(command: Any) -> Any:
    for name in reversed(_TERMS):
        command = click.option(f"--{name}", help=f"Of this {name} only.")(command)
    return click.option("--since", type=Span(), help="How far back: 24h, 7d, 2w.")(command)


@audit.command("search")
@_log_option
@_keys_option
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Lines at most.")
@click.option("--json", "as_json", is_flag=True, help="Print OCSF events, one a line.")
@_searching
def search_log(
    folder: Path | None, keys: str | None, limit: int, since: int | None, *, as_json: bool, **wanted: str | None
) -> None:
    """Find lines of the audit log, oldest first.

    \b
    kong-mcp audit search --log /var/lib/kong-mcp/audit --principal ada --outcome refused --since 7d
    kong-mcp audit search --log /var/lib/kong-mcp/audit --request 3f2a...
    """  # noqa: D301 - click's \b keeps the example's lines
    for told in islice(_found(folder, keys, since, 0, wanted), limit):
        event = told["event"]
        if as_json:
            click.echo(json.dumps(event))
            continue
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(event["time"] / 1000))
        who = event.get("actor", {}).get("user", {}).get("name", "-")
        item = (event.get("resources") or [{}])[0].get("name", "-")
        api = event["api"]
        parts = [told["seq"], when, event["status"], event.get("status_detail", "-"), who]
        parts += [api["service"]["name"], api["operation"], item, event["metadata"]["uid"]]
        click.echo("  ".join(escaped(str(part)) for part in parts))


@audit.command()
@_log_option
@_keys_option
@click.option(
    "--to", default="-", show_default=True, help="-, a file, http(s)://..., syslog+udp://H:P or syslog+tcp://H:P"
)
@click.option(
    "--after", type=click.IntRange(0), default=0, help="Only lines behind this one: what was printed last time."
)
@click.option("--store", "address", help="The chain of this store, in place of the log: approvals, drift, revocations.")
@_searching
def export(
    folder: Path | None,
    keys: str | None,
    to: str,
    after: int,
    since: int | None,
    address: str | None,
    **wanted: str | None,
) -> None:
    """Hand events on, as OCSF: to standard output, a file, an HTTP endpoint (arrays of 500), or syslog (RFC 5424).

    Prints the number of the last line that arrived, for the next call's --after: nothing is sent twice. The log and
    the store's chain have numbers of their own.

    \b
    kong-mcp audit export --log /var/lib/kong-mcp/audit --to https://siem.example/ocsf --after 48000
    kong-mcp audit export --store postgresql://... --to syslog+tcp://10.0.0.9:601 --after 120
    """  # noqa: D301 - click's \b keeps the example's lines
    last = after
    if address is not None and (given := [name for name, value in wanted.items() if value is not None]):
        raise click.UsageError(f"--{given[0]} searches the log; of a store's chain --since and --after choose")
    found = _found(folder, keys, since, after, wanted) if address is None else _chained(address, since, after)
    try:
        for arrived in _sent(to, found):
            last = arrived
    except OSError as error:
        raise click.ClickException(f"{to}: {error}; go on with --after {last}") from None
    click.echo(f"after: {last}", err=True)


def _sent(to: str, found: Iterator[dict[str, Any]]) -> Iterator[int]:
    """Send events, and yield the number of each last one that has arrived."""
    url = urlsplit(to)
    if url.scheme in ("http", "https"):
        for several in _batches(found):
            body = json.dumps([one["event"] for one in several]).encode()
            request = urllib.request.Request(to, body, {"Content-Type": "application/json"})  # noqa: S310 - http(s) alone
            _post(request)
            yield several[-1]["seq"]
    elif url.scheme in ("syslog+udp", "syslog+tcp"):
        datagrams = url.scheme == "syslog+udp"
        kind = socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET6 if ":" in (url.hostname or "") else socket.AF_INET, kind) as out:
            out.settimeout(_SECONDS)
            out.connect((url.hostname, url.port or 514))
            for one in found:
                text = _syslog(one["event"])
                # RFC 6587, section 3.4.1: octets are counted.
                out.sendall(text if datagrams else b"%d %s" % (len(text), text))
                yield one["seq"]
    else:
        with click.open_file(to, "a") as file:
            for several in _batches(found):
                file.writelines(json.dumps(one["event"]) + "\n" for one in several)
                file.flush()
                yield several[-1]["seq"]


def _post(request: urllib.request.Request) -> None:
    """Send a request. Raises OSError where it is not taken."""
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310 - http(s) alone
            return
    except urllib.error.HTTPError as error:
        with error:
            raise OSError(f"HTTP {error.code}") from None


def _syslog(event: dict[str, Any]) -> bytes:
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(event["time"] / 1000)) + f".{event['time'] % 1000:03}Z"
    return f"<{_PRIORITY}>1 {when} {socket.gethostname()} kong-mcp - audit - {json.dumps(event)}".encode()


def _batches(found: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    several = iter(found)
    while batch := list(islice(several, _BATCH)):
        yield batch


def _found(
    folder: Path | None, keys: str | None, since: int | None, after: int, wanted: dict[str, str | None]
) -> Iterator[dict[str, Any]]:
    if folder is None or not folder.is_dir():
        raise click.UsageError("name the folder of an audit log: --log, or MCP_SIDECAR_AUDIT")
    values = {name: [value] for name, value in wanted.items() if value is not None}
    if "principal" in values and keys:  # where persons are hashed, they are found by their pseudonym
        values["principal"].append(pseudonym(_ring(keys)[0], values["principal"][0]))
    return search(folder, values, _begin(since), after)


def _chained(address: str, since: int | None, after: int) -> Iterator[dict[str, Any]]:
    begin, release = _begin(since), version("kong-mcp")
    for entry in entries_of(address, after):
        if entry["at"] >= begin:
            yield {"seq": entry["seq"], "event": decision(entry, release)}


def _begin(since: int | None) -> int:
    """Return the time (Unix milliseconds) so many hours ago; 0 where none is said."""
    return 0 if since is None else time.time_ns() // 1_000_000 - since * _HOUR_MS


def _ring(keys: str) -> tuple[bytes, ...]:
    try:
        return parse_keys(keys)
    except ValueError as error:
        raise click.UsageError(f"KONG_MCP_KEYS: {error}") from None


def _public_keys(keys: str | None) -> list[str]:
    if not keys:
        raise click.UsageError(
            "give the gateway's ring (KONG_MCP_KEYS), or --public-key as kong-mcp audit key prints it"
        )
    return [public_text(signing_key(one)) for one in _ring(keys)]
