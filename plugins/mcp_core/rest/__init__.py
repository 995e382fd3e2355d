"""REST APIs as MCP tools: an OpenAPI 3 description read, a call made of arguments, a result made of an answer."""
