"""Does what node/list_and_call.mjs does, with the official Python client of the 1.x line.

Writes {first, seen, calls, heard, ended} as JSON: all tools that the client was ever given, what calls gave, what else
came, and the status with which its session ended early, if it did: this line ends the session at any 5xx of a POST. It
then connects anew, as agents do, for the last list.
"""

import asyncio
import json
import sys

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from mcp.types import ServerNotification, ToolListChangedNotification

PATIENCE = 8


async def use(url):
    saw = {"first": [], "seen": [], "calls": [], "heard": [], "ended": None}
    try:
        await use_once(url, saw)
    except* httpx.HTTPStatusError as group:
        saw["ended"] = ended_with(group)
        saw["calls"] = saw["calls"] or [f"error: {saw['ended']}"]
        async with streamablehttp_client(url) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            saw["seen"] += names(await session.list_tools())
    return saw


def ended_with(error):
    """Return the status of the first HTTP error in a group of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error.response.status_code


def names(result):
    return [f"{tool.name}: {tool.description}" for tool in result.tools]


async def use_once(url, saw):
    later = []

    async def told(message):
        saw["heard"].append(str(message))
        if isinstance(message, ServerNotification) and isinstance(message.root, ToolListChangedNotification):
            later.append(asyncio.create_task(listed(saw["seen"])))

    async def listed(into):
        try:
            into.extend(names(await asyncio.wait_for(session.list_tools(), PATIENCE)))
        except Exception as error:  # noqa: BLE001 - what the client makes of an answer is what is looked at
            into.append(f"error: {error}")

    async def called():
        try:
            result = await asyncio.wait_for(session.call_tool("good", {"text": "x"}), PATIENCE)
            saw["calls"].append(result.content[0].text)
        except Exception as error:  # noqa: BLE001 - as above
            saw["calls"].append(f"error: {error}")

    async with (
        streamablehttp_client(url) as (read, write, _),
        ClientSession(read, write, message_handler=told) as session,
    ):
        await session.initialize()
        await listed(saw["first"])
        call = asyncio.create_task(called())
        await asyncio.sleep(0.1)
        later.append(asyncio.create_task(listed(saw["seen"])))
        await call
        await asyncio.gather(*later)
        await listed(saw["seen"])


sys.stdout.write(json.dumps(asyncio.run(use(sys.argv[1]))))
