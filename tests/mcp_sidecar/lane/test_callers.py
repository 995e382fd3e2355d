"""Only the guard is served, and only for the very request that it signed."""

import base64
import hmac
import json
import socket
import time

import pytest

from mcp_core.claims import ClaimSigner
from mcp_core.seal import derive

LIST = b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}'
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
    guard.signer = ClaimSigner([b"x" * 32])
    refused("context-not-believed", body=b"{}")


@pytest.mark.requirement("SIDE-001")
def test_a_context_that_expired_is_forbidden(refused):
    refused("context-not-believed", expires=int(time.time()) - 1)


@pytest.mark.requirement("SIDE-001")
def test_a_context_for_another_body_is_forbidden(refused, guard):
    refused("context-of-another-body", signed=guard.sign(b"{}"), body=b"[]")


@pytest.mark.requirement("SIDE-001")
def test_a_context_for_another_server_is_forbidden(refused):
    refused("context-of-another-request", path="/inspect/other")


@pytest.mark.requirement("SIDE-001")
def test_a_context_for_another_http_method_is_forbidden(refused, guard):
    signed = guard.sign(b"")
    refused("context-of-another-request", signed=signed, http_method="GET")


@pytest.mark.requirement("SIDE-001")
@pytest.mark.parametrize("http_method", ["PUT", "DELETE", "OPTIONS"])
def test_other_http_methods_are_forbidden_like_all_else(guard, kong, http_method):
    signed = guard.sign(b"", http_method="POST")
    assert guard.ask(b"", http_method=http_method, signed=signed).status == 403
    assert kong.requests == []


def resigned(guard, key, number, *changes):
    """Sign terms and claims as another release might, each with its changes."""
    _, *parts, _ = guard.sign(LIST).split(".")
    read = [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts]
    written = [json.dumps(one | more).encode() for one, more in zip(read, changes, strict=True)]
    text = ".".join((number, *(base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in written)))
    mac = hmac.digest(derive(key, "kong-mcp context"), text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@pytest.mark.requirement("SEAL-008")
@pytest.mark.parametrize(
    ("number", "terms", "claims"),
    [
        pytest.param("3", {}, {}, id="a later format"),
        pytest.param("2", {}, {"x": 1, "crit": ["x"]}, id="a critical claim"),
        pytest.param("2", {"x": 1, "crit": ["x"]}, {}, id="a critical term"),
        pytest.param("2", {"view": {"tools": "*"}}, {}, id="another view"),
        pytest.param("2", {"pins": "later"}, {}, id="a new word"),
        pytest.param("2", {}, {"server": None}, id="less"),
    ],
)
def test_a_guard_of_a_release_that_is_not_read_gets_an_error_that_says_so(guard, kong, words, number, terms, claims):
    answer = guard.ask(LIST, signed=resigned(guard, words.key, number, terms, claims))
    assert (answer.status, answer.json["error"]["code"]) == (502, -32603)
    assert "guard and sidecar are of releases that do not read each other" in answer.json["error"]["message"]
    assert guard.line()["reason"] == "other-release"
    assert kong.requests == []


@pytest.mark.requirement("SEAL-008")
def test_a_guard_that_says_more_than_this_sidecar_knows_is_served(guard, kong, words):
    kong.answers(words.json_answer(words.result("read", "secret")))
    signed = resigned(guard, words.key, "2", {"more": [1]}, {"more": [1]})
    assert guard.ask(LIST, signed=signed).json == json.loads(words.result("read"))


@pytest.mark.requirement("SEAL-008")
def test_results_are_not_scanned_by_settings_that_only_another_release_knows(guard, kong, words):
    kong.answers(words.json_answer(words.result("read")))
    scan = {"families": {"telepathy": "block"}}
    answer = guard.ask(results="block", scan=scan)
    assert (answer.status, guard.line()["reason"]) == (502, "other-release")
    assert kong.requests == []
    assert guard.ask(pins="monitor", scan=scan).json == json.loads(words.result("read"))


@pytest.mark.requirement("SIDE-001")
def test_two_contexts_are_forbidden(guard, kong):
    signed = guard.sign(b"")
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
