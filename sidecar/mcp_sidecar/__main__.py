"""Lets `python -m mcp_sidecar` do what `mcp-sidecar` does."""

from mcp_sidecar.cli import main

main(prog_name="mcp-sidecar")
