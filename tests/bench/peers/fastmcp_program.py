"""FastMCP's proxy as its documentation has it, run by the Python that FastMCP is installed for: URL, PORT, KEY."""

import sys

from fastmcp.server import create_proxy
from fastmcp.server.auth import AccessToken  # noqa: F401 - fails early where this is another FastMCP
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier
from fastmcp.server.middleware import AuthMiddleware


def _allowed(context):
    return context.component.name == "good"


if __name__ == "__main__":
    url, port, key = sys.argv[1:]
    create_proxy(
        url,
        name="bench",
        auth=StaticTokenVerifier({key: {"client_id": "bench", "scopes": []}}),
        middleware=[AuthMiddleware(auth=_allowed)],
    ).run(transport="http", host="127.0.0.1", port=int(port), show_banner=False, log_level="error")
