"""The `kong-mcp` command line."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click

from kong_mcp.declare.deck_cli import deck
from kong_mcp.declare.labels_cli import labels
from kong_mcp.declare.local import local_of
from kong_mcp.declare.records import record_of
from kong_mcp.declare.server_cli import good, server
from kong_mcp.declare.server_file import ServerFile
from kong_mcp.dev import DevGateway, DevSettings, PortTakenError, free_port, run_dev, unreachable
from kong_mcp.doctor.command import doctor
from kong_mcp.doctor.upgrade import upgrade_check
from kong_mcp.gateway import GATEWAYS, NoKongError, choose_gateway
from kong_mcp.happenings import Sort
from kong_mcp.helm import helm_values
from kong_mcp.lazy import LazyGroup
from kong_mcp.login.start import CHANGING, NoProviderError, guarded, provider
from kong_mcp.policies.commands import policy as policy_group
from kong_mcp.policies.documents import PolicySourceError
from kong_mcp.policies.replay_command import replay_command
from kong_mcp.policies.source import OPEN, Policies, read_policies
from kong_mcp.policy_file import OPEN_POLICY, PolicyFileError, read_policy
from kong_mcp.processes import ChildFailedError
from kong_mcp.request_cli import request
from kong_mcp.scan_command import scan
from kong_mcp.servers import DevServer, ServerSpecError, parse_server
from kong_mcp.state import Consumer
from kong_mcp.unpack import unpack
from kong_mcp.watching import Watching, store_findings
from mcp_core.scan.excerpt import escaped

LEFT_OUT: Final = frozenset({"auth", "tls", "timeouts", "health", "plugins", "tags"})
"""Fields of a server file that are for the Kong that it is synced to."""
_WATCH_SECONDS: Final = 0.5
_EXPECTED: Final = (
    ChildFailedError,
    NoKongError,
    NoProviderError,
    PortTakenError,
    PolicyFileError,
    ServerSpecError,
    FileNotFoundError,
)
"""What may keep a local gateway from starting, and says by itself what to do."""


class _ServerType(click.ParamType[DevServer]):
    name = "NAME=URL[,URL...]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> DevServer:
        if isinstance(value, DevServer):
            return value
        try:
            return parse_server(value)
        except ServerSpecError as error:
            self.fail(str(error), param, ctx)


class _ConsumerType(click.ParamType[Consumer]):
    name = "NAME=KEY[,GROUP...]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Consumer:
        if isinstance(value, Consumer):
            return value
        name, _, rest = value.partition("=")
        key, *groups = rest.split(",")
        if not name or not key:
            self.fail("write NAME=KEY, for instance alice=alices-key,finance", param, ctx)
        return Consumer(name, key, tuple(groups))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kong-mcp")
def main() -> None:
    """An MCP gateway for people who run Kong.

    Shell completion: eval "$(_KONG_MCP_COMPLETE=bash_source kong-mcp)" (or zsh_source, fish_source).
    """


main.add_command(deck)
main.add_command(doctor)
main.add_command(helm_values)
main.add_command(scan)
server.add_command(labels)
server.add_command(request)
main.add_command(server)
main.add_command(unpack)
main.add_command(upgrade_check)
policy_group.add_command(replay_command)
main.add_command(policy_group)


@main.command()
@click.option(
    "--server",
    "servers",
    type=_ServerType(),
    multiple=True,
    help="An MCP server (streamable HTTP). Several URLs are replicas of one server. Give the option once per server.",
)
@click.option(
    "--servers",
    "files",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="DIR|FILE",
    help="Server files (kong-mcp server): each server has the replicas, the path and the policy of its file.",
)
@click.option(
    "--policy",
    type=click.Path(dir_okay=False, path_type=Path),
    help='YAML file with mcp-guard\'s configuration, for instance: tools: {allow: [good, "read_*"]}. '
    "What it does not allow is hidden and refused. Without it everything is allowed. Server files have their own.",
)
@click.option(
    "--consumer",
    "consumers",
    type=_ConsumerType(),
    multiple=True,
    help="An agent that may call, with its API key and its groups. With one or more of them, every request needs a "
    "key in the header apikey; without any, nobody is asked for one.",
)
@click.option("--gateway", type=click.Choice(GATEWAYS), help="Default: kong where it is on the PATH, else the devkit.")
@click.option(
    "--store",
    help="Where pins write down what servers offer: a file, or a postgresql:// URL. By default it goes when this ends.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--quiet", is_flag=True, help="Print servers' troubles alone as they happen.")
@click.option(
    "--login",
    is_flag=True,
    help="Start a real login provider beside the gateway (needs Node): agents must log in, any name and password will "
    f"do, and tools that change something need a scope more ({', '.join(CHANGING)}).",
)
@click.option("--watch", is_flag=True, help="Show a live screen: servers, health, calls, refusals and findings.")
def dev(  # noqa: PLR0913 - one for each option
    servers: tuple[DevServer, ...],
    files: tuple[Path, ...],
    policy: Path | None,
    consumers: tuple[Consumer, ...],
    gateway: str | None,
    port: int,
    store: str | None,
    *,
    login: bool,
    quiet: bool,
    watch: bool,
) -> None:
    """Put MCP servers behind a complete local gateway until Ctrl-C.

    \b
    kong-mcp dev --server files=http://127.0.0.1:9001/mcp --policy policy.yaml
    kong-mcp dev --server a=http://h:1/mcp --server b=http://h:2/mcp --consumer ada=adas-key,finance --watch
    kong-mcp dev --servers deck/servers
    kong-mcp dev --server files=http://127.0.0.1:9001/mcp --login

    What happens is printed as it happens, each thing once, with what to do: requests that were refused and the rule
    that did it, what the scanner found, servers' troubles, and what waits for review.
    """  # noqa: D301 - click's \b keeps the example's line
    _check_watch(quiet=quiet, watch=watch)
    if login and consumers:
        raise click.UsageError("give --login or --consumer: on one route tokens or keys say who calls")
    local_port = free_port()
    declared = [_placed(of_file, local_port) for of_file in _of_files(files)]
    named, servers = servers, (*servers, *(one.server for one in declared))
    _refuse_twins(servers)
    _end_on_signals()
    try:
        values = read_policy(policy) if policy else OPEN_POLICY
        sources = [*([policy] if policy else ()), *files]
        policies = read_policies(sources) if sources else OPEN
        kind, listed = choose_gateway(gateway), [record_of(one) for one in declared]
        settings = DevSettings(
            servers,
            kind,
            port,
            values,
            consumers,
            store=store,
            records=not quiet,
            collector=True,
            listed=listed,
            local=[Path(one.file) for one in declared if local_of(one.values) is not None],
            local_port=local_port,
        )
        _check_store(store)
        click.echo(f"starting a local gateway on {_describe(settings.gateway)} ...", err=True)
        with _login(settings) if login else nullcontext(settings) as settings, run_dev(settings) as running:
            _say_what_runs(running, policy, named=bool(named))
            _tell(running, policies, quiet=quiet, watch=watch)
    except _EXPECTED as error:
        raise click.ClickException(str(error)) from None
    except PolicySourceError as error:
        raise click.ClickException(escaped(str(error))) from None


def _say_what_runs(running: DevGateway, policy: Path | None, *, named: bool) -> None:
    for line in unreachable(running.settings.servers):
        click.echo(f"warning: {line}", err=True)
    for dev_server in running.settings.servers:
        click.echo(f"{dev_server.name}: {running.url(dev_server.name)}")
    if running.registry is not None:
        click.echo(f"registry: {running.registry}")
    if named:
        click.echo(f"policy: {policy}" if policy else "policy: none, so everything is allowed", err=True)
    if running.settings.pinned:
        click.echo(f"pins: review with kong-mcp surface list --store {running.store}", err=True)
    click.echo(f"usage: kong-mcp usage --store {running.store}", err=True)
    for link in running.portal_links():
        click.echo(f"portal: {link.url} (signs in once, as {link.shown})")
    click.echo(f"logs: {running.folder} (until this ends); stop with Ctrl-C", err=True)


@contextmanager
def _login(settings: DevSettings) -> Iterator[DevSettings]:
    """Run a login provider, and give settings with which the servers take its tokens."""
    port = settings.port or free_port()
    with provider(free_port()) as issuer:
        servers = []
        for dev_server in settings.servers:
            policy = guarded(settings.policy_of(dev_server), dev_server, issuer, port)
            servers.append(replace(dev_server, policy=policy))
            if policy["auth"]["issuers"] != [{"issuer": issuer}]:
                click.echo(f"{dev_server.name}: its own issuers stay, so --login is not for it", err=True)
        click.echo(f"login: {issuer}, where any name and password will do", err=True)
        yield replace(settings, servers=servers, port=port)


def _tell(running: DevGateway, policies: Policies, *, quiet: bool, watch: bool) -> None:
    """Tell what happens, each thing once, until a part of the gateway ends."""

    def pause() -> None:
        time.sleep(_WATCH_SECONDS)
        running.check()

    watching = Watching(running, policies, findings=store_findings(running.store))
    if watch and sys.stdout.isatty():
        from kong_mcp import screen  # noqa: PLC0415 - only the live screen needs rich

        servers = running.settings.servers
        screen.show(screen.Screen(servers, running.url, watching, screen.Health(servers)), pause)
    while True:
        pause()
        for happening in watching.look():
            if not quiet or happening.sort is Sort.TROUBLE:
                click.echo(happening.text, err=True)


def _check_watch(*, quiet: bool, watch: bool) -> None:
    if watch and quiet:
        raise click.UsageError("give --watch or --quiet")
    if watch and find_spec("rich") is None:
        raise click.ClickException("--watch needs rich: pip install 'kong-mcp[devkit]'")


def _check_store(address: str | None) -> None:
    """Refuse a store that cannot be used; make one that is not there yet, as the sidecar would a moment later."""
    if address is None:
        return
    try:
        from mcp_sidecar.store.engine import StoreError  # noqa: PLC0415 - without a store nobody waits for it
        from mcp_sidecar.store.store import Store  # noqa: PLC0415 - as above
    except ModuleNotFoundError:
        raise click.ClickException("--store needs its packages: pip install 'kong-mcp[sidecar]'") from None
    try:
        Store(address, migrate=True).close()
    except (StoreError, ValueError) as error:
        raise click.BadParameter(str(error), param_hint="--store") from None


def _of_files(files: tuple[Path, ...]) -> Sequence[ServerFile]:
    """Return the server files, and say what of them a local gateway leaves out."""
    if not files:
        return []
    folder = good(files)
    for one in folder.servers:
        if left := sorted(LEFT_OUT & one.values.keys()):
            click.echo(f"{one.name}: a local gateway leaves out {', '.join(left)}", err=True)
    return folder.servers


def _placed(one: ServerFile, port: int) -> ServerFile:
    """Return a server file, with its program at this port where it is a local server's."""
    if local_of(one.values) is None:
        return one
    return replace(one, server=replace(one.server, targets=(f"127.0.0.1:{port}",)))


def _refuse_twins(servers: tuple[DevServer, ...]) -> None:
    if not servers:
        raise click.UsageError("name servers: --server NAME=URL, or --servers DIR with server files")
    if len({server.name for server in servers}) != len(servers):
        raise click.UsageError("two servers have the same name: give replicas as NAME=URL,URL")
    if len({server.public_path for server in servers}) != len(servers):
        raise click.UsageError("two servers have the same path for agents: change `path` in a server file")


def _end_on_signals() -> None:
    """Let Ctrl-C and SIGTERM end the command with status 0 through its clean-up, which further ones do not disturb."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        # Not by click: a buffered stream that is being written to just then may refuse its own handler (io).
        with suppress(OSError):
            os.write(2, b"stopping ...\n")
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)


def _describe(gateway: str) -> str:
    return "a real Kong (`kong` on the PATH)" if gateway == "kong" else "the devkit, a stand-in for Kong"


if __name__ == "__main__":
    main()
