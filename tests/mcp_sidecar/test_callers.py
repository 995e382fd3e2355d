"""Only the guard is served, and only for the very request that it signed."""

import base64
import hmac
import json
import socket
import time

import pytest

from mcp_core.seal import ContextSigner, derive

FORBIDDEN = {"jsonrpc": "2.0", "error": {"code": -32003, "message": "Forbidden"}}


@pytest.fixture
def refused(guard, kong, words):
    """Assert that a request is refused without detail, unheard by the server, and logged once."""
    kong.answers(words.json_answer(words.result("read")))

    def refused(reason, **changes):
        answer = guard.ask(**changes)
        assert (answer.status, answer.json) == (403, FORBIDDEN)
        assert kong.requests == []
        line = guard.line()
        assert (line["outcome"], line["reason"], line["server"]) == ("unsigned", reason, None)

    return refused


def test_a_signed_request_is_served(guard, kong, words):
    kong.answers(words.json_answer(words.result("read")))
    assert guard.ask().status == 200


@pytest.mark.requirement("SIDE-001")
@pytest.mark.parametrize("signed", ["", "x", "e30.e30", "\xff.\xff", "." * 100])
def test_a_request_that_nobody_signed_is_forbidden(refused, signed):
    refused("context-not-believed", signed=signed)


@pytest.mark.requirement("SIDE-001")
def test_a_request_without_a_context_is_forbidden(guard, kong):
    assert guard.sidecar.get("/inspect/files").status == 403
    assert kong.requests == []


@pytest.mark.requirement("SIDE-001")
def test_a_context_of_another_key_is_forbidden(refused, guard):
    refused("context-not-believed", signed=ContextSigner([b"x" * 32]).sign(guard.context(b"{}")), body=b"{}")


@pytest.mark.requirement("SIDE-001")
def test_a_context_that_expired_is_forbidden(refused):
    refused("context-not-believed", expires=int(time.time()) - 1)


@pytest.mark.requirement("SIDE-001")
def test_a_context_for_another_body_is_forbidden(refused, guard):
    refused("context-of-another-body", signed=guard.signer.sign(guard.context(b"{}")), body=b"[]")


@pytest.mark.requirement("SIDE-001")
def test_a_context_for_another_server_is_forbidden(refused):
    refused("context-of-another-request", path="/inspect/other")


@pytest.mark.requirement("SIDE-001")
def test_a_context_for_another_http_method_is_forbidden(refused, guard):
    signed = guard.signer.sign(guard.context(b""))
    refused("context-of-another-request", signed=signed, http_method="GET")


@pytest.mark.requirement("SIDE-001")
@pytest.mark.parametrize("http_method", ["PUT", "DELETE", "OPTIONS"])
def test_other_http_methods_are_forbidden_like_all_else(guard, kong, http_method):
    signed = guard.signer.sign(guard.context(b"", http_method="POST"))
    assert guard.ask(b"", http_method=http_method, signed=signed).status == 403
    assert kong.requests == []


@pytest.mark.requirement("SIDE-001")
def test_a_context_that_another_version_of_the_guard_wrote_is_forbidden(refused, words):
    payload = base64.urlsafe_b64encode(json.dumps({"server": "files"}).encode()).rstrip(b"=")
    mac = hmac.digest(derive(words.key, "kong-mcp context"), payload, "sha256")
    signed = payload.decode() + "." + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
    refused("context-not-believed", signed=signed)


def test_a_context_whose_view_cannot_be_read_opens_nothing(guard, kong):
    assert guard.ask(view={"tools": "*"}).status == 500
    assert kong.requests == []


@pytest.mark.requirement("SIDE-001")
def test_two_contexts_are_forbidden(guard, kong):
    signed = guard.signer.sign(guard.context(b""))
    head = f"POST /inspect/files HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nMcp-Gateway-Context: {signed}\r\n"
    with socket.create_connection(("127.0.0.1", guard.sidecar.port), timeout=10) as connection:
        connection.sendall(f"{head}Mcp-Gateway-Context: {signed}\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 403 ")
    assert kong.requests == []


def test_a_body_that_no_guard_lets_through_is_forbidden(refused):
    refused("body-too-large", body=b" " * (16 * 1024 * 1024 + 1))


def test_the_largest_view_that_a_guard_may_have_fits(guard, kong, words):
    kong.answers(words.json_answer(words.result("read", "hidden")))
    view = {"tools": {"allow": [f"name-{number:05}-\N{SNOWMAN}" for number in range(900)] + ["read"]}}
    assert guard.ask(view=view).json == json.loads(words.result("read"))
