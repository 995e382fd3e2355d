"""The inspect lane: forwards MCP traffic that carries a surface, and lets through only what the caller may see."""
