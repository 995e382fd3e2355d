"""A gateway with virtual servers in front of servers of the tests."""

import contextlib
from dataclasses import replace

from e2e.harness import CONSUMERS, Running
from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.servers import DevServer, parse_server
from servers.launch import RECORDING, Replica

LEFT_OUT = "kong-mcp/leftOut"
ERAS = {"legacy": "legacy", "modern": "2026-07-28"}
"""How the official client is told to speak each era."""
OPEN = {kind: {"allow": ["*"]} for kind in ("tools", "prompts", "resources")}


def virtual(name, members, **policy):
    return DevServer(name, "http", "/mcp", (), {**OPEN, **policy}, virtual=True, members=tuple(members))


def acted(name, url, **policy):
    """Return a member at a URL, open to everybody but for what `policy` says."""
    return replace(parse_server(f"{name}={url}"), policy=OPEN | policy, acted=True)


async def listed(client):
    """Return the names of the tools, and the members that are left out."""
    said = await client.list_tools()
    return {tool.name for tool in said.tools}, list((said.meta or {}).get(LEFT_OUT, {}))


async def is_used(client):
    """Use the member of which the tool `good` is."""
    assert (await client.call_tool("good", {"text": "on"})).content[0].text == "good: on"


@contextlib.contextmanager
def start(kind, members, virtuals, *, down=(), consumers=CONSUMERS, scripts=None, **further):
    """Run members (name -> policy), and virtual servers over them. Those in `down` are not started.

    `further` are settings of DevSettings.
    """
    with contextlib.ExitStack() as stack:
        replicas, servers = {}, []
        for name, policy in members.items():
            replicas[name] = [Replica(name, script=(scripts or {}).get(name, RECORDING))]
            stack.callback(replicas[name][0].kill)
            if name in down:
                replicas[name][0].kill()
            parsed = parse_server(f"{name}={replicas[name][0].url}")
            servers.append(replace(parsed, policy=policy, acted=True))
        settings = DevSettings([*servers, *virtuals], kind, port=0, consumers=consumers, **further)
        yield Running(stack.enter_context(run_dev(settings)), replicas)
