"""mcp-internal: opens the internal route to MCP servers for the sidecar, and for nobody else."""

from typing import Any

from mcp_kong.internal import LINE, REFUSAL, WORD, Internal

Schema: list[dict[str, Any]] = []
version = "0.2.0"
# Before every plugin that looks at who calls: on this route nobody else has business, and there is no consumer.
priority = 2600
refusal = REFUSAL
unreadable = REFUSAL
# See kong_pluginserver.ahead. If Kong does not know the upstream, the request stays with a service that has no targets.
prefetch = {"access": (("kong.nginx.get_var", LINE), ("kong.nginx.get_var", WORD))}
unawaited = ("kong.service.set_upstream",)


class Plugin(Internal):
    """The plugin as Kong's plugin servers want it."""
