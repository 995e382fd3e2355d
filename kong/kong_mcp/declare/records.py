"""A server file as the one record that the sidecar reads of its server."""

from __future__ import annotations

from kong_mcp.declare.server_file import ServerFile
from mcp_core.errand import Address
from mcp_core.servers import LifeCycle, McpServer
from mcp_kong.settings import read_pins


def record_of(one: ServerFile) -> McpServer:
    """Return the record of a server that can be used."""
    server, values = one.server, one.values
    pins, trust = read_pins(one.guard)
    address = Address.read(f"mcp-{one.name}-sessions", server.protocol, server.path)
    return McpServer(
        one.name,
        one.public_path,
        address,
        tuple(f"{server.protocol}://{target}{server.path}" for target in server.targets),
        values.get("title", ""),
        values.get("owner", ""),
        values.get("tls", {}).get("verify", True),
        pins,
        trust,
        one.guard,
        LifeCycle(values.get("life_cycle", LifeCycle.ACTIVE)),
        values.get("description", ""),
        values.get("version", ""),
        values.get("successor", ""),
        values.get("links", {}),
        tuple(values.get("tags", ())),
        one.auth,
    )
