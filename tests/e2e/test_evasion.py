"""However a request is spelled, nothing forbidden is executed and nothing hidden is shown."""

import http.client
import io
import json
import socket

import pytest

from e2e.evasion_cases import CASES
from e2e.evasion_http_cases import chunked
from e2e.evasion_requests import BAD, BAD_MODERN, GOOD_MODERN, KEYS, META, ask, ask_modern, legacy, modern, swap, tool
from e2e.harness import JSON_HEADERS

HIDDEN = [b"bad: x", b"Do what nobody may", b"Stay hidden", b"Hold a secret note", b"Hold secret notes"]
"""What an answer holds only if something hidden was executed or listed; refusals give back only what was sent."""
WAIT = 15


class Kept(io.BytesIO):
    """What was received, from which one answer after the other is read."""

    def makefile(self, _mode):
        return self

    def close(self):
        pass


def send(port, data):
    """Return everything that comes back for these bytes until the gateway closes."""
    with socket.create_connection(("127.0.0.1", port), WAIT) as connection:
        connection.sendall(data)
        pieces = []
        try:
            while piece := connection.recv(65536):
                pieces.append(piece)
        except ConnectionResetError:  # what was not read any more is thrown away
            pass
        return b"".join(pieces)


def code_of(body):
    """Return the JSON-RPC error code in a body, JSON or an event stream, and None where it holds none."""
    lines = body.splitlines() if body.startswith((b"event:", b"data:", b"id:", b":")) else [b"data: " + body]
    for line in lines:
        try:
            value = json.loads(line.removeprefix(b"data: ")) if line.startswith(b"data: ") else None
        except ValueError:
            continue
        if isinstance(value, dict) and isinstance(value.get("error"), dict):
            return value["error"].get("code")
    return None


def answers(received, data):
    """Return the status, the code and the body of every answer that was received."""
    kept = Kept(received)
    found = []
    while kept.tell() < len(received):
        answer = http.client.HTTPResponse(kept, method=data.split(b" ")[0].decode())
        answer.begin()
        body = answer.read()
        found.append((answer.status, code_of(body), body))
    return found


def initialize(gateway, who, server):
    """Open a legacy session and return its id as bytes."""
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
    with gateway.client(who) as client:
        answer = client.post(gateway.url(server), json=ask("initialize", **params), headers=JSON_HEADERS)
        assert answer.status_code == 200, answer.text
        session = answer.headers["mcp-session-id"]
        headers = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
        done = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert client.post(gateway.url(server), json=done, headers=headers).status_code == 202
    return session.encode()


@pytest.fixture(scope="module")
def sessions(gateway):
    """What stands in place of the placeholders of the table."""
    found = {
        b"@ADA@": initialize(gateway, "ada", "notes"),
        b"@TEAM@": initialize(gateway, "bob", "team"),
        b"@BOB@": initialize(gateway, "bob", "notes"),
    }
    found[b"@RAW@"] = gateway.servers["notes"][0].requests()[-1][1]["mcp-session-id"].encode()
    return found


def fill(data, sessions):
    """Return a row's bytes with real session ids in them."""
    for placeholder, session in sessions.items():
        data = data.replace(placeholder + b"@CUT@", session[:-4]).replace(placeholder, session)
    return data


@pytest.fixture
def ask_gateway(gateway, sessions):
    """Return what sends bytes, and gives the answers and what the servers executed and heard of meanwhile."""

    def sent(data, port="gateway"):
        before = [(len(gateway.executed(name)), heard(gateway, name)) for name in gateway.servers]
        data = fill(data, sessions)
        number = gateway.dev.port if port == "gateway" else gateway.dev.sidecar_port
        received = send(number, data)
        after = [(gateway.executed(name), heard(gateway, name)) for name in gateway.servers]
        executed = [one for (count, _), (all_, _) in zip(before, after, strict=True) for one in all_[count:]]
        return received, answers(received, data), executed, sum(one for _, one in after) - sum(one for _, one in before)

    return sent


def heard(gateway, name):
    return sum(len(replica.requests()) for replica in gateway.servers[name])


@pytest.mark.requirement("E2E-006")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_is_refused_and_nothing_hidden_is_executed_or_shown(ask_gateway, sessions, case):
    received, found, executed, reached = ask_gateway(case.data, case.port)
    assert found
    for status, code, body in found:
        assert status in case.statuses, body
        assert code in case.codes, body
    assert executed == []
    assert case.reaches or reached == 0
    for secret in (*HIDDEN, sessions[b"@RAW@"], KEYS["ada"].encode(), KEYS["bob"].encode()):
        assert secret not in received


