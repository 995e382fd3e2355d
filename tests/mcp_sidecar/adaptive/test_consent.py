"""A person is asked whether one call may pass: what they see, and what their yes is good for."""

import json
import time

import anyio
import pytest

from mcp_core.auth.revoked import Revocable, Revoked, Word, digest_of, session_mark
from mcp_core.outcome import Reject
from mcp_core.principal import Principal
from mcp_core.reasons import Ending, Reason
from mcp_sidecar.adaptive import consent
from mcp_sidecar.adaptive.consent import ASK_SECONDS, KEY
from mcp_sidecar.adaptive.showing import shown

from flow_desk import CAPABLE, ERAS, FLOW, MODERN, MUTE, SESSION, is_closed, legacy, tainted  # isort: skip

YES = {"action": "accept", "content": {"allow": True}}
NO = [
    {"action": "decline"},
    {"action": "cancel"},
    {"action": "accept"},
    {"action": "accept", "content": {"allow": "true"}},
    {"action": "accept", "content": {"allow": False}},
    "accept",
    None,
]


@pytest.mark.requirement("FLOW-105")
def test_a_person_lets_one_call_pass_on_the_stream_of_a_session(agent, called):
    era = legacy(SESSION)

    async def work(desk):
        await tainted(desk, **era)
        heard = await desk.used("send_mail", {"to": "x"}, answer={"result": YES}, **era)
        assert heard["content"][0]["text"] == "done"
        assert is_closed(await desk.used("send_mail", {"to": "x"}, answer={"result": {"action": "decline"}}, **era))

    agent(work)
    assert [one["name"] for one in called] == ["read_web", "read_mail", "send_mail"]


@pytest.mark.requirement("FLOW-105")
@pytest.mark.parametrize("answer", [*({"result": one} for one in NO), {"error": {"code": -1, "message": "no"}}])
def test_no_answer_but_a_plain_yes_lets_a_call_of_a_session_pass(agent, called, answer):
    era = legacy(SESSION)

    async def work(desk):
        await tainted(desk, **era)
        assert is_closed(await desk.used("send_mail", answer=answer, **era))

    agent(work)
    assert len(called) == 2


CANCELS = {"method": "notifications/cancelled", "params": {"requestId": 7}}
DELETES = {}


@pytest.mark.requirement("FLOW-119")
@pytest.mark.parametrize("first", [{"result": NO[0]}, CANCELS, DELETES], ids=["no", "cancelled", "session-ended"])
def test_no_yes_counts_that_comes_after_a_no_or_when_nobody_waits_any_more(agent, called, first):
    async def work(desk):
        await tainted(desk, **legacy(SESSION))
        answers = [first, {"result": YES}] if first else [first]
        with anyio.fail_after(60):
            assert is_closed(await desk.used("send_mail", answer=answers, **legacy(SESSION)))

    agent(work)
    assert len(called) == 2


@pytest.mark.requirement("FLOW-119")
@pytest.mark.parametrize("cancels", [{"requestId": 8}, {"requestId": "7"}, {}])
def test_who_cancels_another_call_withdraws_no_question(agent, called, cancels):
    async def work(desk):
        await tainted(desk, **legacy(SESSION))
        answers = [{**CANCELS, "params": cancels}, {"result": YES}]
        assert not isinstance(await desk.used("send_mail", answer=answers, **legacy(SESSION)), Reject)

    agent(work)
    assert len(called) == 3


@pytest.mark.requirement("FLOW-119")
@pytest.mark.parametrize(("flow", "left"), [(FLOW, 1), ({**FLOW, "ask": False}, 0), (None, 0)])
def test_an_answer_is_left_for_other_sidecars_only_where_people_are_asked(agent, memory, monkeypatch, flow, left):
    leaves = []
    monkeypatch.setattr(memory, "leave_answer", lambda *of, **_yes: leaves.append(of))

    async def work(desk):
        await desk.answers("~ask/" + "0" * 32, {"result": YES})

    agent(work, flow=flow)
    assert len(leaves) == left


