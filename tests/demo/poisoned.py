"""The second half of the demo: a poisoned tool, and one that changes after it was approved, never reach a model."""

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

import click
from mcp import Client, MCPError

_BIN = Path(sys.executable).parent
_MARKS = {True: click.style("yes", fg="green"), False: click.style("no ", fg="red")}


class Table:
    """What agents of both eras saw and got, a row a tool."""

    def __init__(self):
        self._rows = []

    def add(self, tool, offered, seen, answer):
        self._rows.append((tool, offered, _MARKS[seen], answer))

    def lines(self):
        heads = ("tool", "what the server offers", "listed", "what a call gives")
        plain = [[click.unstyle(cell) for cell in row] for row in (heads, *self._rows)]
        widths = [max(len(row[at]) for row in plain) for at in range(len(heads))]
        rule = "─┼─".join("─" * width for width in widths)
        for number, (row, bare) in enumerate(zip((heads, *self._rows), plain, strict=True)):
            cells = [cell + " " * (widths[at] - len(bare[at])) for at, cell in enumerate(row)]
            yield " │ ".join(cells)
            if number == 0:
                yield rule


async def ask(url, mode, tool, arguments):
    """Return whether an agent sees a tool, and what a call of it gives."""
    async with Client(url, mode=mode) as client:
        seen = tool in [one.name for one in (await client.list_tools()).tools]
        try:
            answer = await client.call_tool(tool, arguments)
        except MCPError as error:
            return seen, error.error.message
        return seen, answer.content[0].text


async def both_eras(url, tool, arguments):
    """Return what agents of both eras see and get, which must be the same."""
    found = {mode: await ask(url, mode, tool, arguments) for mode in ("legacy", "2026-07-28")}
    if len(set(found.values())) != 1:
        raise SystemExit(f"the eras differ on {tool}: {found}")
    return found["legacy"]


async def back(url):
    """Wait until the gateway has seen that a server is back: it asks what took no connection every two seconds."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(MCPError, ExceptionGroup):
                async with Client(url) as client:
                    await client.list_tools()
                return
            await asyncio.sleep(0.1)


def surface(store, *arguments):
    """Run `kong-mcp surface` and return its lines."""
    command = [str(_BIN / "kong-mcp"), "surface", *arguments, "--store", str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


async def show(urls, store, calendar, say):
    """Ask for every tool, let one change, ask again, and say what became of each."""
    table = Table()
    offers = {
        ("notes", "add_note"): "a clean tool",
        ("notes", "search_notes"): "a poisoned tool: it steers the model",
        ("calendar", "next_meeting"): "a clean tool",
    }
    for (server, tool), offered in offers.items():
        seen, answer = await both_eras(urls[server], tool, {"text": "soup"})
        table.add(f"{server} {tool}", offered, seen, answer)
        if seen != (tool != "search_notes"):
            raise SystemExit(f"{tool} was not judged as it should be")
    calendar.restart("--kind", "changed")
    await back(urls["calendar"])
    seen, answer = await both_eras(urls["calendar"], "next_meeting", {"text": "soup"})
    table.add("calendar next_meeting", "changed after it was approved", seen, answer)
    for text in table.lines():
        say(f"   {text}")
    if seen or answer != "Unknown tool: next_meeting":
        raise SystemExit("the changed tool was not stopped")
    say("\n   $ kong-mcp surface list --state quarantined")
    for text in surface(store, "list", "--state", "quarantined"):
        say(f"   {text}")


async def wait_for_review(url, store, say):
    """Show what becomes of a foreign server's tool whose text no rule holds for: it waits, as a reviewer sees it."""
    seen, answer = await both_eras(url, "book_flight", {"city": "Lisbon"})
    if seen or answer != "Unknown tool: book_flight":
        raise SystemExit("a tool of a foreign server did not wait for a person")
    say(f"   agent      travel offers no tools, and book_flight says: {answer}")
    say("\n   $ kong-mcp surface review    # a approve, r reject, s skip, v show, A a page, w write, q quit")
    for text in surface(store, "review", "--print"):
        say(f"   | {text.rstrip()}")
    surface(store, "reject", "travel", "tool", "book_flight", "--why", "it sells one airline")
    say("   reviewer   rejects it: whatever it changes into waits, too")
