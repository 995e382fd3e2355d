"""A server's session id never reaches an agent; what does is sealed for its principal."""

import time
from dataclasses import replace

import pytest

from mcp_core.principal import NOBODY, TOKEN, Principal, consumer
from mcp_core.seal import Session


def answers(words, session, *, stream=False):
    headers = f"Mcp-Session-Id: {session}\r\n"
    result = words.result("a")
    if stream:
        return words.stream_answer(b"data: " + result + b"\n\n", headers=headers)
    return words.json_answer(result, headers)


@pytest.mark.requirement("SIDE-006")
@pytest.mark.parametrize("stream", [False, True])
def test_a_new_session_is_sealed_for_who_opened_it(guard, kong, words, opened, stream):
    before = int(time.time())
    kong.answers(answers(words, "upstream-1", stream=stream))
    answer = guard.ask(method="initialize", affinity="replica-9")
    assert answer.headers["mcp-session-id"] == answer.headers["mcp-gateway-session"]
    session = opened(answer.headers["mcp-session-id"])
    assert session == Session("files", consumer("alice"), "upstream-1", "replica-9", session.opened)
    assert before <= session.opened <= time.time()
    assert opened(answer.headers["mcp-session-id"], principal="bob") is None
    assert opened(answer.headers["mcp-session-id"], server="other") is None


@pytest.mark.requirement("SIDE-006")
def test_a_session_of_nobody_is_sealed_for_nobody(guard, kong, words, opened):
    kong.answers(answers(words, "upstream-1"))
    token = guard.ask(principal=None).headers["mcp-session-id"]
    assert opened(token, principal=None).upstream == "upstream-1"
    assert opened(token) is None


@pytest.mark.requirement("SEAL-006")
def test_the_session_of_a_tokens_subject_opens_for_no_other(guard, kong, words, opened):
    ann, bob = (Principal(TOKEN, name, "https://issuer.example") for name in ("ann", "bob"))
    kong.answers(answers(words, "upstream-1"))
    token = guard.ask(method="initialize", principal=ann).headers["mcp-session-id"]
    assert opened(token, principal=ann).upstream == "upstream-1"
    for other in (bob, consumer("ann"), NOBODY, replace(ann, issuer="https://other.example")):
        assert opened(token, principal=other) is None
    assert guard.line()["principal"] == "ann of https://issuer.example"


@pytest.mark.parametrize("changes", [{"session": "upstream-1"}, {"era": "modern", "version": "2026-07-28"}])
def test_no_session_is_handed_out_where_one_is_held_or_none_exists(guard, kong, words, changes):
    kong.answers(answers(words, "upstream-1"))
    answer = guard.ask(**changes)
    assert answer.status == 200
    assert not {"mcp-session-id", "mcp-gateway-session"} & set(answer.headers)


def test_an_error_opens_no_session(guard, kong, words):
    body = b'{"jsonrpc":"2.0","id":7,"error":{"code":-32600,"message":"no"}}'
    kong.answers(words.json_answer(body, "Mcp-Session-Id: upstream-1\r\n", "400 Bad Request"))
    assert not {"mcp-session-id", "mcp-gateway-session"} & set(guard.ask().headers)


@pytest.mark.requirement("SIDE-006")
@pytest.mark.parametrize("session", ["x" * 4097, "a b", "a\tb", "caf\xe9", "a\r\nMcp-Session-Id: b", ""])
def test_an_id_that_not_every_hop_carries_is_an_error(guard, kong, words, session):
    kong.answers(answers(words, session))
    answer = guard.ask()
    assert (answer.status, answer.json["id"], answer.json["error"]["code"]) == (200, 7, -32603)
    assert not {"mcp-session-id", "mcp-gateway-session"} & set(answer.headers)


def test_the_longest_id_that_may_be_is_sealed(guard, kong, words, opened):
    kong.answers(answers(words, "x" * 4096))
    assert opened(guard.ask().headers["mcp-session-id"]).upstream == "x" * 4096
