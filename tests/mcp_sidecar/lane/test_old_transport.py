"""The sidecar's part in the transport of 2024-11-05: the endpoint is announced anew, and its answers say nothing."""

import json
import time

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_core.errand import Address
from mcp_core.principal import consumer
from mcp_core.seal import ENDPOINT_PURPOSE, Session, SessionSealer

URI = "/messages/?session_id=0a1b"
ENDPOINT = f"event: endpoint\ndata: {URI}\n\n".encode()


@pytest.fixture
def stream(guard, kong, words):
    """Return what an agent gets that opens a stream, for what the server sends."""

    def stream(*chunks, announce="/files/messages", **changes):
        kong.answers(words.stream_answer(*chunks))
        return guard.ask(http_method="GET", method="", id=None, announce=announce, **changes).body

    return stream


@pytest.mark.requirement("OLD-001")
def test_the_agent_is_told_a_uri_of_the_gateway_that_holds_the_servers_own(stream, words):
    listed = b"event: message\ndata: " + words.result("keep", "secret") + b"\n\n"
    body = stream(ENDPOINT + listed, affinity="replica-9").decode()
    first, second, _ = body.split("\n\n")
    path, _, token = first.removeprefix("event: endpoint\ndata: ").partition("?session_id=")
    assert path == "/files/messages"
    sealer = SessionSealer([words.key], AESGCM, InvalidTag, ENDPOINT_PURPOSE)
    session = sealer.open(token, "files", consumer("alice"), now=time.time(), max_age=60)
    assert session == Session("files", consumer("alice"), URI, "replica-9", session.opened)
    assert "0a1b" not in body
    assert "secret" not in second
    assert "keep" in second


@pytest.mark.requirement("OLD-003")
@pytest.mark.parametrize(
    ("said", "uri"),
    [("messages?s=1", "/v1/messages?s=1"), ("../m?s=1", "/m?s=1"), ("?s=1", "/v1/sse?s=1"), ("/m?s=1", "/m?s=1")],
)
def test_a_relative_endpoint_is_resolved_against_the_stream_on_the_server(stream, words, said, uri):
    body = stream(
        f"event: endpoint\ndata: {said}\n\n".encode(), address=Address("mcp-files-sessions", "http", "/v1/sse")
    ).decode()
    token = body.strip().rpartition("session_id=")[2]
    sealer = SessionSealer([words.key], AESGCM, InvalidTag, ENDPOINT_PURPOSE)
    assert sealer.open(token, "files", consumer("alice"), now=time.time(), max_age=60).upstream == uri


@pytest.mark.requirement("OLD-003")
@pytest.mark.parametrize("uri", [b"/../notes/messages", b"//other/x", b"javascript:x", b"/a%2fb", b"/a?b#c"])
def test_a_stream_whose_endpoint_could_lead_elsewhere_ends(stream, words, uri):
    body = stream(b"event: endpoint\ndata: " + uri + b"\n\ndata: " + words.result("keep") + b"\n\n")
    assert body == b""


@pytest.mark.requirement("OLD-003")
def test_no_endpoint_is_told_in_a_session_or_on_the_stream_of_a_post(stream, guard, kong, words):
    assert b"messages" not in stream(ENDPOINT, announce=None)
    kong.answers(words.stream_answer(ENDPOINT + b"data: " + words.result("keep") + b"\n\n"))
    assert b"messages" not in guard.ask().body


@pytest.mark.requirement("OLD-001")
def test_a_message_goes_to_the_servers_own_uri(guard, kong):
    kong.answers(b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 8\r\n\r\nAccepted")
    answer = guard.ask(endpoint=URI, affinity="replica-9")
    assert (answer.status, answer.body) == (202, b"")
    (request,) = kong.requests
    assert (request.method, request.path) == ("POST", f"/files{URI}")
    assert request.errand.affinity == "replica-9"


@pytest.mark.requirement("OLD-005")
def test_nothing_of_an_answer_to_a_message_passes(guard, kong, words):
    for answer in (
        words.json_answer(words.result("keep", "secret"), "Mcp-Session-Id: up-1\r\n"),
        words.stream_answer(b"data: " + words.result("secret") + b"\n\n"),
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\nsecret",
    ):
        kong.answers(answer)
        passed = guard.ask(endpoint=URI)
        assert (passed.status, passed.body) == (202, b"")
        assert "mcp-gateway-session" not in passed.headers


@pytest.mark.requirement("OLD-005")
def test_a_session_that_the_server_has_lost_is_told_and_never_asked_for_elsewhere(guard, kong, words):
    kong.answers(b"HTTP/1.1 404 Not Found\r\nContent-Length: 17\r\n\r\nCould not find it")
    answer = guard.ask(endpoint=URI)
    assert (answer.status, answer.json["error"]["code"]) == (404, -32600)
    kong.requests.clear()
    kong.answers(words.json_answer(b'{"message":"no"}', status="503 Service Unavailable"))
    assert guard.ask(endpoint=URI).status == 503
    assert len(kong.requests) == 1


REFUSAL = '{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"Unknown tool: bad"}}'


@pytest.mark.requirement("OLD-006")
@pytest.mark.parametrize("refusal", [REFUSAL, REFUSAL.replace("bad", "x" * 5000)], ids=["short", "long"])
def test_a_refusal_comes_on_the_stream_and_the_server_hears_a_ping(guard, kong, stream, refusal):
    kong.answers(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
    assert guard.ask(endpoint=URI, refusal=refusal, method="ping").status == 202
    ping = json.loads(kong.requests[0].body)
    assert (ping.keys(), ping["method"]) == ({"jsonrpc", "id", "method"}, "ping")
    answer = {"jsonrpc": "2.0", "id": ping["id"], "result": {}}
    told = stream(ENDPOINT + b"data: " + json.dumps(answer).encode() + b"\n\n")
    assert told.endswith(f"\n\ndata: {refusal}\n\n".encode())


@pytest.mark.requirement("OLD-006")
def test_a_refusal_is_told_to_its_sender_alone_and_none_can_be_made_up(guard, kong, stream):
    kong.answers(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
    guard.ask(endpoint=URI, refusal=REFUSAL, method="ping")
    ping = json.loads(kong.requests[0].body)
    for id_, changes in (
        (ping["id"], {"principal": "bob"}),
        (ping["id"] + "A", {}),
        ("kong-mcp-refusal:AAAA", {}),
        (ping["id"], {"announce": None}),
    ):
        event = ENDPOINT + b"data: " + json.dumps({"jsonrpc": "2.0", "id": id_, "result": {}}).encode() + b"\n\n"
        assert b"Unknown tool" not in stream(event, **changes)