@pytest.mark.requirement("FLOW-119")
def test_who_is_cut_off_waits_for_no_persons_answer(agent, called):
    async def work(desk):
        await tainted(desk, **legacy(SESSION))
        word = Word(digest_of(Revocable.SESSION, "s"), 1, int(time.time()) + 1000)
        answers = [lambda: desk.all.parts.cuts.hear(Revoked([word]))]
        with anyio.fail_after(60):
            heard = await desk.used("send_mail", answer=answers, cuts=(session_mark("s"),), **legacy(SESSION))
        assert heard.reason is Reason.CUT_OFF
        assert desk.line.outcome == Ending.CUT_OFF

    agent(work)
    assert len(called) == 2


@pytest.mark.requirement("FLOW-105")
@pytest.mark.parametrize(("answer", "passes"), [(YES, True), ({"action": "decline"}, False)])
def test_another_sidecar_may_hear_the_answer(agent, desk, memory, monkeypatch, answer, passes):
    monkeypatch.setattr(consent, "POLL_SECONDS", 0.01)
    era = legacy(SESSION)

    async def work(here):
        await tainted(here, **era)
        async with desk(memory) as there:
            said = await here.used("send_mail", answer={"result": answer}, at=there, **era)
        assert is_closed(said) is not passes

    agent(work)


@pytest.mark.requirement("FLOW-105")
def test_a_person_lets_one_call_pass_in_the_modern_era(agent, called):
    async def work(desk):
        await tainted(desk)
        asked = await desk.used("send_mail", {"to": "x"}, meta=CAPABLE)
        assert asked["resultType"] == "input_required"
        assert '"to": "x"' in asked["inputRequests"][KEY]["params"]["message"]
        back = {"requestState": asked["requestState"], "inputResponses": {KEY: YES}}
        heard = await desk.used("send_mail", {"to": "x"}, meta=CAPABLE, params=back)
        assert heard["content"][0]["text"] == "done"
        # It is for that call alone, and its caller.
        assert is_closed(await desk.used("send_mail", {"to": "y"}, meta=CAPABLE, params=back))
        assert is_closed(await desk.used("unknown", {"to": "x"}, meta=CAPABLE, params=back))
        await tainted(desk, principal="bob")
        assert is_closed(await desk.used("send_mail", {"to": "x"}, meta=CAPABLE, params=back, principal="bob"))

    agent(work)
    sent = [one for one in called if one["name"] == "send_mail"]
    assert len(sent) == 1
    assert not sent[0].keys() & {"requestState", "inputResponses"}


@pytest.mark.requirement("FLOW-105")
@pytest.mark.parametrize("answers", [*({KEY: one} for one in NO), {}, {"other": YES}, "yes"])
def test_no_answer_but_a_plain_yes_lets_a_call_of_the_modern_era_pass(agent, called, answers):
    async def work(desk):
        await tainted(desk)
        asked = await desk.used("send_mail", meta=CAPABLE)
        back = {"requestState": asked["requestState"], "inputResponses": answers}
        assert is_closed(await desk.used("send_mail", meta=CAPABLE, params=back))

    agent(work)
    assert len(called) == 2


@pytest.mark.requirement("FLOW-105")
def test_a_yes_that_comes_too_late_or_is_made_up_is_none(agent, called):
    now = [1_000.0]

    async def work(desk):
        await tainted(desk)
        asked = await desk.used("send_mail", meta=CAPABLE)
        back = {"requestState": "made.up", "inputResponses": {KEY: YES}}
        assert is_closed(await desk.used("send_mail", meta=CAPABLE, params=back))
        now[0] += ASK_SECONDS + 1
        back["requestState"] = asked["requestState"]
        assert is_closed(await desk.used("send_mail", meta=CAPABLE, params=back))

    agent(work, wall=lambda: now[0])
    assert len(called) == 2


@pytest.mark.requirement("FLOW-105")
@pytest.mark.parametrize(
    ("flow", "meta", "era"),
    [
        (FLOW, None, MODERN),
        (FLOW, {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"url": {}}}}, MODERN),
        ({**FLOW, "ask": False}, CAPABLE, MODERN),
        ({**FLOW, "ask": False}, None, legacy(SESSION)),
        (FLOW, None, legacy(MUTE)),
    ],
)
def test_nobody_is_asked_who_cannot_be_or_shall_not_be(agent, flow, meta, era):
    async def work(desk):
        await tainted(desk, **era)
        assert is_closed(await desk.used("send_mail", meta=meta, **era))

    agent(work, flow=flow)


