"""A server of fastmcp 3 or 4: fastmcp_server.py PORT (http | stateless | json | sse), or fastmcp_server.py stdio."""

import sys

from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.utilities.types import Image

server = FastMCP("notebook", version="1.2.3", instructions="Use add before total. \u2028 é")
TRANSPORTS = {
    "http": {"transport": "http", "path": "/mcp"},
    "stateless": {"transport": "http", "path": "/mcp", "stateless_http": True},
    "json": {"transport": "http", "path": "/v1/mcp/", "json_response": True},
    "sse": {"transport": "sse", "path": "/sse"},
}
PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00"
    b"\x00\rIDATx\x9cc\xf8\xff\xff?\x00\x05\xfe\x02\xfe\xa7\x9a\xa0\xa0\x00\x00\x00\x00IEND\xaeB`\x82"
)


@server.tool(tags={"numbers"}, annotations={"readOnlyHint": True})
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@server.tool
async def total(numbers: list[float], ctx: Context) -> dict[str, float]:
    """Add many numbers, and tell how far it is."""
    for number, _ in enumerate(numbers, 1):
        await ctx.report_progress(number, len(numbers))
    await ctx.info("added")
    return {"total": sum(numbers)}


@server.tool
def fail(why: str) -> str:
    """Fail."""
    raise ToolError(why)


@server.tool
def picture() -> Image:
    """Give a picture of one pixel."""
    return Image(data=PIXEL, format="png")


@server.tool
async def ask(ctx: Context) -> str:
    """Ask who is there."""
    answer = await ctx.elicit("Who are you?", response_type=str)
    return f"{answer.action}: {getattr(answer, 'data', None)}"


@server.resource("note://today", mime_type="text/plain")
def today() -> str:
    """Hold a note."""
    return "nothing"


@server.resource("note://{day}/{hour*}")
def hours(day: str, hour: str) -> str:
    """Hold a note for each hour."""
    return f"{day} {hour}"


@server.prompt
def greet(name: str, polite: bool = True) -> str:  # noqa: FBT001, FBT002 - what prompts of people look like
    """Greet somebody."""
    return f"{'Dear' if polite else 'Hi'} {name}"


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio", show_banner=False)
    else:
        settings = {"host": "127.0.0.1", "port": int(sys.argv[1]), "show_banner": False, "log_level": "error"}
        server.run(**TRANSPORTS[sys.argv[2]], **settings)
