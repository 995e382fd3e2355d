"""What the Python client of the 1.x line makes of a server: its tools, and one call. `python desk.py SETTINGS`."""

import asyncio
import json
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


async def main(settings):
    async with (
        streamablehttp_client(settings["url"], headers=settings["headers"]) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        tools = [tool.name for tool in (await session.list_tools()).tools]
        answer = await session.call_tool(settings["tool"], settings["arguments"])
        sys.stdout.write(json.dumps({"tools": tools, "said": answer.content[0].text}))


asyncio.run(main(json.loads(sys.argv[1])))
