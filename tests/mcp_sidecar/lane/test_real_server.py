"""The official SDK's server and client, of both eras, with the sidecar between them."""

import contextlib
import json
import socket
import threading
import time

import anyio
import httpx2
import pytest
import uvicorn
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from mcp_core.principal import consumer
from mcp_core.seal import SessionSealer

GLOBS = {"allow": ["*"], "deny": ["*secret*"]}
VIEW = {"tools": GLOBS, "prompts": GLOBS, "resources": GLOBS}


def make_server():
    server = MCPServer("files", instructions="read files")
    for name in ("read", "secret-write", "list"):
        server.add_tool(lambda path: f"{path}!", name=name, description=name)
        server.prompt(name=name)(lambda: "hello")
        server.resource(f"file:///{name}", name=name)(lambda: "text")
        server.resource(f"file:///{name}/{{path}}", name=name)(lambda path: path)
    return server


@pytest.fixture(params=[True, False], ids=["json", "stream"])
def real_server(request):
    """Serve a real MCP server where Kong's internal route would be; gives its port."""
    app = make_server().streamable_http_app(
        streamable_http_path="/files",
        json_response=request.param,
        transport_security=TransportSecuritySettings(allowed_hosts=["mcp-internal"]),
    )
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=lambda: anyio.run(server.serve, [listener]))
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()


class SigningTransport(httpx2.AsyncBaseTransport):
    """What the guard and Kong do on the way of a request: context, session and the sidecar's path."""

    def __init__(self, guard, key):
        self._guard = guard
        self._sealer = SessionSealer([key], AESGCM, InvalidTag)
        self._inner = httpx2.AsyncHTTPTransport()
        self.sealed = set()

    async def handle_async_request(self, request):
        body = await request.aread()
        token = request.headers.pop("mcp-session-id", None)
        session = token and self._sealer.open(token, "files", consumer("alice"), now=time.time(), max_age=60)
        assert (token is None) == (session is None)
        version = request.headers.get("mcp-protocol-version", "2025-03-26")
        message = json.loads(body) if body else {}
        request.headers["mcp-gateway-context"] = self._guard.sign(
            body,
            http_method=request.method,
            era="modern" if version == "2026-07-28" else "legacy",
            version=version,
            method=message.get("method", ""),
            id=message.get("id"),
            view=VIEW,
            session=session.upstream if session else None,
            affinity=session.affinity if session else "0011",
        )
        response = await self._inner.handle_async_request(request)
        if (sealed := response.headers.get("mcp-session-id")) is not None:
            self.sealed.add(sealed)
        return response

    async def aclose(self):
        await self._inner.aclose()


@pytest.mark.requirement("SIDE-002")
@pytest.mark.requirement("SIDE-003")
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28", "auto"])
def test_the_official_client_sees_what_it_may_and_nothing_else(start, words, real_server, mode):
    guard = start(MCP_SIDECAR_KONG_URL=f"http://127.0.0.1:{real_server}")
    transport = SigningTransport(guard, words.key)

    async def use():
        async with contextlib.AsyncExitStack() as stack:
            http = await stack.enter_async_context(httpx2.AsyncClient(transport=transport, timeout=10))
            url = f"http://127.0.0.1:{guard.sidecar.port}/inspect/files"
            streams = streamable_http_client(url, http_client=http, terminate_on_close=False)
            client = await stack.enter_async_context(Client(streams, mode=mode))
            tools, prompts = await client.list_tools(), await client.list_prompts()
            resources, templates = await client.list_resources(), await client.list_resource_templates()
            called = await client.call_tool("read", {"path": "a"})
            return tools, prompts, resources, templates, called

    tools, prompts, resources, templates, called = anyio.run(use)
    assert [tool.name for tool in tools.tools] == ["read", "list"]
    assert [prompt.name for prompt in prompts.prompts] == ["read", "list"]
    assert [resource.name for resource in resources.resources] == ["read", "list"]
    assert [template.name for template in templates.resource_templates] == ["read", "list"]
    assert called.content[0].text == "a!"
    assert len(transport.sealed) == (1 if mode == "legacy" else 0)
    hidden = [line["hidden"] for line in guard.sidecar.lines() if line.get("method", "").endswith("/list")]
    assert hidden == [1, 1, 1, 1]
