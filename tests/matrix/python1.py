"""The official Python client of the line 1.x, as look.py uses it."""

import contextlib

import httpx
from mcp import ClientSession, McpError, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamablehttp_client
from pydantic import AnyUrl

failures = (McpError,)


def make_http(**more):
    """Make a client that loads no certificates, which takes long."""
    settings = {name: value for name, value in more.items() if value is not None} | {"verify": False}
    return httpx.AsyncClient(**settings, trust_env=False, follow_redirects=True)


async def give_value(*_):
    return types.ElicitResult(action="accept", content={"value": "Zoë"})


async def sample(*_):
    return types.CreateMessageResult(
        role="assistant", content=types.TextContent(type="text", text="Roses."), model="none"
    )


async def roots(*_):
    return types.ListRootsResult(roots=[])


class Client:
    """A session, and what its server said of itself."""

    def __init__(self, session, about):
        self.session = session
        self.about = about

    async def call(self, name, arguments, told):
        return await self.session.call_tool(name, arguments, progress_callback=told)

    async def read(self, uri):
        return await self.session.read_resource(AnyUrl(uri))

    async def prompt(self, name, arguments):
        return await self.session.get_prompt(name, arguments)

    async def complete(self, ref, argument):
        kind = types.PromptReference if ref["type"] == "ref/prompt" else types.ResourceTemplateReference
        return await self.session.complete(kind.model_validate(ref), argument)


@contextlib.asynccontextmanager
async def connect(_mode, target):
    connect_to = sse_client if target["old"] else streamablehttp_client
    callbacks = {"elicitation_callback": give_value, "sampling_callback": sample, "list_roots_callback": roots}
    async with (
        connect_to(target["url"], headers=target["headers"], httpx_client_factory=make_http) as streams,
        ClientSession(*streams[:2], **callbacks) as session,
    ):
        yield Client(session, await session.initialize())
