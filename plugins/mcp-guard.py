"""mcp-guard: opens an MCP route for what the policy allows, and for nothing else."""

from mcp_kong import keyfiles, parts, revocations, snapshots
from mcp_kong.answers import REQUEST
from mcp_kong.guard import Guard
from mcp_kong.schema import GUARD_SCHEMA

Schema = GUARD_SCHEMA
version = "0.2.0"
# After key-auth (1250), jwt (1450), ip-restriction (990) and acl (950), so that it is known who calls; before
# rate-limiting (910) and request-transformer (801), so that they can use the truthful Mcp-Method and Mcp-Name.
priority = 940
refusal = parts.REFUSAL
unreadable = parts.UNREADABLE
# What kong_pluginserver may send ahead of the phase, and what it need not wait for; kong-pdk's server knows neither. If
# Kong does not know the upstream, the request stays with its route's service, which has no targets: Kong answers 503.
prefetch = {"access": (("kong.ctx.shared.get", REQUEST),)}
unawaited = ("kong.service.set_upstream",)


# It calls this when no request waits; without it, the first request that comes after a new snapshot reads it.
def between_events() -> None:
    """Read what the sidecar wrote anew."""
    snapshots.between_events()
    keyfiles.between_events()
    revocations.between_events()


Plugin = Guard
