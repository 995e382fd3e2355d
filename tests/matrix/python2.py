"""The official Python client of the line 2.x, as look.py uses it."""

import contextlib

import httpx2
import mcp_types as types
from mcp import Client, MCPError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

failures = (MCPError,)


async def give_value(_context, _params):
    return types.ElicitResult(action="accept", content={"value": "Zoë"})


async def sample(_context, _params):
    return types.CreateMessageResult(role="assistant", content=types.TextContent(text="Roses."), model="none")


async def roots(_context):
    return types.ListRootsResult(roots=[])


class Connected:
    """A client, and what its server said of itself."""

    def __init__(self, client):
        self.session = client
        about = (client.protocol_version, client.server_info, client.server_capabilities, client.instructions)
        self.about = [getattr(one, "model_dump", lambda one=one, **_: one)(mode="json", by_alias=True) for one in about]

    async def call(self, name, arguments, told):
        return await self.session.call_tool(name, arguments, progress_callback=told)

    async def read(self, uri):
        return await self.session.read_resource(uri)

    async def prompt(self, name, arguments):
        return await self.session.get_prompt(name, arguments)

    async def complete(self, ref, argument):
        kind = types.PromptReference if ref["type"] == "ref/prompt" else types.ResourceTemplateReference
        return await self.session.complete(kind.model_validate(ref), argument)


@contextlib.asynccontextmanager
async def connect(mode, target):
    callbacks = {"elicitation_callback": give_value, "sampling_callback": sample, "list_roots_callback": roots}
    async with contextlib.AsyncExitStack() as stack:
        if target["old"]:
            mode = "legacy"
            transport = sse_client(target["url"], headers=target["headers"])
        else:
            settings = {"headers": target["headers"], "timeout": 30, "trust_env": False, "verify": False}
            http = await stack.enter_async_context(httpx2.AsyncClient(**settings, follow_redirects=True))
            transport = streamable_http_client(target["url"], http_client=http)
        yield Connected(await stack.enter_async_context(Client(transport, mode=mode, **callbacks)))