def sent(called):
    return [one for one in called if one["name"] == "send_mail"]


@pytest.mark.requirement("FLOW-113")
@pytest.mark.parametrize("era", ERAS, ids=["modern", "legacy"])
@pytest.mark.parametrize("hidden", [{"to": "x" * 2_000}, {"to": "a", "note": " " * 400}, {"to": "\u202e" * 400}])
def test_nobody_is_asked_about_what_cannot_be_shown_whole(agent, called, era, hidden):
    era = {**era, "session": SESSION} if "session" in era else era

    async def work(desk):
        await tainted(desk, **era)
        heard = await desk.used("send_mail", hidden, meta=CAPABLE, answer={"result": YES}, **era)
        assert is_closed(heard)
        assert "more than 2000 characters" in heard.message

    agent(work)
    assert sent(called) == []


@pytest.mark.requirement("FLOW-113")
def test_a_person_sees_all_that_is_sent_and_nothing_else_is(agent, called, kong):
    meta = {**CAPABLE, "note": "in meta", "progressToken": "t0", "traceparent": "00-1", "baggage": "b=1"}
    other = {"extra": "beside"}

    async def work(desk):
        await tainted(desk)
        called.clear()
        asked = await desk.used("send_mail", {"to": "x"}, meta=meta, params=other)
        message = asked["inputRequests"][KEY]["params"]["message"]
        assert '"to": "x"' in message
        assert '"note": "in meta"' in message
        assert '"extra": "beside"' in message
        again = {**meta, "progressToken": "t1", "traceparent": "00-2", "baggage": "b=2"}
        back = {**other, "requestState": asked["requestState"], "inputResponses": {KEY: YES}}
        headers = {"x-of-agent": "s3cr3t", "mcp-param-own": "s3cr3t"}
        await desk.used("send_mail", {"to": "x"}, meta=again, params=back, headers=headers)

    agent(work)
    assert called == [{"name": "send_mail", "arguments": {"to": "x"}, "extra": "beside", "_meta": sent_meta(meta)}]
    assert "s3cr3t" not in str(kong.requests)


def sent_meta(meta):
    return {name: one for name, one in meta.items() if name not in ("progressToken", "traceparent", "baggage")}


@pytest.mark.requirement("FLOW-113")
@pytest.mark.parametrize(
    ("arguments", "meta", "params", "changes"),
    [
        ({"to": "y"}, {}, {}, {}),
        ({"to": "x"}, {"note": "other"}, {}, {}),
        ({"to": "x"}, {}, {"extra": "other"}, {}),
        ({"to": "x"}, {}, {}, {"principal": Principal("token", "ada", "https://i", client="other")}),
        ({"to": "x"}, {}, {}, {"principal": Principal("token", "ada", "https://i", client="c", via="other")}),
    ],
)
def test_a_yes_is_for_what_was_shown_and_its_caller_alone(agent, called, arguments, meta, params, changes):
    ada = {"principal": Principal("token", "ada", "https://i", client="c")}

    async def work(desk):
        await tainted(desk, **ada)
        asked = await desk.used("send_mail", {"to": "x"}, meta=CAPABLE, **ada)
        back = {**params, "requestState": asked["requestState"], "inputResponses": {KEY: YES}}
        assert is_closed(
            await desk.used("send_mail", arguments, meta={**CAPABLE, **meta}, params=back, **{**ada, **changes})
        )

    agent(work)
    assert sent(called) == []


@pytest.mark.requirement("FLOW-113")
def test_a_yes_is_used_once_on_whichever_sidecar(agent, called, desk, memory):
    async def work(here):
        await tainted(here)
        asked = await here.used("send_mail", {"to": "x"}, meta=CAPABLE)
        back = {"requestState": asked["requestState"], "inputResponses": {KEY: YES}}
        assert not isinstance(await here.used("send_mail", {"to": "x"}, meta=CAPABLE, params=back), Reject)
        assert is_closed(await here.used("send_mail", {"to": "x"}, meta=CAPABLE, params=back))
        async with desk(memory) as there:
            assert is_closed(await here.at(there).used("send_mail", {"to": "x"}, meta=CAPABLE, params=back))

    agent(work)
    assert len(sent(called)) == 1


