from __future__ import annotations

import json

import pytest
from core_cases import LEGACY, MODERN, NOT_JSON_RPC, NOT_STRICT, ODD_BUT_EXACT, PLAIN, WORST, call, legacy, note, text
from hypothesis import given
from hypothesis import strategies as st

from mcp_core import decide, jsonrpc, policy, surface
from mcp_core.jsonrpc import Batch, Limits, Notification, NotStrictError, Request, Response, parse
from mcp_core.outcome import Mutated, Reject
from mcp_core.principal import NOBODY

EVERYTHING = policy.Policy.from_config({kind: {"allow": ["*"]} for kind in ("tools", "prompts", "resources")})
OPEN_VIEW = EVERYTHING.view(NOBODY)
BATCHING = legacy("2025-03-26")
MIB = 1024 * 1024
LONG = "x" * 10_000


def cases(table):
    return pytest.mark.parametrize("body", [pytest.param(body, id=sentence) for sentence, body in table.items()])


def nothing_passes(body):
    """Return whether a text of a server is refused, or left out as no message that a server may send."""
    outcome = surface.filter_answer(body, OPEN_VIEW)
    return isinstance(outcome, Reject) or outcome == Mutated(None)


def decided(body, headers=BATCHING):
    return decide.decide_post(decide.GuardTerms(EVERYTHING), decide.Caller(OPEN_VIEW), headers, body)


@pytest.mark.requirement("RPC-001")
@pytest.mark.requirement("RPC-003")
@pytest.mark.requirement("RPC-004")
@pytest.mark.requirement("RPC-008")
@cases(NOT_STRICT)
class TestWhatIsNotStrictJson:
    def test_cannot_be_loaded(self, body):
        with pytest.raises(NotStrictError) as error:
            jsonrpc.load(body)
        assert "shut" not in str(error.value)

    def test_is_a_parse_error_that_names_no_id(self, body):
        read = parse(body)
        assert isinstance(read, Reject)
        assert (read.code, read.http_status(), read.id) == (-32700, 400, None)
        assert "id" not in json.loads(read.body())

    @pytest.mark.parametrize("version", [None, *LEGACY, MODERN])
    def test_is_refused_in_every_revision(self, body, version):
        refusal = decided(body, legacy(version))
        assert isinstance(refusal, Reject)
        assert refusal.http_status() == 400

    def test_never_passes_as_a_servers_answer(self, body):
        assert nothing_passes(body)


@pytest.mark.requirement("RPC-002")
@pytest.mark.requirement("RPC-005")
@pytest.mark.requirement("RPC-006")
@cases(NOT_JSON_RPC)
class TestWhatIsNoMessage:
    def test_is_an_invalid_request(self, body):
        read = parse(body)
        assert isinstance(read, Reject)
        assert (read.code, read.http_status()) == (-32600, 400)

    def test_makes_its_whole_batch_invalid(self, body):
        batch = b"[" + PLAIN + b"," + body + b"]"
        assert isinstance(parse(batch), Reject)
        assert isinstance(decided(batch), Reject)


@pytest.mark.requirement("RPC-014")
@cases({**NOT_STRICT, **NOT_JSON_RPC})
def test_a_refusal_says_what_to_send(body):
    refused = parse(body)
    assert isinstance(refused, Reject)
    assert "Send " in refused.message or "spell it exactly" in refused.message


@pytest.mark.requirement("RPC-014")
@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "id": LONG, "method": "ping"},
        {"jsonrpc": LONG, "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1, "method": LONG},
        {"jsonrpc": "2.0", "id": 1, "method": "ping", f"{LONG}Method": 1, LONG: [1], "params": {"_meta": LONG}},
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"_meta": {f"PROGRESSTOKEN{LONG}": 1}, "URI": LONG}},
    ],
)
def test_a_refusal_repeats_next_to_nothing_of_what_was_sent(message):
    refused = parse(json.dumps(message).encode())
    assert isinstance(refused, Reject)
    assert LONG[:100] not in refused.message
    assert len(refused.message) < 300


@pytest.mark.requirement("RPC-010")
@cases(ODD_BUT_EXACT)
def test_what_every_reader_reads_alike_is_read_so(body):
    read = parse(body)
    expected = json.loads(body)
    assert isinstance(read, Request)
    assert (read.id, read.method, read.params) == (expected["id"], expected["method"], expected["params"])


@pytest.mark.requirement("RPC-011")
@pytest.mark.parametrize("make", WORST.values(), ids=WORST.keys())
def test_the_dearest_bodies_are_answered_at_all(make):
    """Anything worse than linear would take hours here."""
    body = make(MIB)
    decided(body)
    surface.filter_answer(body, OPEN_VIEW)


