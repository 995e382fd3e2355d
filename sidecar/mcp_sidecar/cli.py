"""The command line of the sidecar."""

from __future__ import annotations

import os

import click

from mcp_sidecar import logs
from mcp_sidecar.server import serve as run_server
from mcp_sidecar.settings import Settings, SettingsError, read_settings

_HELP = """The inspect lane of the MCP gateway: filters what MCP servers list by what each caller may see.

Kong's mcp-guard plugin sends requests here with a signed context; nobody else is served. Everything is set by
environment variables; KONG_MCP_KEYS (the keys that the guard has too) and MCP_SIDECAR_INTERNAL_KEY (the API key of
Kong's consumer mcp-sidecar) have no default.

\b
  MCP_SIDECAR_LISTEN           HOST:PORT to listen on           127.0.0.1:8790
  MCP_SIDECAR_KONG_URL         where Kong's proxy listens       http://127.0.0.1:8000
  MCP_SIDECAR_INTERNAL_HOST    host name of internal routes     mcp-internal
  MCP_SIDECAR_CONNECT_TIMEOUT  seconds to reach Kong            5
  MCP_SIDECAR_ANSWER_TIMEOUT   seconds until a server answers   300
  MCP_SIDECAR_MAX_ANSWER       bytes of one answer or event     16777216
  MCP_SIDECAR_LOG_LEVEL        debug, info, warning or error    info
"""


@click.group(help=_HELP)
def main() -> None:
    """Run the sidecar's commands."""


@main.command()
def serve() -> None:
    """Serve until SIGTERM. Log lines are JSON on stderr; one says where it listens."""
    settings = _settings()
    logs.configure(settings.log_level)
    try:
        run_server(settings)
    except OSError as error:
        address = f"{settings.listen_host}:{settings.listen_port}"
        raise click.ClickException(f"cannot listen on {address}: {error.strerror}; set MCP_SIDECAR_LISTEN") from error


@main.command()
def check() -> None:
    """Check the settings and print those that are not secret."""
    settings = _settings()
    click.echo(f"listens on {settings.listen_host}:{settings.listen_port}")
    click.echo(f"reaches servers by {settings.kong_url} with host {settings.internal_host}")
    click.echo(f"has {len(settings.keys)} key(s)")


def _settings() -> Settings:
    try:
        return read_settings(os.environ)
    except SettingsError as error:
        raise click.ClickException("the settings cannot be used\n  " + "\n  ".join(error.problems)) from None
