"""Command groups that are imported when they are asked for: Kong's machine need not have what the sidecar needs."""

from __future__ import annotations

from importlib import import_module

import click

GROUPS = {
    "catalog": "List, show, search and export the servers behind the gateway.",
    "surface": "Review what servers put before models.",
    "audit": "Prove what was seen and decided.",
    "usage": "Say who used what, how often and how well.",
    "search": "Find the items that answer a question.",
    "revoke": "Cut off a subject, a client or a session.",
    "debug": "Log every request of one server or principal for a while.",
    "stdio": "Run local servers: programs that speak MCP on their standard streams, and REST APIs.",
}
"""Name of each group -> its help."""
_MODULES = {
    "catalog": "kong_mcp.catalog_cli",
    "usage": "kong_mcp.usage_cli",
    "search": "kong_mcp.search_cli",
    "surface": "kong_mcp.surface_cli",
    "audit": "kong_mcp.audit_cli",
    "revoke": "kong_mcp.revoke_cli",
    "debug": "kong_mcp.debug_cli",
    "stdio": "kong_mcp.stdio_cli",
}


class LazyGroup(click.Group):
    """A group that also has the groups of GROUPS."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted([*super().list_commands(ctx), *GROUPS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        if cmd_name not in GROUPS:
            return super().get_command(ctx, cmd_name)
        try:
            group = getattr(import_module(_MODULES[cmd_name]), cmd_name)
        except ModuleNotFoundError:
            return click.Command(cmd_name, short_help=GROUPS[cmd_name], callback=_missing, add_help_option=False)
        return group if isinstance(group, click.Command) else None


def _missing() -> None:
    raise click.ClickException("this needs the store's packages: pip install 'kong-mcp[sidecar]'")
