"""Local servers: programs that speak MCP on their standard streams, offered as streamable HTTP on this machine."""
