"""Uses the rows on stdin (see rows.py) with the official Python client of the 1.x line, and writes what they saw."""

import asyncio
import contextlib
import json
import sys

import httpx
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamablehttp_client
from mcp.types import Implementation
from pydantic import AnyUrl
from rows import PATIENCE, use_rows


def plain_client(**settings):
    """Make a client as the SDK does, without certificates: nobody asks for them, and they take long to load."""
    settings = {name: value for name, value in settings.items() if value is not None}
    return httpx.AsyncClient(**{"timeout": PATIENCE, **settings}, trust_env=False, verify=False)


@contextlib.asynccontextmanager
async def enter(row, name, told):
    connect = sse_client if row["old"] else streamablehttp_client
    about = Implementation(name=name, version="1")
    async with (
        connect(row["url"], httpx_client_factory=plain_client) as (read, write, *_),
        ClientSession(read, write, message_handler=told, client_info=about) as session,
    ):
        await session.initialize()
        yield session


sys.stdout.write(json.dumps(asyncio.run(use_rows(json.load(sys.stdin), enter, AnyUrl))))
