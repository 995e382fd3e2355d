"""Is a replica well, as MCP speaks; whose calls are stopped before they wait for nothing; who hears of it."""
