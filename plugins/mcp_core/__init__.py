"""The pure heart: MCP protocol, policy and scanning. No I/O, no clock, no environment, no PDK."""
