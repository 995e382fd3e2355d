"""An agent made of the official SDK that does what the official suite asks of a client: `python client.py URL`.

The suite names the scenario, its revision and what belongs to it in variables; it judges what its own server saw.
With CONFORMANCE_LANE the agent goes through a gateway instead, which hands on to the suite's server (see lane.py).
"""

import asyncio
import contextlib
import json
import os
import sys
import warnings

from client_auth import log_in
from lane import through
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import CreateMessageResult, ElicitRequestFormParams, ElicitResult, ListRootsResult, TextContent
from pydantic import ValidationError

MODERN = "2026-07-28"
CONTEXT = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
EXAMPLES = {"string": "x", "integer": 0, "number": 0, "boolean": False, "object": {}, "array": []}


async def _accept(_context, params):
    """Accept a form as it is proposed, and confirm what has no default."""
    fields = params.requested_schema.get("properties", {}) if isinstance(params, ElicitRequestFormParams) else {}
    content = {name: field.get("default", EXAMPLES.get(field.get("type"))) for name, field in fields.items()}
    return ElicitResult(action="accept", content=content)


async def _sample(_context, _params):
    return CreateMessageResult(role="assistant", content=TextContent(type="text", text="sampled"), model="none")


async def _roots(_context):
    return ListRootsResult(roots=[])


def connect(url, mode=None):
    """Return the SDK's client, which can be asked anything. `mode` is its own word for the era."""
    era = "auto" if os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"] == MODERN else "legacy"
    return Client(
        url, mode=mode or era, elicitation_callback=_accept, sampling_callback=_sample, list_roots_callback=_roots
    )


def calls(*names, arguments=None):
    """Return a scenario: list the tools, then call some."""

    async def scenario(url):
        async with connect(url) as client:
            await client.list_tools()
            for name in names:
                await client.call_tool(name, arguments or {})

    return scenario


async def only_list(url):
    # The suite's server for this one speaks the handshake only, whatever revision it is run at.
    async with connect(url, "legacy") as client:
        await client.list_tools()


async def echo_schema(url):
    async with connect(url) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        await client.call_tool("json_schema_echo", {"schema": tools["json_schema_2020_12_tool"].input_schema})


async def given_calls(url):
    async with connect(url) as client:
        await client.list_tools()
        for call in CONTEXT["toolCalls"]:
            await client.call_tool(call["name"], call["arguments"])


async def whatever_is_listed(url):
    async with connect(url) as client:
        for tool in (await client.list_tools()).tools:
            fields = tool.input_schema.get("properties", {})
            arguments = {name: EXAMPLES[field["type"]] for name, field in fields.items() if field["type"] in EXAMPLES}
            with contextlib.suppress(MCPError):  # the scenario judges what was called, not what came of it
                await client.call_tool(tool.name, arguments)


async def every_kind_of_item(url):
    async with connect(url) as client:
        for tool in (await client.list_tools()).tools:
            await client.call_tool(tool.name, {})
        for resource in (await client.list_resources()).resources:
            await client.read_resource(resource.uri)
        for prompt in (await client.list_prompts()).prompts:
            await client.get_prompt(prompt.name)


async def questions_in_answers(url):
    async with connect(url) as client:
        await client.list_tools()
        for name in ("test_mrtr_echo_state", "test_mrtr_unrelated", "test_mrtr_no_state"):
            await client.call_tool(name, {})
        # The answer has no resultType. That counts as complete; this SDK will not have it, and asks no second time.
        with contextlib.suppress(ValidationError):
            await client.call_tool("test_mrtr_no_result_type", {})


ADD = calls("add_numbers", arguments={"a": 5, "b": 3})

SCENARIOS = {
    "initialize": calls(),
    "tools_call": ADD,
    "elicitation-sep1034-client-defaults": calls("test_client_elicitation_defaults"),
    "sse-retry": calls("test_reconnection"),
    "request-metadata": ADD,
    "http-standard-headers": every_kind_of_item,
    "http-custom-headers": given_calls,
    "http-invalid-tool-headers": whatever_is_listed,
    "json-schema-ref-no-deref": only_list,
    "json-schema-2020-12-preservation": echo_schema,
    "sep-2322-client-request-state": questions_in_answers,
}


async def authorized(url):
    era = "auto" if os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"] == MODERN else "legacy"
    await log_in(url, era)


def main():
    warnings.simplefilter("ignore", DeprecationWarning)
    name = os.environ["MCP_CONFORMANCE_SCENARIO"]
    scenario = authorized if name.startswith("auth/") else SCENARIOS[name]
    asyncio.run(scenario(through(sys.argv[1])))


if __name__ == "__main__":
    main()
