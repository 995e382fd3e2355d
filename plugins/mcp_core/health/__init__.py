"""Is a replica well, as MCP speaks; may a server be asked; what guards are told of it. Pure: clocks are arguments."""
