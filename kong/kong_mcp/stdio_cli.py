"""`kong-mcp stdio`: run the local servers and REST APIs of server files, beside Kong."""

from __future__ import annotations

import os
from pathlib import Path

import click

from kong_mcp.declare.local import local_of, stdio_servers
from kong_mcp.declare.rest import NoSecretError, rest_servers
from kong_mcp.declare.server_cli import good, paths_argument
from kong_mcp.network_type import NetworkType
from mcp_core.stdio import DEFAULT_PORT, SEARCH_PATH
from mcp_sidecar.auth.addresses import Network
from mcp_sidecar.lane.patterns import compile_pattern
from mcp_sidecar.rest.api import RestApi
from mcp_sidecar.stdio.serving import serve as run


@click.group()
def stdio() -> None:
    """Run programs that speak MCP on their standard streams, and REST APIs, as servers behind Kong."""


@stdio.command()
@paths_argument
@click.option("--port", type=click.IntRange(1, 65535), help="Listen here alone, whatever the files say.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@click.option(
    "--network",
    "networks",
    multiple=True,
    type=NetworkType(),
    help="OpenAPI descriptions may be fetched from here, beside public addresses.",
)
@click.option(
    "--search-path",
    default=SEARCH_PATH,
    show_default=True,
    help="The PATH of programs, in which their commands are looked for.",
)
def serve(
    paths: tuple[Path, ...], port: int | None, log_level: str, networks: tuple[Network, ...], search_path: str
) -> None:
    """Offer the local servers and REST APIs of DIR to Kong, on loopback, until SIGTERM (docs/local-servers.md).

    It runs beside Kong, in the same network: what it offers asks nobody who they are. Programs find in their
    environment what their files say and nothing else; secrets are read from this command's environment.

    \b
    kong-mcp stdio serve deck/servers
    """  # noqa: D301 - click's \b keeps the example's line
    files = [server for server in good(paths).servers if local_of(server.values) is not None]
    if not files:
        raise click.ClickException(
            "there is no local server in these files; write replicas: [{command: [...]}], or openapi"
        )
    ports = {(local_of(file.values) or {}).get("port", DEFAULT_PORT) for file in files} if port is None else {port}
    try:
        apis = {server.name: RestApi(server, compile_pattern, networks) for server in rest_servers(files, os.environ)}
        run(stdio_servers(files, os.environ, search_path), sorted(ports), log_level, apis)
    except NoSecretError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot listen on {sorted(ports)}: {error.strerror}; write another port") from None