@pytest.mark.requirement("RPC-008")
@pytest.mark.parametrize(
    ("limits", "inside", "outside"),
    [
        pytest.param(Limits(depth=2), b"[[]]", b"[[[]]]", id="depth"),
        pytest.param(Limits(depth=1), b'["[[["]', b"[[]]", id="depth of one"),
        pytest.param(Limits(keys=2), b'{"a":1,"b":":{:{"}', b'[{"a":1},{"b":2},{"c":3}]', id="keys"),
        pytest.param(Limits(keys=2), b"[{}]", b"[{},{}]", id="empty objects count"),
        pytest.param(Limits(keys=2), b'["[[[["]', b"[[],[]]", id="arrays count, in strings they do not"),
        pytest.param(Limits(keys=2), b'["\\"[[[["]', b'["\\"",[],[]]', id="arrays behind an escaped quote count"),
        pytest.param(Limits(values=2), b'[1,2,",,,"]', b"[1,2,3,4]", id="values"),
        pytest.param(Limits(values=1), b'{"a":1,"b":2}', b'{"a":[1,2],"b":2}', id="values at any depth"),
        pytest.param(Limits(keys=1, values=1), b'[1,"' + b'\\",' * 20 + b'"]', b'["","",""]', id="quotes"),
        pytest.param(Limits(digits=3), b'[123,-12,"12345"]', b"1234", id="digits"),
        pytest.param(Limits(digits=3), b"1.2", b"1.23", id="digits of a fraction"),
        pytest.param(Limits(digits=40), b"1e-30", b"0." + b"1" * 39, id="digits of a long fraction"),
        pytest.param(Limits(body=4), b"1234", b"12345", id="bytes"),
    ],
)
def test_limits_hold_exactly(limits, inside, outside):
    assert jsonrpc.load(inside, limits) == json.loads(inside)
    with pytest.raises(NotStrictError):
        jsonrpc.load(outside, limits)


@pytest.mark.requirement("RPC-008")
def test_a_body_over_the_limit_is_413_and_says_what_to_change():
    refusal = parse(PLAIN, Limits(body=10))
    assert isinstance(refusal, Reject)
    assert refusal.http_status() == 413
    assert "limits.body" in refusal.message


@pytest.mark.requirement("RPC-006")
def test_requests_notifications_and_answers_are_told_apart():
    error = {"code": -1, "message": "no"}
    assert parse(text(call())) == Request(1, "tools/call", {"name": "open"})
    assert parse(text(note("notifications/initialized"))) == Notification("notifications/initialized", {})
    assert parse(b'{"jsonrpc":"2.0","id":"a","result":{}}') == Response("a", {}, None)
    assert parse(text({"jsonrpc": "2.0", "id": 1, "error": error})) == Response(1, None, error)
    assert parse(text({"jsonrpc": "2.0", "id": None, "error": error})) == Response(None, None, error)
    assert parse(text({"jsonrpc": "2.0", "error": error})) == Response(None, None, error)


@pytest.mark.requirement("RPC-007")
@pytest.mark.parametrize(
    "batch",
    [
        pytest.param(b"[]", id="empty"),
        pytest.param(b"[[" + PLAIN + b"]]", id="nested"),
        pytest.param(b"[1]", id="of numbers"),
        pytest.param(b"[" + PLAIN + b"," + PLAIN + b"]", id="with one id twice"),
        pytest.param(text([call() | {"id": number} for number in range(51)]), id="too long"),
    ],
)
def test_an_unlawful_batch_is_refused_whole(batch):
    refusal = parse(batch)
    assert isinstance(refusal, Reject)
    assert refusal.code == -32600


@pytest.mark.requirement("RPC-007")
def test_a_lawful_batch_keeps_its_order():
    read = parse(text([call("a"), call("b") | {"id": "1"}, note("notifications/initialized")]))
    assert isinstance(read, Batch)
    assert [message.params.get("name") for message in read.messages] == ["a", "b", None]


@pytest.mark.requirement("RPC-009")
def test_a_refusal_carries_the_id_where_it_could_be_read():
    named = parse(text(call() | {"id": "seven", "params": []}))
    unreadable = parse(text(call() | {"id": 1.5}))
    assert isinstance(named, Reject)
    assert isinstance(unreadable, Reject)
    assert json.loads(named.body())["id"] == "seven"
    assert "id" not in json.loads(unreadable.body())


@pytest.mark.requirement("RPC-002")
@given(st.sampled_from(["method", "id", "params", "jsonrpc"]), st.lists(st.booleans(), min_size=7, max_size=7))
def test_no_mix_of_cases_of_a_protocol_key_passes(key, capitals):
    mixed = "".join(char.upper() if capital else char for char, capital in zip(key, capitals, strict=False))
    read = parse(text(call() | {mixed: call()[key]}))
    assert isinstance(read, Request) == (mixed == key)