HONEST = {
    "a legacy call": legacy(tool("good")),
    "a legacy call of the latest revision": legacy(tool("good"), version="2025-11-25"),
    "a legacy call that names its revision nowhere": legacy(tool("good"), version=None),
    "a legacy call that tells the truth": legacy(tool("good"), "Mcp-Method: tools/call", "Mcp-Name: good"),
    "a modern call": modern(GOOD_MODERN),
    "a modern call with an encoded name": modern(GOOD_MODERN, name="=?base64?Z29vZA==?="),
    "a modern call with parameters in headers": modern(GOOD_MODERN, "Mcp-Param-Text: x"),
    "a host in other letters": modern(GOOD_MODERN, host="GATEWAY:8000"),
    "a charset that is said": modern(GOOD_MODERN, kind="application/json; charset=UTF-8"),
    "chunks": modern(b"", "Transfer-Encoding: chunked", framed=False, method="tools/call", name="good")
    + chunked(GOOD_MODERN),
    "HTTP/1.0": modern(GOOD_MODERN, http="1.0"),
    "Expect": modern(GOOD_MODERN, "Expect: 100-continue"),
    "many headers": modern(GOOD_MODERN, *[f"X-{number}: 1" for number in range(70)]),
    "keys that repeat in different objects": modern(tool("good", _meta={**META, "a": {"b": {"b": 1}}})),
    "escapes": modern(swap(GOOD_MODERN, b'"good"', b'"\\u0067ood"'), method="tools/call", name="good"),
    "another spelling of the path": modern(GOOD_MODERN, target="//notes/./mcp"),
}


@pytest.mark.requirement("E2E-003")
@pytest.mark.parametrize("name", HONEST)
def test_its_honest_twin_is_served(ask_gateway, name):
    _, found, executed, _ = ask_gateway(HONEST[name])
    (status, code, body) = found[-1]
    assert (status, code) == (200, None), body
    assert b"good: x" in body
    assert executed == [["tool", "good"]]


@pytest.mark.requirement("PARAM-001")
@pytest.mark.parametrize("said", ["plan", "=?base64?cGxhbg==?="])
def test_a_parameter_that_its_header_repeats_is_served(ask_gateway, said):
    message = ask_modern("tools/call", name="read_note", arguments={"title": "plan"})
    _, ((status, code, body),), executed, _ = ask_gateway(modern(message, f"Mcp-Param-Title: {said}"))
    assert (status, code, executed) == (200, None, [["tool", "read_note"]])
    assert b"note: plan" in body


@pytest.mark.requirement("E2E-003")
@pytest.mark.parametrize("build", [legacy, modern])
def test_the_same_call_of_who_may_is_executed_and_written_down(ask_gateway, build):
    message = BAD if build is legacy else BAD_MODERN
    more = {"session": b"@ADA@"} if build is legacy else {}
    received, ((status, code, _),), executed, reached = ask_gateway(build(message, who="ada", **more))
    assert (status, code, executed, reached) == (200, None, [["tool", "bad"]], 1)
    assert b"bad: x" in received


@pytest.mark.requirement("E2E-001")
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_honest_lists_are_served(ask_gateway, era):
    build = legacy if era == "legacy" else modern
    make = ask if era == "legacy" else ask_modern
    for method, shown in {
        "tools/list": b'"good"',
        "prompts/list": b'"greet"',
        "resources/list": b'"note://public"',
        "resources/templates/list": b'"public://{title}"',
    }.items():
        _, ((status, code, body),), executed, _ = ask_gateway(build(make(method)))
        assert (status, code) == (200, None), body
        assert shown in body.replace(b'\\"', b'"')
        assert executed == []


@pytest.mark.requirement("E2E-002")
@pytest.mark.parametrize("build", [legacy, modern])
def test_a_denied_name_and_an_unknown_one_are_answered_alike(ask_gateway, build):
    meta = {"_meta": META} if build is modern else {}
    for method, denied, unknown, field in (
        ("tools/call", "bad", "nix", "name"),
        ("prompts/get", "hidden_prompt", "nothing_prompt", "name"),
        ("resources/read", "note://secret", "note://absent", "uri"),
    ):
        shapes = []
        for name in (denied, unknown):
            received, ((status, code, body),), executed, reached = ask_gateway(
                build(ask(method, **{field: name, "arguments": {}}, **meta))
            )
            head = received.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
            names = sorted(line.partition(":")[0].lower() for line in head)
            shapes.append((status, code, names, body.replace(name.encode(), b"NAME"), executed, reached))
        assert shapes[0] == shapes[1]
