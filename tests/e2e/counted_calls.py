"""Calls that are counted on both sides of the gateway, of both eras, by several agents, with refusals and failures."""

import asyncio
from itertools import cycle

import httpx
from mcp import MCPError

from e2e.harness import JSON_HEADERS, connect, modern

AGENTS = 8
"""Agents at work at a time."""
TOLD_EVERY = 2_000
"""Calls after which a line says how far it is: `make test` makes fewer."""
CALLS_OF_A_ROUND = 6
DENIED = ("no_such_tool", "read_secret_plan")


class Progress:
    """Says now and then how many calls ended, by `tell`."""

    def __init__(self, tell):
        self._tell = tell
        self._calls = 0

    def ended(self, calls=1):
        before, self._calls = self._calls, self._calls + calls
        if before // TOLD_EVERY < self._calls // TOLD_EVERY:
            self._tell(f"{self._calls:,} calls")


def shared(number, among=AGENTS):
    """Return how many of a number each of some agents does, all of them together the number itself."""
    return [number // among + (at < number % among) for at in range(among)]


async def mixed(running, rounds, progress):
    """Make calls of both eras, with refusals, failures and streams; return how many refusals agents saw."""
    refused = 0
    for mode in ("legacy", "2026-07-28"):
        async with asyncio.TaskGroup() as tasks:
            # By turns: one caller who is refused thousands of times a minute would be limited.
            whose = [(name, its) for name, its in zip(cycle(("ada", "bob")), shared(rounds), strict=False) if its]
            agents = [tasks.create_task(_mixed(running, name, mode, its, progress)) for name, its in whose]
        refused += sum(agent.result() for agent in agents)
    return refused


async def _mixed(running, name, mode, rounds, progress):
    refused = 0
    async with connect(running, name, mode) as client:
        await client.list_tools()
        for _ in range(rounds):
            await client.call_tool("good", {"text": "x"})
            await client.call_tool("report", {"steps": 3})
            await client.call_tool("good", {"no-such-argument": 1})
            await client.get_prompt("greet", {})
            for denied in DENIED:
                try:
                    await client.call_tool(denied, {})
                except MCPError:
                    refused += 1
            progress.ended(CALLS_OF_A_ROUND)
    return refused


async def called(running, name, tool, calls, progress):
    """Have a consumer make stateless calls of a tool of team; return how many were answered with 200."""
    async with (
        httpx.AsyncClient(headers=JSON_HEADERS | running.key(name), timeout=30, trust_env=False) as http,
        asyncio.TaskGroup() as tasks,
    ):
        agents = [tasks.create_task(_called(http, running.url("team"), tool, its, progress)) for its in shared(calls)]
    return sum(agent.result() for agent in agents)


async def _called(http, url, tool, calls, progress):
    answered = 0
    for _ in range(calls):
        answered += (await http.post(url, **modern(tool))).status_code == 200
        progress.ended()
    return answered
