"""Legacy sessions: sealed, bound to who opened them, and kept on the replica that made them."""

import json

import pytest

from e2e.harness import JSON_HEADERS, call


def initialize(client, url):
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
    answer = client.post(url, json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
    assert answer.status_code == 200, answer.text
    session = answer.headers["mcp-session-id"]
    headers = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
    done = client.post(url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers)
    assert done.status_code == 202, done.text
    return headers


def whoami(client, url, headers):
    answer = client.post(url, json=call("whoami", arguments={}), headers=headers)
    if answer.status_code != 200:
        return answer.status_code
    data = next(line for line in answer.text.splitlines() if line.startswith("data: {"))
    return json.loads(data.removeprefix("data: "))["result"]["content"][0]["text"]


@pytest.mark.requirement("E2E-014")
def test_a_session_stays_on_the_replica_that_opened_it(gateway):
    url = gateway.url("team")
    with gateway.client("bob") as client:
        seen = set()
        # Chance says which replica opens one: twelve sessions are not always of both.
        for number in range(60):
            headers = initialize(client, url)
            replicas = {whoami(client, url, headers) for _ in range(4)}
            assert len(replicas) == 1
            seen |= replicas
            if number >= 12 and len(seen) == 2:
                break
    assert seen == {"team-1", "team-2"}


@pytest.mark.requirement("E2E-013")
def test_the_server_s_own_session_id_never_reaches_the_agent(gateway):
    url = gateway.url()
    with gateway.client("bob") as client:
        headers = initialize(client, url)
        message = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "good", "arguments": {"text": ""}},
        }
        answer = client.post(url, json=message, headers=headers)
    assert "mcp-session-id" not in answer.headers
    upstream = gateway.servers["notes"][0].requests()[-1][1]["mcp-session-id"]
    assert headers["Mcp-Session-Id"] != upstream
    assert upstream not in answer.text


@pytest.mark.requirement("E2E-013")
def test_another_principal_s_session_is_not_found(gateway):
    url = gateway.url()
    with gateway.client("bob") as bob, gateway.client("ada") as ada:
        headers = initialize(bob, url)
        assert whoami(bob, url, headers) == "notes-1"
        assert whoami(ada, url, headers) == 404
        assert ada.delete(url, headers=headers).status_code == 404
        assert whoami(bob, url, headers) == "notes-1"


@pytest.mark.requirement("E2E-013")
def test_a_forged_or_raw_session_is_not_found(gateway):
    url = gateway.url()
    with gateway.client("bob") as client:
        initialize(client, url)
        raw = gateway.servers["notes"][0].requests()[-1][1]["mcp-session-id"]
        for forged in (raw, "x", "", "A" * 200):
            assert whoami(client, url, {"Mcp-Session-Id": forged}) == 404


@pytest.mark.requirement("E2E-014")
def test_delete_ends_the_session(gateway):
    url = gateway.url()
    with gateway.client("bob") as client:
        headers = initialize(client, url)
        assert client.delete(url, headers=headers).status_code == 200
        assert whoami(client, url, headers) == 404


@pytest.mark.requirement("E2E-018")
def test_a_get_stream_opens_and_carries_headers_at_once(gateway):
    url = gateway.url()
    with gateway.client("bob") as client:
        headers = initialize(client, url)
        with client.stream("GET", url, headers=headers | JSON_HEADERS | {"Accept": "text/event-stream"}) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
