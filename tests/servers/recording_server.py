"""An MCP server of the official SDK that writes down what it really executed: `python recording_server.py --help`."""

import argparse
import json
import time
from pathlib import Path

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context


def build(name: str, journal: Path, says: str | None = None) -> MCPServer:
    server = MCPServer(name, instructions=f"This is {name}.")

    def record(kind: str, what: str) -> None:
        with journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps([name, kind, what]) + "\n")

    add_tools(server, record, says)
    add_prompts(server, record)
    add_resources(server, record)
    return server


def add_tools(server, record, says) -> None:
    @server.tool(description=says)
    def good(text: str) -> str:
        """Repeat a text."""
        record("tool", "good")
        return f"good: {text}"

    @server.tool()
    def read_note(title: str) -> str:
        """Read a note."""
        record("tool", "read_note")
        return f"note: {title}"

    @server.tool()
    def bad(text: str) -> str:
        """Do what nobody may."""
        record("tool", "bad")
        return f"bad: {text}"

    @server.tool()
    def whoami() -> str:
        """Say which replica answers."""
        record("tool", "whoami")
        return server.name

    @server.tool()
    async def report(steps: int, ctx: Context) -> str:
        """Report progress, then end."""
        record("tool", "report")
        for step in range(steps):
            await ctx.report_progress(step + 1, steps, f"step {step + 1}")
        return "reported"


def add_prompts(server, record) -> None:
    @server.prompt()
    def greet() -> str:
        """Greet."""
        record("prompt", "greet")
        return "hello"

    @server.prompt()
    def hidden_prompt() -> str:
        """Stay hidden."""
        record("prompt", "hidden_prompt")
        return "hidden"


def add_resources(server, record) -> None:
    @server.resource("note://public")
    def public_note() -> str:
        """Hold a public note."""
        record("resource", "note://public")
        return "public"

    @server.resource("note://secret")
    def secret_note() -> str:
        """Hold a secret note."""
        record("resource", "note://secret")
        return "secret"

    @server.resource("public://{title}")
    def public_template(title: str) -> str:
        """Hold public notes by title."""
        record("resource", f"public://{title}")
        return title

    @server.resource("secret://{title}")
    def secret_template(title: str) -> str:
        """Hold secret notes by title."""
        record("resource", f"secret://{title}")
        return title


class Journal:
    """ASGI middleware: writes down every HTTP request that reaches the server at all."""

    def __init__(self, app, name: str, journal: Path) -> None:
        self.app = app
        self.name = name
        self.journal = journal

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http":
            headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
            with self.journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps([self.name, "http", scope["method"], headers, time.time()]) + "\n")
        await self.app(scope, receive, send)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--json", action="store_true", help="answer in JSON rather than in event streams")
    parser.add_argument("--sse", action="store_true", help="speak the transport of 2024-11-05, at /sse")
    parser.add_argument("--says", help="what the description of the tool good is")
    parser.add_argument("--quiet", action="store_true", help="do not write down HTTP requests")
    options = parser.parse_args()
    server = build(options.name, options.journal, options.says)
    app = server.sse_app() if options.sse else server.streamable_http_app(json_response=options.json)
    if not options.quiet:
        app = Journal(app, options.name, options.journal)
    config = uvicorn.Config(app, port=options.port, log_level="warning", lifespan="on", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
