"""What Kong's internal route is asked, and what happens when it does not answer."""

import contextlib
import json
import socket
import threading

import pytest

from mcp_core.errand import Address


@pytest.fixture
def forwarded(guard, kong, words):
    """Send a request and return what the internal route was sent."""
    kong.answers(words.json_answer(words.result("a")))

    def forwarded(*args, **changes):
        assert guard.ask(*args, **changes).status == 200
        return kong.requests[-1]

    return forwarded


@pytest.mark.requirement("SIDE-007")
def test_a_request_goes_to_the_internal_route_with_its_exact_body(forwarded):
    body = b' {"jsonrpc" : "2.0","id":7,\n"method":"tools/list"} '
    request = forwarded(body)
    assert (request.method, request.path, request.body) == ("POST", "/files", body)
    assert request.headers["host"] == ["mcp-internal"]
    assert request.headers["accept-encoding"] == ["identity"]
    assert request.headers["accept"] == ["application/json, text/event-stream"]
    assert request.errand.affinity == "a1b2c3d4"
    assert request.errand.target.to_json() == ["mcp-files-sessions", "http", "/mcp"]
    assert "mcp-session-id" not in request.headers


@pytest.mark.requirement("SIDE-007")
@pytest.mark.requirement("CLIENT-016")
def test_the_target_is_the_one_that_the_guard_signed(forwarded):
    said = ["other-sessions", "https", "/api/v1/mcp/"]
    request = forwarded(address=Address(*said))
    assert (request.path, request.errand.target.to_json()) == ("/files", said)


@pytest.mark.requirement("SIDE-008")
def test_without_a_target_nothing_is_asked(guard, kong):
    answer = guard.ask(address=None)
    assert (answer.status, kong.requests) == (502, [])
    assert "where this server is" in answer.json["error"]["message"]


def test_a_get_goes_without_a_body(forwarded, words):
    request = forwarded(session="s-1", headers={"last-event-id": "41"}, **words.replay)
    assert (request.method, request.path, request.body) == ("GET", "/files", b"")
    assert "content-length" not in request.headers
    assert request.headers["accept"] == ["text/event-stream"]
    assert request.headers["mcp-session-id"] == ["s-1"]
    assert request.headers["last-event-id"] == ["41"]


@pytest.mark.requirement("SIDE-007")
def test_an_agents_headers_are_passed_on_but_for_credentials_one_hop_and_the_gateways_own(forwarded):
    passed = {
        "accept": "application/json",
        "content-type": "application/json",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/list",
        "mcp-name": "=?base64?w6k=?=",
        "mcp-param-region": "eu",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "a=b",
        "user-agent": "agent/1",
        "x-tenant": "a",
        "accept-language": "de",
        "baggage": "k=v",
        "x-request-id": "1",
        "x_custom": "1",
        "idempotency-key": "1",
    }
    dropped = {
        "authorization": "Bearer secret",
        "cookie": "a=b",
        "apikey": "secret",
        "x-consumer-username": "alice",
        "x-forwarded-for": "1.2.3.4",
        "forwarded": "for=1.2.3.4",
        "mcp-session-id": "forged",
        "mcp-affinity": "forged",
        "mcp-gateway-target": "forged",
        "proxy-authorization": "x",
        "origin": "https://x",
        "x-auth-token": "secret",
        "api-key": "secret",
        "x_access_token": "secret",
        "x-forwarded-host": "gateway",
        "x-real-ip": "1.2.3.4",
        "x-kong-request-debug": "*",
        "kong-debug": "1",
        "keep-alive": "timeout=5",
        "te": "trailers",
        "mcp-gateway-session": "forged",
    }
    request = forwarded(headers=passed | dropped)
    own = {"host", "content-length", "accept-encoding", "mcp-gateway-target"}
    assert set(request.headers) == set(passed) | own
    assert {name: request.headers[name] for name in passed} == {name: [value] for name, value in passed.items()}
    assert "forged" not in str(request.headers)


