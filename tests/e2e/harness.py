"""A whole gateway with MCP servers of the tests behind it, on the devkit or a real Kong."""

import contextlib
import shutil
from dataclasses import dataclass, replace

import httpx
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.servers import parse_server
from kong_mcp.state import Consumer
from servers.launch import RECORDING, Replica

KINDS = ["devkit", "kong"] if shutil.which("kong") else ["devkit"]

POLICY = {
    "tools": {"allow": ["good", "read_*", "report", "whoami"], "deny": ["read_secret*"]},
    "prompts": {"allow": ["greet"]},
    "resources": {"allow": ["note://public", "public://*"], "deny": ["public://private/*"]},
    "hosts": ["127.0.0.1", "gateway"],
    "param_headers": [{"tool": "read_note", "header": "Title", "argument": ["title"]}],
    "rules": [
        {"consumers": ["ada"], "tools": {"allow": ["bad"]}},
        {"groups": ["readers"], "prompts": {"allow": ["hidden_prompt"]}, "tools": {"deny": ["report"]}},
    ],
}
CONSUMERS = [
    Consumer("ada", "ada-key-0123456789"),
    Consumer("bob", "bob-key-0123456789"),
    Consumer("eve", "eve-key-0123456789", ("readers",)),
]
JSON_HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@dataclass
class Running:
    """A gateway, the MCP servers behind it by name (each a list of replicas), and HTTP clients that hold a key."""

    dev: object
    servers: dict

    def url(self, server="notes"):
        return self.dev.url(server)

    def key(self, name):
        return {"apikey": next(consumer.key for consumer in self.dev.settings.consumers if consumer.name == name)}

    def client(self, name=None):
        headers = JSON_HEADERS | (self.key(name) if name else {})
        return httpx.Client(headers=headers, timeout=30, trust_env=False)

    def executed(self, server="notes"):
        return [what for replica in self.servers[server] for what in replica.executed()]


@contextlib.contextmanager
def another_node(running, keys):
    """Run a second gateway of the same kind in front of the same servers, with its own ring of keys."""
    with run_dev(replace(running.dev.settings, keys=keys)) as dev:
        yield replace(running, dev=dev)


@contextlib.contextmanager
def start(kind, servers, policy=POLICY, consumers=CONSUMERS, options=(), script=RECORDING, store=None, **settings):
    """Run replicas (server name -> number of them) of one script and a gateway of one kind around them.

    `settings` are further ones of DevSettings.
    """
    with contextlib.ExitStack() as stack:
        running = {}
        for name, count in servers.items():
            running[name] = [Replica(f"{name}-{number}", *options, script=script) for number in range(1, count + 1)]
            for replica in running[name]:
                stack.callback(replica.kill)
        parsed = [parse_server(f"{name}=" + ",".join(one.url for one in several)) for name, several in running.items()]
        chosen = DevSettings(parsed, kind, port=0, policy=policy, consumers=consumers, store=store, **settings)
        yield Running(stack.enter_context(run_dev(chosen)), running)


@contextlib.asynccontextmanager
async def connect(running, name, mode, server="notes"):
    """Enter the official client, of one era, with the key of one consumer."""
    async with connect_to(running.url(server), running.key(name), mode) as client:
        yield client


@contextlib.asynccontextmanager
async def connect_to(url, headers, mode, **callbacks):
    """Enter the official client, of one era, wherever the server is, with what the client shall answer."""
    async with (
        # Certificates that nobody asks for take long to load.
        httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False, verify=False) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, **callbacks) as client,
    ):
        yield client


def modern(name):
    """Return a stateless tools/call as the keyword arguments of a POST."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    }
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": name}
    return {"json": call(name, _meta=meta), "headers": headers}


def call(name, **more):
    """Return a tools/call as a message."""
    params = {"name": name, "arguments": {"text": "x"}, **more}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
