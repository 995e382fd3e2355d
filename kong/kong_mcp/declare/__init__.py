"""Server files: the short YAML by which a platform team declares an MCP server, and the decK state made from it."""
