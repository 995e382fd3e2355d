"""The oracle for the Python SDK beside the SDK itself: what its server runs, the oracle says it runs."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import CallToolResult, GetPromptResult, ReadResourceResult

from fuzz.oracles import run_by_python, split

SEEDS = sorted((Path(__file__).parent / "corpus/request").iterdir())
RUN = {
    "0-legacy-call": [("tools/call", "okay")],
    "0-modern-call": [("tools/call", "okay")],
    "0-read": [("resources/read", "ok:/a")],
    "0-name-in-base64": [("tools/call", "ok\u00e9")],
}


def recording_server(run):
    async def call_tool(_, params):
        run.append(("tools/call", params.name))
        return CallToolResult(content=[])

    async def get_prompt(_, params):
        run.append(("prompts/get", params.name))
        return GetPromptResult(messages=[])

    async def read_resource(_, params):
        run.append(("resources/read", str(params.uri)))
        return ReadResourceResult(contents=[])

    return Server("recording", on_call_tool=call_tool, on_get_prompt=get_prompt, on_read_resource=read_resource)


async def post(manager, lines, body):
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive():
        return next(messages, None) or await anyio.sleep_forever()

    async def send(_):
        pass

    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines if name != "accept"]
    headers.append((b"accept", b"application/json, text/event-stream"))
    scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "headers": headers}
    await manager.handle_request(scope, receive, send)


@pytest.mark.requirement("FUZZ-001")
@pytest.mark.parametrize("stateless", [True, False], ids=["without sessions", "opening a session"])
def test_what_the_sdks_server_runs_is_what_the_oracle_says(stateless):
    async def run_all():
        for path in SEEDS:
            run = []
            manager = StreamableHTTPSessionManager(recording_server(run), json_response=True, stateless=stateless)
            lines, body = split(path.read_bytes())
            async with manager.run():
                await post(manager, lines, body)
            said = [
                (call.method, json.loads(dict(call.acted_on)[key]))
                for call in run_by_python(lines, body)
                for key in ("name", "uri")
                if key in dict(call.acted_on)
            ]
            assert set(run) <= set(said), path.name
            if stateless or "modern" in path.name:
                assert run == RUN.get(path.name, run), path.name

    anyio.run(run_all)
