"""The tools that the official suite calls once: contents of each kind, notifications, questions to the client."""

import asyncio
from typing import Annotated

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import Prompt
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)
from pydantic import Field

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
"""A PNG of one pixel, base64."""
SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="
"""A WAV without a sample, base64."""

# Long enough that a client which reads slowly still sees separate notifications.
STEP_SECONDS = 0.02
RECONNECT_SECONDS = 0.3

DEFAULTS = {
    "name": {"type": "string", "description": "User name", "default": "John Doe"},
    "age": {"type": "integer", "description": "User age", "default": 30},
    "score": {"type": "number", "description": "User score", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "description": "Verification status", "default": True},
}


def _titled(**titles):
    return [{"const": value, "title": title} for value, title in titles.items()]


ENUMS = {
    "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
    "titledSingle": {"type": "string", "oneOf": _titled(value1="First", value2="Second", value3="Third")},
    "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["One", "Two", "Three"]},
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
    "titledMulti": {"type": "array", "items": {"anyOf": _titled(value1="First", value2="Second", value3="Third")}},
}

SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def json_schema_2020_12_tool() -> str:
    """Have an input schema with the keywords of JSON Schema 2020-12."""
    return "called"


SCHEMA_TOOL = Tool.from_function(json_schema_2020_12_tool).model_copy(update={"parameters": SCHEMA_2020_12})


def _text(text):
    return TextContent(type="text", text=text)


def _image():
    return ImageContent(type="image", data=PIXEL, mime_type="image/png")


def _resource(uri, mime_type, text):
    contents = TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return EmbeddedResource(type="resource", resource=contents)


CONTENTS = {
    "test_simple_text": [_text("This is a simple text response for testing.")],
    "test_image_content": [_image()],
    "test_audio_content": [AudioContent(type="audio", data=SILENCE, mime_type="audio/wav")],
    "test_embedded_resource": [_resource("test://embedded-resource", "text/plain", "This is an embedded resource.")],
    "test_multiple_content_types": [
        _text("Multiple content types test:"),
        _image(),
        _resource("test://mixed-content-resource", "application/json", '{"test": "data", "value": 123}'),
    ],
}


def add_calls(server):
    for name, content in CONTENTS.items():
        _add_contents(server, name, content)
    for tool in (
        error_handling,
        tool_with_logging,
        logging_tool,
        tool_with_progress,
        sampling,
        elicitation,
        elicitation_sep1034_defaults,
        elicitation_sep1330_enums,
        missing_capability,
        x_mcp_header,
        reconnection,
    ):
        server.add_tool(tool, name=f"test_{tool.__name__}")
    _add_changes(server)


def _add_contents(server, name, content):
    def answer() -> CallToolResult:
        return CallToolResult(content=content)

    server.add_tool(answer, name=name, description=f"Answer as {name} must.")


def _add_changes(server):
    """Add the tools that change a list and tell who listens."""

    async def trigger_tool_change(ctx: Context) -> str:
        """Change the list of tools."""
        server.add_tool(_passing, name="test_passing_tool")
        server.remove_tool("test_passing_tool")
        await ctx.notify_tools_changed()
        return "changed"

    async def trigger_prompt_change(ctx: Context) -> str:
        """Change the list of prompts."""
        server.add_prompt(Prompt.from_function(_passing, name="test_passing_prompt"))
        server.remove_prompt("test_passing_prompt")
        await ctx.notify_prompts_changed()
        return "changed"

    server.add_tool(trigger_tool_change, name="test_trigger_tool_change")
    server.add_tool(trigger_prompt_change, name="test_trigger_prompt_change")


def _passing() -> str:
    """Come and go."""
    return "passing"


def error_handling() -> str:
    """Fail."""
    raise ToolError("This tool intentionally returns an error for testing")


async def tool_with_logging(ctx: Context) -> str:
    """Log three times."""
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(line)
        await asyncio.sleep(STEP_SECONDS)
    return "logged"


async def logging_tool(ctx: Context) -> str:
    """Log once; in the modern era nothing arrives unless the request asked for logs."""
    await ctx.info("Tool execution started")
    return "logged"


async def tool_with_progress(ctx: Context) -> str:
    """Report progress three times."""
    for progress in (0, 50, 100):
        await ctx.report_progress(progress, 100, f"Completed step {progress} of 100")
        await asyncio.sleep(STEP_SECONDS)
    return "reported"


async def sampling(prompt: str, ctx: Context) -> str:
    """Ask the client's model."""
    question = SamplingMessage(role="user", content=_text(prompt))
    result = await ctx.session.create_message([question], max_tokens=100, related_request_id=ctx.request_id)
    return f"LLM response: {result.content.text}"


async def _elicit(ctx, message, properties, required=()):
    schema = {"type": "object", "properties": properties, "required": list(required)}
    result = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
    return f"action={result.action}, content={result.content}"


async def elicitation(message: str, ctx: Context) -> str:
    """Ask the user."""
    response = {"response": {"type": "string", "description": "User's response"}}
    return await _elicit(ctx, message, response, ["response"])


async def elicitation_sep1034_defaults(ctx: Context) -> str:
    """Ask the user with a default for each primitive type."""
    return await _elicit(ctx, "Please review and update the form fields with defaults", DEFAULTS)


async def elicitation_sep1330_enums(ctx: Context) -> str:
    """Ask the user to choose, with each shape of enumeration."""
    return await _elicit(ctx, "Please select options from the enum fields", ENUMS)


async def missing_capability(ctx: Context) -> str:
    """Need a client that can sample."""
    capabilities = ctx.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        needed = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "this tool needs a client that can sample", needed)
    return "the client can sample"


def x_mcp_header(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "nowhere",
) -> str:
    """Have an argument that a header repeats."""
    return f"region={region}"


async def reconnection(ctx: Context) -> str:
    """Close the event stream in the middle of the call; the answer waits for the client to come back."""
    await ctx.info("Before the stream is closed")
    await asyncio.sleep(STEP_SECONDS)  # what was sent has left before the stream is closed
    await ctx.close_sse_stream()
    await asyncio.sleep(RECONNECT_SECONDS)
    return "reconnected"
