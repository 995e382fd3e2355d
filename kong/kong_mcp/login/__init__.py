"""`kong-mcp dev --login`: a real authorization server on this machine, and servers that take its tokens."""
