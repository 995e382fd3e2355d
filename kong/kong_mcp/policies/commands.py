"""`kong-mcp policy`: explain one decision, and compare two policies, before anything is changed."""

from __future__ import annotations

import contextlib
import gc
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TextIO, TypeVar

import click

from kong_devkit.errors import unreadable
from kong_mcp.policies import report
from kong_mcp.policies.asking import USUAL, MethodError, wanted
from kong_mcp.policies.claims import explain_claims, read_claims
from kong_mcp.policies.compare import compare
from kong_mcp.policies.documents import PolicySourceError
from kong_mcp.policies.explain import Explanation, explain
from kong_mcp.policies.source import Policies, ServerPolicy, principal, read_policies
from kong_mcp.policies.surfaces import NOTHING_KNOWN, KnownSurfaces, read_lists, read_lock, read_store
from mcp_core.scan.excerpt import escaped

DECK_SERVERS: Final = Path("deck/servers")
PATH: Final = click.Path(path_type=Path)
_F = TypeVar("_F", bound=Callable[..., Any])


class PolicyCommandError(click.ClickException):
    """The command cannot answer. The exit status is 2, for 1 says that policies differ."""

    exit_code = 2


def _surface_options(command: _F) -> _F:
    """Give a command the options that say what servers offer."""
    options = (
        click.option("--lock", type=PATH, help="A lock file: what servers offer, and that it is approved."),
        click.option("--store", metavar="ADDRESS", help="A store: a file of SQLite, or a postgresql:// URL."),
        click.option(
            "--surface",
            "lists",
            multiple=True,
            metavar="[NAME=]FILE",
            help="Answers to tools/list and other lists, in JSON.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def known_surfaces(
    lock: Path | None, store: str | None, lists: Sequence[str], only: str | None = None
) -> KnownSurfaces:
    """Return what servers offer, from the one source that was given; `only` one server may be meant by a bare list."""
    if sum((lock is not None, store is not None, bool(lists))) > 1:
        raise click.UsageError("give one of --lock, --store and --surface")
    if lock is not None:
        return read_lock(lock)
    if store is not None:
        return read_store(store)
    return read_lists(lists, only) if lists else NOTHING_KNOWN


@click.group()
def policy() -> None:
    """Know before you change: explain a decision, compare two policies.

    \b
    kong-mcp policy explain --policy policy.yaml --server files --consumer ada --tool delete_file
    kong-mcp policy diff old.yaml policy.yaml --lock mcp.lock
    """  # noqa: D301 - click's \b keeps the examples' lines


@policy.command("explain")
@click.option(
    "--policy",
    "paths",
    type=PATH,
    multiple=True,
    help="A policy file of `kong-mcp dev`, server files, decK files or rendered state, or a folder of them; several "
    f"are one state. Default: {DECK_SERVERS}.",
)
@click.option("--server", required=True, help="The server's name.")
@click.option("--consumer", help="The Kong consumer who asks. Without it: whoever no rule names.")
@click.option("--groups", multiple=True, metavar="GROUP[,GROUP...]", help="Its groups, in place of those in the files.")
@click.option(
    "--claims",
    type=click.File(encoding="utf-8"),
    metavar="FILE|-",
    help="Claims of an access token, in JSON: who asks, with which scopes. For servers whose callers have tokens.",
)
@click.option("--token-claims", metavar="JSON", help="The same, on the command line.")
@click.option("--tool", help="The tool's name, exactly as it would be sent.")
@click.option("--prompt", help="The prompt's name.")
@click.option("--resource", metavar="URI", help="The resource's URI, or the URI template of a template.")
@click.option("--method", help="Another method than tools/call, prompts/get or resources/read; or one of your own.")
@_surface_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain_command(  # noqa: PLR0913, PLR0917 - each is an option
    paths: tuple[Path, ...],
    server: str,
    consumer: str | None,
    groups: tuple[str, ...],
    claims: TextIO | None,
    token_claims: str | None,
    tool: str | None,
    prompt: str | None,
    resource: str | None,
    method: str | None,
    lock: Path | None,
    store: str | None,
    lists: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Name the rule that decides, in one sentence, and what would have to be written to change it.

    \b
    kong-mcp policy explain --policy policy.yaml --server files --consumer ada --tool delete_file
    kong-mcp policy explain --server files --groups finance,staff --resource note://public/plan
    kong-mcp policy explain --server files --consumer ada --tool read_file --lock mcp.lock
    kong-mcp policy explain --server files --claims claims.json --tool write_file

    Of a token the claims are asked for, never the token itself; what its signature is worth is not looked at.

    Exit status: 0 where there is an answer, whichever it is; 2 where something given cannot be used.
    """  # noqa: D301 - click's \b keeps the examples' lines
    asked = [(kind, name) for kind, name in zip(USUAL, (tool, prompt, resource), strict=True) if name is not None]
    if len(asked) > 1:
        raise click.UsageError("give one of --tool, --prompt and --resource")
    if sum((claims is not None, token_claims is not None, bool(consumer or groups))) > 1:
        raise click.UsageError("give one of --claims, --token-claims, and --consumer with --groups")
    try:
        want = wanted(method, *(asked[0] if asked else (None, None)))
    except MethodError as error:
        raise click.UsageError(str(error)) from None
    try:
        policies = read_policies(paths or (DECK_SERVERS,))
        known = known_surfaces(lock, store, lists, server)
        found, notes = _groups(policies, consumer, groups)
        server_policy = _policy(policies, server)
        text = token_claims if claims is None else _text_of(claims)
        if text is None:
            explained = explain(server_policy, principal(consumer, found), want, known, server)
        else:
            explained = explain_claims(server_policy, read_claims(text), want, known, server, now=time.time())
    except PolicySourceError as error:
        raise PolicyCommandError(escaped(str(error))) from None
    if as_json:
        value = explained.to_json()
        click.echo(json.dumps({**value, "notes": [*notes, *value["notes"]]}, indent=2))
    else:
        _print(explained, notes)


def _text_of(claims: TextIO) -> str:
    try:
        return claims.read()
    except (OSError, UnicodeDecodeError) as error:
        raise PolicySourceError(f"{claims.name}: {unreadable(error)}") from None


def _policy(policies: Policies, server: str) -> ServerPolicy:
    found = policies.of(server)
    if found is None:
        there = ", ".join(map(escaped, sorted(policies.servers))) or "none"
        raise PolicySourceError(f"no policy is for the server {server!a}; there are: {there}")
    return found


def _groups(policies: Policies, consumer: str | None, given: Sequence[str]) -> tuple[frozenset[str], list[str]]:
    """Return the groups of the caller, and what must be said of where they come from."""
    if given:
        return frozenset(one.strip() for text in given for one in text.split(",") if one.strip()), []
    if consumer is None:
        return frozenset(), []
    known = policies.consumers.get(consumer)
    if known is not None:
        return known, []
    rules = [rule for kept in (*policies.servers.values(), policies.every) if kept for rule in kept.guard.policy.rules]
    if not any(rule.groups for rule in rules):
        return frozenset(), []
    return frozenset(), [f"no file names the consumer {escaped(consumer)}, so it is in no group here: see --groups"]


def _print(explained: Explanation, notes: Sequence[str]) -> None:
    click.echo(f"{'allowed' if explained.allowed else 'refused'}: {explained.sentence}")
    for note in (*notes, *explained.notes):
        click.echo(f"note: {note}")
    head = "to refuse it" if explained.allowed else "to allow it"
    for change in explained.changes:
        click.echo(f"{head}: {change.text}")
        head = " " * (len(head) - 2) + "or"


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Have no cycles looked for: reading makes millions of values, and looking through them takes most of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@policy.command("diff")
@click.argument("old", type=PATH)
@click.argument("new", type=PATH)
@click.option("--with", "shared", type=PATH, multiple=True, help="Files of both states: decK with consumers, say.")
@_surface_options
@click.option("--json", "output", flag_value="json", help="Print JSON.")
@click.option("--markdown", "output", flag_value="markdown", help="Print tables for a pull request.")
@click.option(
    "--fail-on",
    type=click.Choice(("any", "gain")),
    default="any",
    show_default=True,
    help="Which differences make the exit status 1.",
)
def diff_command(
    old: Path,
    new: Path,
    shared: tuple[Path, ...],
    lock: Path | None,
    store: str | None,
    lists: tuple[str, ...],
    output: str | None,
    fail_on: str,
) -> None:
    """Say who gains and who loses which tool, prompt, resource and template.

    OLD and NEW are what `policy explain --policy` takes: a file, or a folder of server files or decK. What servers
    offer comes from --lock, --store or --surface; without one only the globs are compared. What a glob would catch
    beyond that is said apart.

    \b
    kong-mcp policy diff old.yaml policy.yaml --lock mcp.lock
    kong-mcp policy diff main/deck/servers deck/servers --with deck/consumers.yaml --store store.db --markdown
    kong-mcp policy diff old.yaml policy.yaml --surface files=tools.json --fail-on gain

    Exit status: 0 without a difference, 1 with one (--fail-on), 2 where something given cannot be used.
    """  # noqa: D301 - click's \b keeps the examples' lines
    try:
        with uncollected():
            before, after = read_policies([old, *shared]), read_policies([new, *shared])
            servers = {*before.servers, *after.servers}
            known = known_surfaces(lock, store, lists, *(servers if len(servers) == 1 else ()))
            found = compare(before, after, known)
    except PolicySourceError as error:
        raise PolicyCommandError(escaped(str(error))) from None
    if output == "json":
        click.echo(json.dumps(report.to_json(found), indent=2))
    else:
        for line in report.markdown(found) if output == "markdown" else report.lines(found):
            click.echo(line)
    raise SystemExit(1 if (found.gains if fail_on == "gain" else found.differs) else 0)
