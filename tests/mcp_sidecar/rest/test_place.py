"""REST APIs in the process of local servers: one message a request, and a stream where an answer takes long."""

import asyncio
import json

import httpx
import pytest

from mcp_sidecar.stdio import app
from mcp_sidecar.stdio.app import StdioApp

META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}


class Slow:
    """An API whose answer comes when `free` is set."""

    def __init__(self, *, is_free):
        self.free = asyncio.Event()
        self.closed = False
        if is_free:
            self.free.set()

    async def answer(self, request):
        await self.free.wait()
        if request.method == "nothing":
            return {"jsonrpc": "2.0", "id": request.id, "error": {"code": -32601, "message": "There is none."}}
        return {"jsonrpc": "2.0", "id": request.id, "result": {}}

    async def close(self):
        self.closed = True


def message(method="ping", **params):
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


@pytest.mark.requirement("REST-018")
@pytest.mark.parametrize(
    ("method", "sent", "headers", "status", "code"),
    [
        ("POST", message(), {}, 200, None),
        ("POST", message("server/discover", _meta=META), {"MCP-Protocol-Version": "2026-07-28"}, 200, None),
        ("POST", message("nothing"), {}, 200, -32601),
        ("POST", message("nothing", _meta=META), {"MCP-Protocol-Version": "2026-07-28"}, 404, -32601),
        ("POST", [message()], {}, 400, -32600),
        ("POST", {"jsonrpc": "2.0", "method": "notifications/initialized"}, {}, 202, None),
        ("GET", None, {}, 405, -32600),
        ("DELETE", None, {}, 405, -32600),
        ("POST", message(), {"Origin": "http://127.0.0.1"}, 403, -32600),
        ("POST", message(), {"Host": "pets.example.com"}, 403, -32600),
    ],
)
def test_an_api_is_served_without_sessions_beside_local_servers(method, sent, headers, status, code):
    async def run():
        api = Slow(is_free=True)
        transport = httpx.ASGITransport(StdioApp([], {"pets": api}).asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9170") as client:
            return await client.request(method, "/pets/mcp", json=sent, headers=headers)

    answer = asyncio.run(run())
    assert answer.status_code == status
    assert "mcp-session-id" not in answer.headers
    assert code is None or answer.json()["error"]["code"] == code


@pytest.mark.requirement("REST-018")
def test_an_answer_that_takes_long_comes_as_a_stream_which_is_kept_open(monkeypatch):
    monkeypatch.setattr(app, "STREAM_AFTER", 0.01)
    body = json.dumps(message()).encode()
    sent = []

    async def run():
        api = Slow(is_free=False)
        given = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive():
            if not given:
                await asyncio.Event().wait()
            return given.pop()

        async def send(event):
            sent.append(event.get("body", b""))
            if b"waiting" in sent[-1]:
                api.free.set()

        headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/pets/mcp", "headers": headers, "query_string": b""}
        await StdioApp([], {"pets": api}).asgi(
            {**scope, "asgi": {"version": "3.0", "spec_version": "2.4"}}, receive, send
        )

    asyncio.run(run())
    assert b": waiting\n\n" in sent
    (event,) = [one for one in sent if one.startswith(b"event: message")]
    assert json.loads(event.partition(b"data: ")[2]) == {"jsonrpc": "2.0", "id": 1, "result": {}}
