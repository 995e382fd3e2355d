"""mcp-guard: opens an MCP route for what the policy allows, and for nothing else."""

from mcp_kong.guard import REFUSAL, Guard
from mcp_kong.schema import GUARD_SCHEMA

Schema = GUARD_SCHEMA
version = "0.1.0"
# After key-auth (1250), jwt (1450), ip-restriction (990) and acl (950), so that it is known who calls; before
# rate-limiting (910) and request-transformer (801), so that they can use the truthful Mcp-Method and Mcp-Name.
priority = 940
refusal = REFUSAL


class Plugin(Guard):
    """The plugin as Kong's plugin servers want it."""
