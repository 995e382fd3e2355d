"""The law beside its cases in spec/answers.json: what holds for every id, key, method, place and policy."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcp_core.answer import Fit, Judge, ServerMessages
from mcp_core.keys import ENVELOPE
from mcp_core.loosejson import load
from mcp_core.methods import RESULT_KEYS, SERVER_METHODS, Era, Place, ServerKind
from mcp_core.question import Asked, Question
from mcp_core.surface import ANSWER_LIMITS

IDS = st.one_of(st.integers(-(2**53), 2**53), st.text(max_size=5), st.sampled_from([7, "7", 0, "0", 1, "", "None"]))
ANY_ID = IDS | st.none() | st.booleans() | st.floats() | st.lists(st.integers(), max_size=1)
OWN = {
    "tools/call": "content",
    "prompts/get": "messages",
    "resources/read": "contents",
    "completion/complete": "completion",
}
ASKED = Asked(7, "tools/call", "t")


def judge(*asked, place=Place.POST, era=Era.LEGACY, kinds=frozenset(ServerKind), methods=()):
    question = Question(era, "2025-06-18", place, asked, len(asked) > 1)
    return Judge(question, ServerMessages(frozenset(kinds), frozenset(methods)))


def result(id_=7, **keys):
    return {"jsonrpc": "2.0", "id": id_, "result": keys or {"content": []}}


def error(id_=7):
    return {"jsonrpc": "2.0", "id": id_, "error": {"code": -1, "message": "no"}}


def told(method, id_=None, **params):
    return {"jsonrpc": "2.0", "method": method, "params": params} | ({} if id_ is None else {"id": id_})


def is_same(one, other):
    """Return whether two JSON values are the same id: a text is no number, and true is neither."""
    if isinstance(one, bool) or isinstance(other, bool):
        return False
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str) and one == other
    return isinstance(one, int | float) and isinstance(other, int | float) and one == other


@pytest.mark.requirement("ANS-001")
@given(IDS, ANY_ID, st.sampled_from([Place.POST, Place.LISTEN, Place.GET]), st.sampled_from([result, error]))
def test_of_all_ids_only_the_one_that_was_asked_is_answered(asked, id_, place, make):
    one = judge(*([] if place is Place.GET else [Asked(asked, "tools/call")]), place=place)
    fits = one.fits(make(id_)).fit is Fit.PASS
    nameless = id_ is None and make is error
    assert fits == (place is not Place.GET and (nameless or is_same(asked, id_)))


@pytest.mark.requirement("ANS-001")
@given(st.lists(IDS, min_size=1, max_size=4, unique=True), st.data())
def test_each_of_several_is_answered_once_whatever_comes_between(ids, data):
    one = judge(*(Asked(id_, "tools/call") for id_ in ids))
    left = list(ids)
    while left:
        assert not one.done
        id_ = left.pop(data.draw(st.integers(0, len(left) - 1)))
        one.begin()
        assert one.judge(result(id_)).fit is Fit.PASS
        assert one.judge(result(id_)).fit is Fit.FAIL, "not twice in one text"
        one.begin()
        assert one.judge(result(id_)).fit is Fit.PASS, "a text may be judged again"
        one.settle()
        assert one.judge(result(id_)).fit is Fit.FAIL, "not in a later text"
        assert one.judge(error(None)).fit is (Fit.PASS if ids == [id_] and not one.done else Fit.FAIL)
    assert one.done


@pytest.mark.requirement("ANS-001")
@given(IDS, st.booleans())
def test_an_error_without_an_id_is_told_with_the_questions_own(id_, null):
    one = judge(Asked(id_, "tools/call"))
    message = error(None) | {"extra": 1}
    if not null:
        del message["id"]
    judged = one.judge(message)
    assert one.complete(message, judged)
    assert message == error(id_)
    assert not one.complete(message, judged)


@pytest.mark.requirement("ANS-001")
@pytest.mark.parametrize("asked", [(), (ASKED, Asked(8, "ping"))])
def test_an_error_without_an_id_is_nobodys_where_not_one_thing_was_asked(asked):
    assert judge(*asked).fits(error(None)).fit is Fit.FAIL


@st.composite
def spellings(draw):
    """Spell a key of the envelope as lax readers still know it."""
    key, between = draw(st.sampled_from(sorted(ENVELOPE.deciding))), draw(st.sampled_from(["", "_", "-"]))
    return between.join(one.upper() if draw(st.booleans()) else one for one in key)


@pytest.mark.requirement("ANS-001")
@given(spellings() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
def test_no_key_stands_in_an_envelope_that_a_lax_reader_takes_for_another(key):
    assume(key not in ENVELOPE.deciding)
    for message in (result(), error(), told("notifications/message")):
        fit = judge(ASKED).fits(message | {key: 1}).fit
        if ENVELOPE.could_be(key):
            assert fit is Fit.FAIL
        elif key.isascii() and key.isprintable() and " " not in key:
            assert fit is Fit.PASS


@pytest.mark.requirement("ANS-001")
@pytest.mark.parametrize("key", sorted(ENVELOPE.deciding))
@pytest.mark.parametrize("place", Place)
def test_no_key_of_an_envelope_stands_twice_at_any_place(key, place):
    text = f'{{"{key}":1,"jsonrpc":"2.0","id":7,"result":{{}},"{key}":2}}'
    message = load(text.encode(), ANSWER_LIMITS).value
    assert judge(ASKED, place=place).fits(message).fit is Fit.FAIL


WORD = st.sampled_from([None, 1, {}, [], "2.0", "tools/call", {"content": []}])


@pytest.mark.requirement("ANS-001")
@given(
    st.dictionaries(st.sampled_from([*sorted(ENVELOPE.deciding), "x"]), WORD),
    st.sampled_from(Place),
    st.sampled_from(Era),
)
def test_whatever_passes_is_one_message_of_json_rpc(message, place, era):
    before = copy.deepcopy(message)
    judged = judge(Asked(1, "ping"), place=place, era=era, methods=["tools/call"]).fits(message)
    assert message == before, "nothing is changed by judging"
    if judged.fit is not Fit.PASS:
        return
    assert message["jsonrpc"] == "2.0"
    given_ = {key for key in ("result", "error") if message.get(key) is not None}
    assert len(given_) == (0 if "method" in message else 1)
    if place not in (Place.REPLAY, Place.ENDPOINT) and given_:
        assert message.get("id", None) in (1, None)


@pytest.mark.requirement("ANS-001")
@pytest.mark.parametrize("method", OWN)
@pytest.mark.parametrize("key", RESULT_KEYS)
def test_a_result_of_a_call_holds_no_key_that_another_methods_reader_waits_for(method, key):
    own = method in RESULT_KEYS[key]
    for spelled in {key, key.upper(), key.capitalize(), "_".join(key), f" {key}", f"{key}-"}:
        fit = judge(Asked(7, method)).fits(result(**{OWN[method]: [], spelled: []})).fit
        assert fit is (Fit.PASS if own else Fit.FAIL)


@pytest.mark.requirement("ANS-006")
@pytest.mark.parametrize("known", SERVER_METHODS.values(), ids=SERVER_METHODS)
@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize("era", Era)
def test_a_server_sends_what_its_era_has_at_that_place_and_the_policy_allows(known, place, era):
    message = told(known.name, *([5] if known.request else []), progressToken="t")
    here = known.legacy if era is Era.LEGACY else place in known.modern
    assert judge(ASKED, place=place, era=era).fits(message).fit is (Fit.PASS if here else Fit.DROP)
    others = frozenset(ServerKind) - {known.kind}
    assert judge(ASKED, place=place, era=era, kinds=others).fits(message).fit is Fit.DROP
    named = judge(ASKED, place=place, era=era, kinds=(), methods=[known.name])
    assert named.fits(message).fit is Fit.PASS, "what the policy names is passed, whatever it is"
    turned = {key: value for key, value in message.items() if key != "id"} | ({} if known.request else {"id": 5})
    assert judge(ASKED, place=place, era=era).fits(turned).fit is Fit.DROP, "a request has an id, a notification none"


@pytest.mark.requirement("ANS-006")
@given(st.text(max_size=12) | st.sampled_from([*OWN, "tools/list", "initialize", "notifications/x"]))
def test_what_no_revision_lists_is_left_out(method):
    assume(method not in SERVER_METHODS)
    for message in (told(method), told(method, 5)):
        assert judge(ASKED).fits(message).fit is Fit.DROP
        assert judge(ASKED, kinds=(), methods=[method]).fits(message).fit is Fit.PASS


@pytest.mark.requirement("ANS-001")
@given(st.lists(st.none() | IDS, min_size=1, max_size=3), ANY_ID, st.sampled_from([Place.POST, Place.LISTEN]))
def test_progress_passes_for_a_token_of_the_question_and_for_no_other(tokens, token, place):
    asked = [Asked(number, "tools/call", one) for number, one in enumerate(tokens)]
    fit = judge(*asked, place=place).fits(told("notifications/progress", progressToken=token)).fit
    assert fit is (Fit.PASS if any(is_same(one, token) for one in tokens) else Fit.DROP)


@pytest.mark.requirement("ANS-006")
@pytest.mark.parametrize("kinds", [frozenset(ServerKind), frozenset({ServerKind.SAMPLING}), frozenset()])
@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("sampling/createMessage", ServerKind.SAMPLING),
        ("elicitation/create", ServerKind.ELICITATION),
        ("roots/list", ServerKind.ROOTS),
    ],
)
def test_a_result_asks_for_no_more_than_a_request_may(kinds, method, kind):
    message = result(resultType="input_required", inputRequests={"a": {"method": method, "params": {}}})
    asked = judge(ASKED, era=Era.MODERN, kinds=kinds)
    assert asked.fits(message).fit is (Fit.PASS if kind in kinds else Fit.FAIL)
    assert judge(ASKED, kinds=kinds).fits(told(method, 5)).fit is (Fit.PASS if kind in kinds else Fit.DROP)


@pytest.mark.requirement("ANS-001")
@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize(
    "message",
    [
        result(True),
        result() | {"params": {}},
        result() | {"__proto__": {"id": 7}},
        result() | {"constructor": 1},
        told("notifications/message") | {"result": {}},
        told("ping", 1) | {"error": {"code": -1, "message": "no"}},
        told("notifications/message") | {"result": None},
    ],
)
def test_what_two_readers_could_take_for_two_messages_fails_everywhere(message, place):
    assert judge(Asked(1, "tools/call"), place=place).fits(message).fit is Fit.FAIL


@pytest.mark.requirement("ANS-001")
def test_true_is_neither_the_id_nor_the_token_one():
    one = judge(Asked(1, "tools/call", 1))
    assert one.fits(result(True)).fit is Fit.FAIL
    assert one.fits(told("notifications/progress", progressToken=True)).fit is Fit.DROP


@pytest.mark.requirement("ANS-001")
def test_what_was_left_out_is_counted_once_its_text_was_passed():
    one = judge(ASKED, kinds=())
    one.judge(told("notifications/message"))
    one.begin()
    assert (one.judge({"type": "ping"}).fit, one.dropped) == (Fit.DROP, Counter())
    one.settle()
    one.judge(told("ping", 5))
    one.settle()
    assert one.dropped == {"no message": 1, "a message that servers may not send here": 1}


@given(st.frozensets(st.sampled_from(ServerKind)), st.frozensets(st.text(max_size=5)))
def test_what_servers_may_send_is_the_same_after_a_journey_as_json(kinds, methods):
    one = ServerMessages(kinds, methods)
    assert ServerMessages.from_json(one.to_json()) == one
