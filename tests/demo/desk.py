"""The scene of the demo with a virtual server: one agent, three hundred tools, and a budget."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

from mcp import Client

from mcp_core.token_count import tokens

SERVER = Path(__file__).with_name("many_server.py")
MEMBERS = ("sales", "support", "finance")
DESK = """\
name: {name}
servers: ["*"]
auth: []
budget: {{tokens: 8000, mode: {mode}}}
"""


def files(folder, replicas):
    """Write a server file for each member, and two virtual servers over all of them."""
    for name, replica in replicas.items():
        text = (
            f"name: {name}\nreplicas: ['{replica.url}']\nauth: []\ntools: {{allow: ['*'], deny: ['approve_refund']}}\n"
        )
        (folder / f"{name}.yaml").write_text(text)
    for name, mode in (("everything", "full"), ("desk", "auto")):
        (folder / f"{name}.yaml").write_text(DESK.format(name=name, mode=mode))


@contextlib.contextmanager
def gateway(folder):
    """Run `kong-mcp dev --servers` and give the URLs that it prints."""
    command = [str(Path(sys.executable).parent / "kong-mcp"), "dev", "--port", "0", "--servers", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            urls = dict(process.stdout.readline().strip().split(": ", 1) for _ in range(len(MEMBERS) + 2))
            yield urls
        finally:
            process.terminate()
            if process.wait() != 0:
                raise SystemExit("the gateway did not stop cleanly")


async def listed(url):
    """Return the tools of a list and about how many tokens they take of a model's context."""
    async with Client(url) as client:
        tools = (await client.list_tools()).tools
    return tools, tokens([tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools])


async def show(urls, line):
    """List both, find one tool and call it."""
    everything, before = await listed(urls["everything"])
    few, after = await listed(urls["desk"])
    line("agent", f"everything lists {len(everything)} tools: about {before} tokens of context")
    line("agent", f"desk lists {[tool.name for tool in few]}: about {after} tokens, {before // after} times fewer")
    async with Client(urls["desk"]) as client:
        answer = await client.call_tool("find_tools", {"query": "cancel a refund in finance"})
        found = [tool["name"] for tool in json.loads(answer.content[0].text)["tools"]]
        line("agent", f"find_tools 'cancel a refund in finance': {found[:3]}")
        called = {"name": "finance_cancel_refund", "arguments": {"number": 7}}
        line("agent", f"call_tool: {(await client.call_tool('call_tool', called)).content[0].text}")
    hidden = [name for name in (*found, *(tool.name for tool in everything)) if "approve_refund" in name]
    if hidden or "finance_cancel_refund" not in found or before < 20 * after:
        raise SystemExit(f"the virtual server did not do what it is for: {hidden} {found} {before} {after}")
