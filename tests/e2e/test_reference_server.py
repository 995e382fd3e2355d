"""A server of another make, the official reference server, shows a client what it shows it without a gateway."""

import asyncio
import os
import subprocess

import mcp_types as types
import pytest
from mcp import MCPError

from e2e.harness import CONSUMERS, connect_to
from kong_mcp.dev import DevSettings, free_port, run_dev
from kong_mcp.servers import parse_server
from node.tools import MISSING, program
from servers.launch import wait_for_port

SERVER = program("@modelcontextprotocol/server-everything")
pytestmark = pytest.mark.skipif(SERVER is None, reason=MISSING)
CALLS = {
    "echo": {"message": "é \u2028"},
    "get-sum": {"a": 1, "b": 2},
    "get-structured-content": {"location": "New York"},
    "get-annotated-message": {"messageType": "error", "includeImage": True},
    "get-resource-links": {"count": 3},
    "get-tiny-image": {},
    "trigger-sampling-request": {"prompt": "x", "maxTokens": 5},
    "trigger-elicitation-request": {},
    "trigger-long-running-operation": {"duration": 0.2, "steps": 2},
    "nix": {},
}


@pytest.fixture(scope="module")
def reference():
    """Run the reference server, which speaks the legacy era only; gives its URL."""
    port = free_port()
    environment = {**os.environ, "PORT": str(port)}
    process = subprocess.Popen(
        [*SERVER, "streamableHttp"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port(port, process)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def through(reference, kind):
    """Run a gateway before the reference server; gives the URL there."""
    settings = DevSettings([parse_server(f"reference={reference}")], kind, port=0, consumers=CONSUMERS)
    with run_dev(settings) as running:
        yield running.url("reference")


async def give_name(_context, _params):
    return types.ElicitResult(action="accept", content={"name": "Zoë"})


async def sample(_context, _params):
    return types.CreateMessageResult(role="assistant", content=types.TextContent(text="Roses."), model="none")


async def look(url, headers, mode):
    """Return everything that a client sees of the reference server."""
    callbacks = {"elicitation_callback": give_name, "sampling_callback": sample}
    async with connect_to(url, headers, mode, **callbacks) as client:
        seen = [client.protocol_version, client.instructions, client.server_capabilities]
        lists = [client.list_tools, client.list_prompts, client.list_resources, client.list_resource_templates]
        seen += [await asked() for asked in lists]
        for name, arguments in CALLS.items():
            try:
                seen.append(await client.call_tool(name, arguments))
            except MCPError as error:
                seen.append(error.error)
    return seen


@pytest.mark.requirement("CLIENT-013")
@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_reference_server_looks_the_same_with_and_without_a_gateway(reference, through, mode):
    direct = asyncio.run(look(reference, {}, mode))
    direct[2].tasks.list = None  # it would list the tasks of all agents: no gateway offers it
    assert asyncio.run(look(through, {"apikey": CONSUMERS[0].key}, mode)) == direct
    assert direct[0] in ("2025-06-18", "2025-11-25")
