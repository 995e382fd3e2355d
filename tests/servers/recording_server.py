"""An MCP server of the official SDK that writes down what it really executed: `python recording_server.py --help`."""

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

from servers.journal import Journal, read_options, serve


def build(journal: Journal, says: str | None = None) -> MCPServer:
    server = MCPServer(journal.name, instructions=f"This is {journal.name}.")
    add_tools(server, journal.write, says)
    add_prompts(server, journal.write)
    add_resources(server, journal.write)
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
    async def report(steps: int, ctx: Context, says: str = "reported") -> str:
        """Report progress, then end."""
        record("tool", "report")
        for step in range(steps):
            await ctx.report_progress(step + 1, steps, f"step {step + 1}")
        return says


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


def main() -> None:
    says = {"says": "what the description of the tool good is"}
    options = read_options(__doc__, says, sse="speak the transport of 2024-11-05, at /sse")
    journal = Journal(options.name, options.journal)
    server = build(journal, options.says)
    app = server.sse_app() if options.sse else server.streamable_http_app(json_response=options.json)
    serve(app, journal, options)


if __name__ == "__main__":
    main()
