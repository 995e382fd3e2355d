"""The resources, prompts and completions of the official suite, and the methods that the SDK leaves to a server."""

import base64
import json

from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.types import (
    Completion,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from server_calls import PIXEL


def add_surface(server):
    _add_resources(server)
    _add_prompts(server)
    _add_completion(server)
    for method, params in (
        ("logging/setLevel", SetLevelRequestParams),
        ("resources/subscribe", SubscribeRequestParams),
        ("resources/unsubscribe", UnsubscribeRequestParams),
    ):
        # The SDK's high-level server takes no handlers for these.
        server._lowlevel_server.add_request_handler(method, params, _agree)


async def _agree(_ctx, _params):
    return EmptyResult()


def _add_resources(server):
    @server.resource("test://static-text", mime_type="text/plain")
    def static_text() -> str:
        """Hold a text."""
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png")
    def static_binary() -> bytes:
        """Hold an image."""
        return base64.b64decode(PIXEL)

    @server.resource("test://watched-resource", mime_type="text/plain")
    def watched() -> str:
        """Be subscribed to."""
        return "watched"

    @server.resource("test://template/{id}/data", mime_type="application/json")
    def template(id: str) -> str:  # noqa: A002 - the template names it
        """Hold a text that knows its parameter."""
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def _says(text):
    return UserMessage(content=TextContent(type="text", text=text))


def _add_prompts(server):
    @server.prompt()
    def test_simple_prompt() -> list[UserMessage]:
        """Say one thing."""
        return [_says("This is a simple prompt for testing.")]

    @server.prompt()
    def test_prompt_with_arguments(arg1: str, arg2: str) -> list[UserMessage]:
        """Repeat two arguments."""
        return [_says(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")]

    @server.prompt()
    def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803 - the suite's name
        """Embed a resource."""
        contents = TextResourceContents(uri=resourceUri, mime_type="text/plain", text="embedded")
        return [UserMessage(content=EmbeddedResource(type="resource", resource=contents)), _says("Read it.")]

    @server.prompt()
    def test_prompt_with_image() -> list[UserMessage]:
        """Show an image."""
        return [
            UserMessage(content=ImageContent(type="image", data=PIXEL, mime_type="image/png")),
            _says("Look at it."),
        ]


def _add_completion(server):
    @server.completion()
    async def complete(_ref, argument, _context):
        values = [value for value in ("paris", "park", "party") if value.startswith(argument.value)]
        return Completion(values=values, total=len(values), has_more=False)
