"""What clients that people have send is answered as servers answer it, and never more laxly than is safe."""

from __future__ import annotations

import json

import pytest
from core_cases import LEGACY, META, MODERN, call, legacy, modern, note, request, text

from mcp_core import envelope, question
from mcp_core.decide import Admitted, Caller, GuardTerms, decide_endpoint_post, decide_post, decide_stream
from mcp_core.jsonrpc import DEFAULT_LIMITS, Batch, Notification, Request, Response, parse
from mcp_core.methods import Era
from mcp_core.outcome import Reject
from mcp_core.policy import Policy
from mcp_core.principal import NOBODY
from mcp_core.seal import Session

POLICY = Policy.from_config({"tools": {"allow": ["open"]}, "methods": {"allow": ["notifications/mine"]}})
GUARD = GuardTerms(POLICY)
SESSION = Session("notes", NOBODY, "up", "a1", 0)
INITIALIZE = request("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}})


def decide(headers, body, decide=decide_post):
    caller = Caller(POLICY.view(NOBODY), lambda token: SESSION if token == "s" else None)
    return decide(GUARD, caller, headers, body)


class TestMethodsThatNobodyKnows:
    @pytest.mark.requirement("POL-040")
    @pytest.mark.parametrize("version", LEGACY)
    @pytest.mark.parametrize("method", ["tools/execute", "server/discover", "Tools/Call", "tasks/list"])
    def test_a_legacy_agent_does_not_take_one_for_the_end_of_its_session(self, version, method):
        for headers in (legacy(version), legacy(version, mcp_session_id="s")):
            refusal = decide(headers, text(request(method)))
            assert isinstance(refusal, Reject)
            assert (refusal.code, refusal.http_status(), refusal.id) == (-32601, 200, 1)

    @pytest.mark.requirement("POL-040")
    def test_a_modern_agent_is_told_404(self):
        refusal = decide(modern("tools/execute"), text(request("tools/execute", {"_meta": META})))
        assert (refusal.code, refusal.http_status()) == (-32601, 404)

    @pytest.mark.requirement("POL-040")
    @pytest.mark.parametrize("version", LEGACY)
    @pytest.mark.parametrize(
        "method", ["notifications/theirs", "notifications/Initialized", "notifications/tools/call"]
    )
    def test_a_notification_is_taken_and_goes_no_further(self, version, method):
        for decision in (
            decide(legacy(version), text(note(method))),
            decide(legacy(version), text(note(method)), decide_endpoint_post),
        ):
            assert isinstance(decision, Reject)
            assert (decision.http_status(), decision.body(), decision.reason) == (202, b"", "denied-method")

    @pytest.mark.requirement("POL-040")
    @pytest.mark.parametrize("other", [note("notifications/initialized"), call("open"), note("notifications/theirs")])
    def test_none_takes_the_rest_of_its_batch_with_it_in_silence(self, other):
        for batch in ([note("notifications/theirs"), other], [other, note("notifications/theirs")]):
            refusal = decide(legacy("2025-03-26"), text(batch))
            assert isinstance(refusal, Reject)
            assert refusal.http_status() == 400
            assert json.loads(refusal.body())["error"]["code"] == -32600

    @pytest.mark.requirement("POL-040")
    def test_a_modern_notification_is_refused_aloud(self):
        refusal = decide(legacy(MODERN), text(note("notifications/theirs")))
        assert (refusal.http_status(), json.loads(refusal.body())["error"]["code"]) == (400, -32600)

    @pytest.mark.requirement("POL-040")
    @pytest.mark.parametrize("version", [*LEGACY, MODERN])
    def test_one_that_the_policy_names_passes(self, version):
        assert isinstance(decide(legacy(version), text(note("notifications/mine"))), Admitted)


class TestParamsNull:
    @pytest.mark.requirement("RPC-040")
    def test_are_no_params(self):
        assert parse(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":null}') == Request(1, "ping", {})
        said = b'{"jsonrpc":"2.0","method":"notifications/initialized","params":null}'
        assert parse(said) == Notification("notifications/initialized", {})

    @pytest.mark.requirement("RPC-040")
    @pytest.mark.parametrize("value", ["false", "0", '""', "[]", "[null]", '"null"'])
    def test_are_the_only_ones_that_are(self, value):
        read = parse(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":%b}' % value.encode())
        assert isinstance(read, Reject)

    @pytest.mark.requirement("RPC-040")
    @pytest.mark.parametrize("more", ['"Params":{"name":"shut"}', '"params":{"name":"shut"}', '"PARAMS":null'])
    def test_stand_alone(self, more):
        body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":null,%b}' % more.encode()
        assert isinstance(parse(body), Reject)

    @pytest.mark.requirement("RPC-040")
    def test_name_no_tool_and_say_no_version(self):
        nameless = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":null}'
        assert decide(legacy(), nameless).code == -32602
        versionless = b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":null}'
        assert decide(modern("tools/list"), versionless).reason == "modern-meta"


@pytest.mark.requirement("ENV-002")
@pytest.mark.parametrize("version", ["2024-10-07", "2025-06-17", "1.0"])
def test_an_answer_to_an_unknown_revision_lists_all_that_are_known(version):
    for refusal in (
        decide(legacy(version), text(call())),
        decide_stream("GET", {"mcp-protocol-version": version}, lambda _token: None),
    ):
        assert (refusal.code, refusal.http_status()) == (-32022, 400)
        assert refusal.data == {"supported": [MODERN, *reversed(LEGACY)], "requested": version}


class TestInitialize:
    @pytest.mark.requirement("ENV-040")
    @pytest.mark.parametrize("session", ["s", "unknown", ""])
    @pytest.mark.parametrize("version", [None, *LEGACY])
    def test_begins_anew_whatever_session_it_names(self, session, version):
        decision = decide(legacy(version, mcp_session_id=session), text(INITIALIZE))
        assert isinstance(decision, Admitted)
        assert decision.session is None

    @pytest.mark.requirement("ENV-040")
    @pytest.mark.parametrize(
        "message", [call("open"), request("tools/list"), request("Initialize"), note("initialize")]
    )
    def test_is_the_only_message_that_does(self, message):
        decision = decide(legacy(mcp_session_id="unknown"), text(message))
        assert isinstance(decision, Reject)
        read = envelope.read(legacy(mcp_session_id="unknown"), text(message), DEFAULT_LIMITS)
        assert isinstance(read, Reject) or read.session == "unknown"


class TestWholeFloats:
    """What goes on is the body; the id counts as the integer that every reader takes it for."""

    @pytest.mark.requirement("RPC-041")
    @pytest.mark.parametrize(
        ("written", "id_"),
        [("1.0", 1), ("0.0", 0), ("-7.00", -7), ("9007199254740991.0", 9007199254740991), ("12.0000000000000000", 12)],
    )
    def test_are_ids(self, written, id_):
        for blank in ("", " ", "\n\t"):
            body = f'{{"jsonrpc":"2.0","id"{blank}:{blank}{written}{blank},"method":"ping"}}'.encode()
            read = parse(body)
            assert isinstance(read, Request)
            assert (read.id, type(read.id)) == (id_, int)

    @pytest.mark.requirement("RPC-041")
    @pytest.mark.parametrize(
        "written",
        [
            *("1.5", "1e0", "1E0", "1.0e0", "10e-1", "0.1e1", "-0.0", "1.00000000000000000", "1e300"),
            *("1.00000000000000000000000000001", "0.99999999999999999999999999999", "9007199254740992.0"),
            *("9007199254740993.0", "-9007199254740992.0"),
        ],
    )
    def test_are_none_in_any_other_spelling(self, written):
        refusal = parse(f'{{"jsonrpc":"2.0","id":{written},"method":"ping"}}'.encode())
        assert isinstance(refusal, Reject)
        assert (refusal.code, refusal.id) == (-32600, None)

    @pytest.mark.requirement("RPC-041")
    @pytest.mark.parametrize("key", [r"\u0069d", r"i\u0064", r"\u0069\u0064"])
    def test_are_none_under_a_key_that_is_escaped(self, key):
        for written in ("1.0", "1e0"):
            body = f'{{"jsonrpc":"2.0","{key}":{written},"method":"ping","params":{{"id":1.0}}}}'.encode()
            assert isinstance(parse(body), Reject)

    @pytest.mark.requirement("RPC-041")
    @pytest.mark.parametrize("arguments", ['{"id":2.5}', '{"id":1e3}', r'"\"id\":1e0"', '{"x":[{"id":"1e0"}]}'])
    def test_are_ids_beside_other_numbers_of_that_name(self, arguments):
        body = f'{{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{{"arguments":{arguments}}}}}'.encode()
        assert isinstance(parse(body), Request)

    @pytest.mark.requirement("RPC-041")
    def test_are_ids_in_batches_and_answers_too(self):
        ping = b'{"jsonrpc":"2.0","id":%b,"method":"ping"}'
        batch = parse(b"[" + ping % b"1.0" + b"," + ping % b"2" + b"]")
        assert isinstance(batch, Batch)
        assert [message.id for message in batch.messages] == [1, 2]
        assert isinstance(parse(b"[" + ping % b"1.0" + b"," + ping % b"1" + b"]"), Reject)
        assert parse(b'{"jsonrpc":"2.0","id":3.0,"result":{}}') == Response(3, {}, None)

    @pytest.mark.requirement("RPC-041")
    def test_are_what_the_answer_is_held_to(self):
        body = (
            b'{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"open","_meta":{"progressToken":2.0}}}'
        )
        decision = decide(legacy(), body)
        assert decision.question == question.Question(
            Era.LEGACY, "2025-11-25", asked=(question.Asked(1, "tools/call", 2),)
        )
        assert decision.id == 1
