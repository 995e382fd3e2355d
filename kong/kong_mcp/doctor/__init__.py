"""`kong-mcp doctor`: looks at an installation, part by part in the order of a request, and says what to mend."""
