"""An agent's URL may end in a slash or have a query: the server is asked at its own path all the same, without one."""

import asyncio

import httpx
import pytest

from e2e.harness import JSON_HEADERS, call, connect_to, modern
from e2e.test_sessions import initialize, whoami

MODES = ["legacy", "2026-07-28"]


@pytest.mark.requirement("E2E-051")
@pytest.mark.parametrize("end", ["/", "//", "?", "?x=1", "?x=1?", "/?session_id=1&api_key=k"])
@pytest.mark.parametrize("mode", MODES)
def test_official_clients_list_and_call_by_such_a_url(gateway, mode, end):
    replica = gateway.servers["notes"][0]
    before = len(replica.targets())

    async def run():
        async with connect_to(gateway.url() + end, gateway.key("bob"), mode) as client:
            listed = [tool.name for tool in (await client.list_tools()).tools]
            return listed, (await client.call_tool("good", {"text": "x"})).content[0].text

    listed, called = asyncio.run(run())
    assert "good" in listed
    assert "bad" not in listed
    assert called == "good: x"
    # Kong writes an empty query for a URL that ends in a question mark.
    assert {target.removesuffix("?") for target in replica.targets()[before:]} == {"/mcp"}


@pytest.mark.requirement("E2E-051")
@pytest.mark.parametrize("end", ["/", "?x=1"])
def test_a_session_streams_and_ends_by_such_a_url(gateway, end):
    url, replica = gateway.url() + end, gateway.servers["notes"][0]
    before = len(replica.targets())
    with gateway.client("bob") as client:
        headers = initialize(client, url)
        assert whoami(client, url, headers) == "notes-1"
        with client.stream("GET", url, headers=headers | JSON_HEADERS | {"Accept": "text/event-stream"}) as answer:
            assert answer.status_code == 200
        assert client.delete(url, headers=headers).status_code in (200, 202)
        assert whoami(client, url, headers) == 404
    assert set(replica.targets()[before:]) == {"/mcp"}


@pytest.mark.requirement("E2E-051")
def test_what_is_forbidden_stays_so_by_such_a_url(gateway):
    before = gateway.executed()
    with gateway.client("bob") as client:
        for end in ("/", "?x=1"):
            legacy = client.post(gateway.url() + end, json=call("bad"))
            assert (legacy.status_code, legacy.json()["error"]["code"]) == (200, -32602)
            assert client.post(gateway.url() + end, **modern("bad")).status_code == 400
    with httpx.Client(headers=JSON_HEADERS, trust_env=False, timeout=30) as nobody:
        assert nobody.post(gateway.url() + "/", json=call("good")).status_code == 401
    assert gateway.executed() == before


@pytest.mark.requirement("E2E-051")
@pytest.mark.parametrize("path", ["/notes/mcp/x", "/notes/mcp/messages", "/notes/messages/", "/notes/mcpx", "/notes/"])
def test_no_other_path_is_served(gateway, path):
    with gateway.client("bob") as client:
        answer = client.post(f"http://127.0.0.1:{gateway.dev.port}{path}", json=call("good"))
    assert answer.status_code == 404
    assert "no Route matched" in answer.text
