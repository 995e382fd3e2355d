"""REST APIs as MCP servers: their descriptions read, their operations offered, calls made through Kong."""
