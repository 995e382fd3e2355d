"""What the answers to a probe mean, without a socket."""

import json

import pytest

from mcp_core.health.probe import (
    ID,
    SESSION_ASKS,
    Acquaintance,
    ProbeAnswer,
    ProbeRequest,
    Sign,
    Way,
    is_response,
    leave,
    probe,
)

pytestmark = pytest.mark.requirement("HEALTH-001")


def result(value, id_=ID, status=200, **more):
    return ProbeAnswer(status, json.dumps({"jsonrpc": "2.0", "id": id_, "result": value}), **more)


def error(code, status=200, id_=ID):
    return ProbeAnswer(status, json.dumps({"jsonrpc": "2.0", "id": id_, "error": {"code": code, "message": "no"}}))


HELLO = result({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {}}, session="s1")
NO_METHOD = error(-32601)


def run(known, *answers):
    """Play answers to a probe; return the finding and what was asked, as (HTTP method, MCP method)."""
    asked, questions, said = [], probe(known), iter(answers)
    try:
        ask = next(questions)
        while True:
            asked.append((ask.http_method, json.loads(ask.body)["method"] if ask.body else None))
            ask = questions.send(next(said))
    except StopIteration as end:
        return end.value, asked


WELL = [
    ("modern", [result({"serverInfo": {}})], "ok"),
    ("legacy with a list", [NO_METHOD, HELLO, ProbeAnswer(202), result({"tools": []})], "ok"),
    (
        "legacy that says 400 to what it does not know",
        [ProbeAnswer(400), HELLO, ProbeAnswer(202), result({"tools": []})],
        "ok",
    ),
    ("the transport of 2024-11-05", [ProbeAnswer(405), ProbeAnswer(404), ProbeAnswer(200, event="endpoint")], "ok"),
    ("behind OAuth", [ProbeAnswer(401)], "asks-who"),
    ("behind a policy", [ProbeAnswer(403)], "asks-who"),
    ("legacy behind OAuth in its session", [NO_METHOD, HELLO, ProbeAnswer(202), ProbeAnswer(401)], "asks-who"),
    ("longer than is read", [ProbeAnswer(200, large=True)], "ok"),
    ("legacy without that list", [NO_METHOD, HELLO, ProbeAnswer(202), NO_METHOD], "ok"),
]
ILL = [
    ("takes no connection", [ProbeAnswer(failed="refused")], "refused"),
    ("breaks off", [ProbeAnswer(failed="reset")], "reset"),
    ("fails", [ProbeAnswer(500)], "status-5xx"),
    ("is a web page", [ProbeAnswer(200, "<html>")], "not-mcp"),
    ("says nothing", [ProbeAnswer(200)], "not-mcp"),
    ("is elsewhere", [ProbeAnswer(308)], "redirect"),
    ("answers another's id", [result({}, id_="7")], "other-id"),
    ("answers another's id, legacy", [NO_METHOD, result({}, id_=1)], "other-id"),
    ("answers everything with an error", [error(-32603), error(-32603)], "errors"),
    ("answers everything but hello with an error", [NO_METHOD, HELLO, ProbeAnswer(202), error(-32603)], "errors"),
    ("has no such path", [ProbeAnswer(404), ProbeAnswer(404), ProbeAnswer(404)], "not-mcp"),
    ("streams something else", [ProbeAnswer(405), ProbeAnswer(405), ProbeAnswer(200, event="message")], "not-mcp"),
    ("asks in place of an answer", [ProbeAnswer(200, '{"jsonrpc":"2.0","id":1,"method":"ping"}')], "not-mcp"),
    ("repeats a key", [ProbeAnswer(200, '{"jsonrpc":"2.0","id":"kong-mcp-probe","result":{},"result":{}}')], "not-mcp"),
]


@pytest.mark.parametrize(("answers", "word"), [one[1:] for one in WELL], ids=[one[0] for one in WELL])
def test_what_speaks_mcp_or_wants_to_know_who_asks_is_well(answers, word):
    finding, _ = run(Acquaintance(), *answers)
    assert finding == Sign(well=True, word=word)


@pytest.mark.parametrize(("answers", "word"), [one[1:] for one in ILL], ids=[one[0] for one in ILL])
def test_what_does_not_speak_mcp_is_ill(answers, word):
    known = Acquaintance()
    finding, _ = run(known, *answers)
    assert finding == Sign(well=False, word=word)
    assert (known.way, known.session) == (None, None)


def test_who_is_asked_too_much_is_well_and_left_alone_for_a_while():
    assert run(Acquaintance(), ProbeAnswer(429, wait=30.0))[0] == Sign(well=True, word="busy", wait=30.0)
    assert run(Acquaintance(), ProbeAnswer(503, wait=7.0))[0] == Sign(well=False, word="status-5xx", wait=7.0)


def test_a_probe_costs_one_request_once_the_replica_is_known():
    modern, legacy = Acquaintance(), Acquaintance()
    assert run(modern, result({}))[1] == [("POST", "server/discover")]
    assert run(modern, result({}))[1] == [("POST", "server/discover")]
    first = run(legacy, NO_METHOD, HELLO, ProbeAnswer(202), result({"tools": []}))[1]
    assert [method for _, method in first] == [
        "server/discover",
        "initialize",
        "notifications/initialized",
        "tools/list",
    ]
    assert run(legacy, result({}))[1] == [("POST", "ping")]
    assert legacy.way is Way.LEGACY


def test_a_session_that_is_gone_is_opened_anew():
    known = Acquaintance()
    run(known, NO_METHOD, HELLO, ProbeAnswer(202), result({}))
    finding, asked = run(known, ProbeAnswer(404), HELLO, ProbeAnswer(202), result({}))
    assert finding.well
    assert [method for _, method in asked] == ["ping", "initialize", "notifications/initialized", "tools/list"]


def test_the_prober_ends_its_session():
    known = Acquaintance()
    run(known, NO_METHOD, HELLO, ProbeAnswer(202), result({}))
    for _ in range(SESSION_ASKS - 1):
        run(known, result({}))
    assert known.asks == SESSION_ASKS
    ask = leave(known)
    assert isinstance(ask, ProbeRequest)
    assert (ask.http_method, ask.headers["mcp-session-id"]) == ("DELETE", "s1")
    assert leave(known) is None


def test_what_a_server_says_before_its_answer_is_passed_over():
    assert not is_response('{"jsonrpc":"2.0","method":"notifications/message","params":{}}')
    assert is_response('{"jsonrpc":"2.0","id":1,"result":{}}')
    assert is_response("half an ans")
