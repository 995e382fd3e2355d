"""What a server gets of an agent's headers, in either lane, and what Kong's log plugins get."""

import json

import pytest

from e2e.harness import KINDS, call, modern, start
from e2e.test_evasion import send
from e2e.test_sessions import initialize
from kong_mcp.state import Consumer

pytestmark = pytest.mark.long

OWN = {
    "X-Tenant": "a",
    "Accept-Language": "de",
    "Baggage": "k=v",
    "X-Request-Id": "7",
    "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}
SECRETS = dict.fromkeys(
    ("Authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "Api-Key", "X_Access_Token"), "agents-own"
)
CONSUMERS = [Consumer("bob", "bob-key-0123456789")]


def message(method, **params):
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


@pytest.mark.requirement("HTTP-040")
def test_an_agents_own_headers_reach_the_server_alike_on_calls_lists_streams_and_initialize(gateway):
    url, replica = gateway.url(), gateway.servers["notes"][0]
    with gateway.client("bob") as client:
        headers = initialize(client, url)
        before = len(replica.requests())
        opened = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
        for body in (call("good"), message("tools/list"), message("initialize", **opened)):
            assert client.post(url, json=body, headers=headers | OWN | SECRETS).status_code == 200
        with client.stream("GET", url, headers=headers | OWN | SECRETS | {"Accept": "text/event-stream"}) as answer:
            assert answer.status_code == 200
    seen = [headers for _, headers in replica.requests()[before:]]
    assert len(seen) == 4
    for one in seen:
        assert {name.lower(): value for name, value in OWN.items()}.items() <= one.items()
        assert "agents-own" not in str(one)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.requirement("HTTP-040")
def test_what_an_operator_does_not_hide_reaches_the_server_in_both_lanes(kind):
    policy = {"tools": {"allow": ["good"]}, "hide_headers": ["cookie"]}
    with start(kind, {"notes": 1}, policy=policy, consumers=CONSUMERS) as running, running.client("bob") as client:
        sent = modern("good")["headers"] | {"Authorization": "Bearer agents-own", "Cookie": "agents-own"}
        assert client.post(running.url(), **modern("good") | {"headers": sent}).status_code == 200
        listed = message("tools/list", _meta=modern("good")["json"]["params"]["_meta"])
        headers = sent | {"Mcp-Method": "tools/list"}
        del headers["Mcp-Name"]
        assert client.post(running.url(), json=listed, headers=headers).status_code == 200
        seen = [headers for _, headers in running.servers["notes"][0].requests()]
    assert [one["authorization"] for one in seen] == ["Bearer agents-own"] * 2
    assert all("cookie" not in one for one in seen)


@pytest.mark.requirement("E2E-052")
@pytest.mark.parametrize("value", [b"\xff", b"caf\xe9", b"\xc0\xaf", b"\xed\xa0\x80"])
@pytest.mark.parametrize("name", [b"X-Note", b"Mcp-Name", b"Mcp-Session-Id"])
def test_a_header_that_is_not_utf_8_is_400_and_says_so(gateway, name, value):
    before = len(gateway.servers["notes"][0].requests())
    body = json.dumps(call("good")).encode()
    head = b"POST /notes/mcp HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\napikey: bob-key-0123456789\r\n"
    head += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    status, _, answer = send(gateway.dev.port, head + name + b": " + value + b"\r\n\r\n" + body).partition(b"\r\n")
    assert status.startswith(b"HTTP/1.1 400 ")
    refusal = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert refusal["error"]["code"] == -32600
    assert "UTF-8" in refusal["error"]["message"]
    assert len(gateway.servers["notes"][0].requests()) == before
