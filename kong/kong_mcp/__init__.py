"""The `kong-mcp` command line: a local gateway in one command, and what operators run beside it."""
