"""An MCP server of the official SDK with a hundred tools: `python many_server.py --help`."""

from mcp.server import MCPServer

from servers.journal import Journal, read_options, serve

THINGS = ("invoice", "order", "customer", "ticket", "shipment", "contract", "refund", "report", "meeting", "employee")
DEEDS = ("create", "read", "update", "cancel", "list", "search", "approve", "export", "archive", "share")


def build(journal: Journal) -> MCPServer:
    server = MCPServer(journal.name)
    for thing in THINGS:
        for deed in DEEDS:
            add_tool(server, journal, deed, thing)
    return server


def add_tool(server, journal, deed, thing) -> None:
    name = f"{deed}_{thing}"

    def tool(number: int, note: str = "") -> str:
        journal.write("tool", name)
        return f"{journal.name}: {thing} {number}: {deed} done {note}".rstrip()

    server.tool(name=name, description=f"{deed.title()} one {thing} of the department {journal.name}, by its number.")(
        tool
    )


def main() -> None:
    options = read_options(__doc__)
    journal = Journal(options.name, options.journal)
    serve(build(journal).streamable_http_app(json_response=options.json), journal, options)


if __name__ == "__main__":
    main()
