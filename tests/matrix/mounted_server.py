"""A Starlette application that mounts an official Python server, of either line of the SDK: mounted_server.py PORT.

Its endpoint is /api/mcp/, with a slash: without one, Starlette answers with a redirect.
"""

import contextlib
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

try:
    from mcp.server import MCPServer as Server
except ImportError:
    from mcp.server.fastmcp import FastMCP as Server

server = Server("mounted", instructions="A part of something larger.")
started = []


@server.tool()
def state() -> str:
    """Say whether the application's lifespan has begun."""
    return " ".join(started)


@server.resource("part://{name}")
def part(name: str) -> str:
    """Hold a part."""
    return f"part {name}"


@server.prompt()
def explain(what: str) -> str:
    """Explain something."""
    return f"Explain {what}."


def endpoint():
    """Return the server's application with its endpoint at the root, as each line of the SDK wants it."""
    if hasattr(server.settings, "streamable_http_path"):
        server.settings.streamable_http_path = "/"
        return server.streamable_http_app()
    return server.streamable_http_app(streamable_http_path="/")


@contextlib.asynccontextmanager
async def lifespan(_app):
    """Begin what the mounted server needs: Starlette begins no mounted application by itself."""
    async with server.session_manager.run():
        started.append("started")
        yield


app = Starlette(routes=[Mount("/api/mcp", app=endpoint())], lifespan=lifespan)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