@pytest.mark.requirement("FLOW-113")
def test_a_yes_is_used_once_also_where_the_clock_goes_back(agent, called):
    now = [10_000.0]

    async def work(desk):
        await tainted(desk)
        asked = await desk.used("send_mail", meta=CAPABLE)
        back = {"requestState": asked["requestState"], "inputResponses": {KEY: YES}}
        now[0] -= 1_000
        assert not isinstance(await desk.used("send_mail", meta=CAPABLE, params=back), Reject)
        now[0] += ASK_SECONDS + 1
        assert is_closed(await desk.used("send_mail", meta=CAPABLE, params=back))

    agent(work, wall=lambda: now[0])
    assert len(sent(called)) == 1


@pytest.mark.requirement("FLOW-113")
@pytest.mark.parametrize(
    ("id_", "asks"), [("8c5f6a1e-0d1b-4d6e-9f57-1c2d3e4f5a6b", True), ("to: bob", False), (2**60, False)]
)
def test_nobody_is_asked_about_a_call_whose_id_says_something(agent, id_, asks):
    async def work(desk):
        await tainted(desk)
        heard = await desk.used("send_mail", meta=CAPABLE, id=id_)
        assert is_closed(heard) is not asks

    agent(work)


@pytest.mark.requirement("FLOW-113")
@pytest.mark.parametrize(("id_", "passes"), [("8c5f6a1e", True), ("to: bob", False), (2**60, False)])
def test_a_yes_lets_no_request_pass_whose_id_says_something(agent, called, id_, passes):
    async def work(desk):
        await tainted(desk)
        asked = await desk.used("send_mail", meta=CAPABLE)
        back = {"requestState": asked["requestState"], "inputResponses": {KEY: YES}}
        assert is_closed(await desk.used("send_mail", meta=CAPABLE, params=back, id=id_)) is not passes

    agent(work)
    assert len(sent(called)) == passes


@pytest.mark.requirement("FLOW-113")
@pytest.mark.parametrize("era", ERAS, ids=["modern", "legacy"])
def test_no_unknown_member_of_a_message_nor_an_order_of_keys_is_sent_unseen(agent, called, kong, era):
    era = {**era, "session": SESSION} if "session" in era else era
    given = {"arguments": {"b": 1, "a": {"d": 2, "c": [{"f": 3, "e": 4}]}}, "meta": CAPABLE, "beside": {"x": "s3cr3t"}}

    async def work(desk):
        await tainted(desk, **era)
        asked = await desk.used("send_mail", **given, answer={"result": YES}, **era)
        if "requestState" in asked:
            back = {"requestState": asked["requestState"], "inputResponses": {KEY: YES}}
            await desk.used("send_mail", **given, params=back, **era)

    agent(work)
    (one,) = sent(called)
    assert json.dumps(one["arguments"]) == '{"a": {"c": [{"e": 4, "f": 3}], "d": 2}, "b": 1}'
    assert "s3cr3t" not in str(kong.requests)


@pytest.mark.requirement("FLOW-113")
def test_nobody_is_asked_in_the_modern_era_where_no_store_knows_what_was_used(agent, called):
    async def work(desk):
        assert isinstance(await desk.used("send_mail", meta=CAPABLE), Reject)

    agent(work, memory=None)
    assert called == []


@pytest.mark.requirement("FLOW-113")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": "é 漢"}, '{"a": "é 漢", "b": 1}'),
        ("a  b", '"a \\u0020b"'),
        ("a\u202eb\u200b\u3164\U000e0041", '"a\\u202eb\\u200b\\u3164\\udb40\\udc41"'),
        ("a\nb\u2028\u00a0", '"a\\nb\\u2028\\u00a0"'),
        ("<!-- a -->", '"\\u003c!-- a --\\u003e"'),
        ("[a](b)", '"[a]\\u0028b)"'),
        ("a\u0301\u0301\u0301", '"a\u0301\u0301\\u0301"'),
        ("\\u202e", '"\\\\u202e"'),
    ],
)
def test_what_would_not_be_seen_is_shown_as_an_escape(value, text):
    assert shown(value) == text
