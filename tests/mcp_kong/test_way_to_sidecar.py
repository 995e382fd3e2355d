"""The way to the sidecar: one question where mcp-answers knows it, calls of the PDK elsewhere, and the same by both."""

from __future__ import annotations

import json
import time

import pytest
from kong_side import ANN, ANNS_HEADERS, CONFIG, KEY, KongSide

from mcp_core.claims import ClaimSigner
from mcp_kong import answers
from mcp_kong.guard import Guard

pytestmark = pytest.mark.requirement("FAST-015")
LEGACY = {"content-type": "application/json", "mcp-protocol-version": "2025-11-25", "cookie": "agents-own"}
NEW, OLDER, OLDEST = answers.REQUEST, answers.DECIDED, answers.HEADERS
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MONITOR = {"mode": "monitor", "results": {"mode": "block"}}
ANY_METHOD = {"id": "r-2", "methods": None}


def access(message, headers=None, *, answers=NEW, config=None, **request):
    data = None if message is None else json.dumps(message).encode()
    side = KongSide(data, LEGACY | ANNS_HEADERS | (headers or {}), consumer=ANN, answers=answers, **request)
    Guard(CONFIG | (config or {})).access(side.pdk)
    return side


def ask(method="tools/list", id_=7, **params):
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


# sentence -> what is sent, without what mcp-answers knows
WAYS = {
    "a list": lambda **how: access(ask(), **how),
    "a list that says what it is": lambda **how: access(ask(), {"mcp-method": "tools/list"}, **how),
    "a list that is traced": lambda **how: access(ask(), {"traceparent": TRACE}, **how),
    "a list by an id of text": lambda **how: access(ask(id_='a"\u2028'), **how),
    "an initialize": lambda **how: access(ask("initialize", protocolVersion="2025-11-25"), **how),
    "a stream": lambda **how: access(None, http_method="GET", route=ANY_METHOD, **how),
    "a call whose result is scanned": lambda **how: access(
        ask("tools/call", name="caf\xe9"), config={"results": {"mode": "block"}}, **how
    ),
    "calls that are forgiven": lambda **how: access(
        [ask("tools/call", name="shut"), ask("tools/call", 8, name="open")],
        {"mcp-protocol-version": "2025-03-26"},
        config=MONITOR,
        **how,
    ),
    "a sidecar that is missing": lambda **how: access(ask(), knows_upstreams=False, **how),
    "a sidecar that is missing, for a stream": lambda **how: access(
        None, http_method="GET", route=ANY_METHOD, knows_upstreams=False, **how
    ),
}


def seen(side):
    """Return what Kong does with a request. Each word has its own time and, where there is no session, replica."""
    hop = dict(side.next_hop)
    word = hop.pop("mcp-gateway-context", None)
    signed = word and ClaimSigner((KEY,)).verify(word, now=time.time())
    status, body, headers = side.exit or (None, "{}", None)
    changed = ("set_upstream", "request.set_scheme", "request.set_path")
    return {
        "headers": hop,
        "claims": signed and (signed[0].id, signed[0].method, signed[0].body, signed[0].terms),
        "to": [side.arguments(f"service.{name}") for name in changed],
        "log": sorted(side.arguments("log.set_serialize_value"), key=str),
        "exit": (status, json.loads(body), headers),
    }


@pytest.mark.parametrize("older", [OLDER, OLDEST, False], ids=["the last", "of 0.2", "none"])
@pytest.mark.parametrize("send", WAYS.values(), ids=WAYS.keys())
def test_both_ways_do_the_same(send, older):
    one, several = seen(send(answers=NEW)), seen(send(answers=older))
    assert one == several
    assert one["to"][0] == [("mcp-sidecar",)]


@pytest.mark.parametrize("send", WAYS.values(), ids=WAYS.keys())
def test_where_mcp_answers_knows_the_way_the_guard_makes_one_call_for_it(send):
    changing = [name for name in send(answers=NEW).names() if ".get" not in name]
    assert changing == ["ctx.shared.set"]


@pytest.mark.parametrize("older", [OLDER, OLDEST, False])
def test_where_it_does_not_nothing_is_left_for_it(older):
    assert "ctx.shared.set" not in access(ask(), answers=older).names()


def test_a_list_that_is_allowed_makes_two_calls():
    guard = Guard(CONFIG)
    for _ in range(2):  # the first asks Kong for the route and for who calls
        side = KongSide(json.dumps(ask()).encode(), LEGACY | ANNS_HEADERS, consumer=ANN, whole=True)
        guard.access(side.pdk)
    assert side.names() == ["ctx.shared.get", "ctx.shared.set"]


@pytest.mark.requirement("FAST-016")
def test_a_question_that_goes_to_the_sidecar_is_none_that_a_reader_of_calls_may_take():
    said = json.loads(access(ask()).said)
    assert said["crit"] == ["path"]
    assert "again" not in said


@pytest.mark.requirement("FAST-009")
def test_its_word_is_the_last_of_it():
    side = access(ask())
    assert side.said.endswith(f'{side.next_hop["mcp-gateway-context"]}"}}}}')


def test_a_refusal_that_a_stream_brings_is_told_once():
    from test_old_transport import sealed  # noqa: PLC0415 - the session of a stream

    side = KongSide(
        json.dumps(ask("tools/call", name="shut")).encode(),
        LEGACY | ANNS_HEADERS,
        consumer=ANN,
        route=ANY_METHOD,
        target=f"/notes/messages?session_id={sealed()}",
    )
    Guard(CONFIG).access(side.pdk)
    assert "record" not in json.loads(side.said)
    assert [value["outcome"] for key, value in side.arguments("log.set_serialize_value") if key == "mcp"] == ["refused"]