def test_proxies_of_the_environment_are_not_used(start, kong, words):
    guard = start(http_proxy="http://127.0.0.1:1", HTTP_PROXY="http://127.0.0.1:1", ALL_PROXY="http://127.0.0.1:1")
    kong.answers(words.json_answer(words.result("a")))
    assert guard.ask().status == 200


def test_the_host_of_the_internal_route_can_be_set(start, kong, words):
    guard = start(MCP_SIDECAR_INTERNAL_HOST="inner.example")
    kong.answers(words.json_answer(words.result("a")))
    guard.ask()
    assert kong.requests[0].headers["host"] == ["inner.example"]


@pytest.mark.requirement("SIDE-008")
def test_a_kong_that_is_down_is_a_bad_gateway_that_says_what_to_do(start):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        answer = start(MCP_SIDECAR_KONG_URL=f"http://127.0.0.1:{deaf.getsockname()[1]}").ask()
    assert (answer.status, answer.json["id"]) == (502, 7)
    assert "check that Kong runs" in answer.json["error"]["message"]


@pytest.mark.requirement("SIDE-008")
def test_a_server_that_does_not_answer_in_time_is_a_gateway_timeout(start, kong):
    guard = start(MCP_SIDECAR_ANSWER_TIMEOUT="0.3")
    gone = threading.Event()

    def silent(_request, connection):
        connection.recv(1)
        gone.set()

    kong.play = silent
    answer = guard.ask()
    assert (answer.status, answer.json["id"]) == (504, 7)
    assert "MCP_SIDECAR_ANSWER_TIMEOUT" in answer.json["error"]["message"]
    assert gone.wait(10)


@pytest.mark.requirement("SIDE-008")
def test_a_json_answer_that_drips_slowly_is_a_gateway_timeout(start, kong):
    guard = start(MCP_SIDECAR_ANSWER_TIMEOUT="0.3")
    waiting = threading.Event()

    def dripping(_request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n")
        with contextlib.suppress(OSError):
            while not waiting.wait(0.02):
                connection.sendall(b" ")

    kong.play = dripping
    assert guard.ask().status == 504


@pytest.mark.requirement("SIDE-008")
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_an_answer_that_is_not_http_is_a_bad_gateway(guard, kong, answer):
    kong.answers(answer)
    refused = guard.ask()
    assert (refused.status, refused.json["id"]) == (502, 7)


@pytest.mark.requirement("SIDE-017")
@pytest.mark.parametrize(("method", "status"), [("tools/list", 200), ("resources/list", 200), ("custom/charge", 502)])
def test_only_what_asks_for_a_surface_is_asked_again_when_kong_closed_the_connection(
    guard, kong, words, method, status
):
    body = words.json_answer(words.result("a"))

    def closes_the_second_time(_request, connection):
        if len(kong.requests) == 2:
            return None
        connection.sendall(body)
        return True

    kong.play = closes_the_second_time
    assert guard.ask().status == 200
    assert guard.ask(method=method).status == status
    kong.answers(body)
    assert json.loads(words.result("a")) == guard.ask().json


@pytest.mark.requirement("SIDE-021")
def test_a_connection_by_which_one_server_answered_is_not_used_for_another(start, kong, words):
    """Behind a 1xx nginx puts no frame around what a server sends: whole answers, to what is asked there next."""
    guard = start()  # whose connections end with it: this one would answer the next test
    first = words.json_answer(words.result("a"), connection="")

    def play(request, connection):
        if request.path != "/files":
            return connection.sendall(words.json_answer(words.result("honest")))
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" + first)
        if connection.recv(1, socket.MSG_PEEK):
            connection.sendall(words.json_answer(words.result("poison")))
        return None

    kong.play = play
    assert guard.ask().json == json.loads(words.result("a"))
    assert guard.ask(server="other", path="/inspect/other").json == json.loads(words.result("honest"))
