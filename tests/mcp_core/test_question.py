from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_core import question
from mcp_core.jsonrpc import Notification, Request, Response
from mcp_core.methods import Era, Place
from mcp_core.question import Asked, Question

IDS = st.one_of(st.text(max_size=8), st.integers())
ASKED = st.builds(Asked, IDS, st.sampled_from(["tools/call", "tools/list", "x/y"]), st.none() | IDS)


def call(id_=1, method="tools/call", **meta):
    return Request(id_, method, {"_meta": meta} if meta else {})


@given(place=st.sampled_from(Place), asked=st.lists(ASKED, max_size=3), batch=st.booleans(), era=st.sampled_from(Era))
def test_a_question_is_the_same_after_a_journey_as_json(place, asked, batch, era):
    one = Question(era, "2025-06-18", place, tuple(asked), batch)
    assert Question.from_json(era, "2025-06-18", json.loads(json.dumps(one.to_json()))) == one


def test_requests_are_asked_in_their_order_and_nothing_else_is():
    messages = [call("b"), Notification("notifications/initialized", {}), Response(7, {}, None), call(2, "ping")]
    one = question.of_post(Era.LEGACY, "2025-03-26", messages, batch=True)
    assert one.asked == (Asked("b", "tools/call"), Asked(2, "ping"))
    assert (one.place, one.only, one.takes_batches) == (Place.POST, None, True)
    assert question.of_post(Era.LEGACY, "2025-06-18", messages[1:2], batch=False).asked == ()


@pytest.mark.parametrize(
    ("era", "method", "place"),
    [
        (Era.MODERN, "subscriptions/listen", Place.LISTEN),
        (Era.MODERN, "tools/list", Place.POST),
        (Era.LEGACY, "subscriptions/listen", Place.POST),
    ],
)
def test_only_the_modern_era_listens_where_it_asks(era, method, place):
    one = question.of_post(era, "", [call(method=method)], batch=False)
    assert (one.place, one.only, one.takes_batches) == (place, Asked(1, method), False)


@pytest.mark.parametrize(
    ("given", "token"),
    [
        ("t", "t"), ("", ""), (0, 0), (7, 7), (7.0, 7), ("x" * 256, "x" * 256),
        ("x" * 257, None), (7.5, None), (True, None), (None, None), (["t"], None), ({"t": 1}, None),
    ],
)  # fmt: skip
def test_a_progress_token_is_a_short_text_or_a_whole_number(given, token):
    (asked,) = question.of_post(Era.LEGACY, "", [call(progressToken=given)], batch=False).asked
    assert (asked.token, type(asked.token)) == (token, type(token))


@pytest.mark.parametrize("meta", [None, [], "progressToken", 7])
def test_meta_that_is_no_object_gives_no_token(meta):
    (asked,) = question.of_post(Era.LEGACY, "", [Request(1, "tools/call", {"_meta": meta})], batch=False).asked
    assert asked.token is None


@pytest.mark.requirement("ANS-003")
@pytest.mark.parametrize(
    ("one", "open_", "resumable"),
    [
        (question.of_get("", resumes=False), True, True),
        (question.of_get("", resumes=True), True, True),
        (question.of_post(Era.LEGACY, "", [call()], batch=False), False, True),
        (question.of_post(Era.MODERN, "", [call()], batch=False), False, False),
        (question.of_post(Era.MODERN, "", [call(method="subscriptions/listen")], batch=False), True, True),
        (question.of_post(Era.LEGACY, "", [], batch=False), True, True),
    ],
)
def test_a_stream_ends_without_its_answer_only_where_an_agent_may_come_back(one, open_, resumable):
    assert (one.may_end_open(resumable=False), one.may_end_open(resumable=True)) == (open_, resumable)


@pytest.mark.parametrize(("resumes", "place"), [(False, Place.GET), (True, Place.REPLAY)])
def test_what_a_resumed_stream_brings_is_known_to_nobody(resumes, place):
    one = question.of_get("2025-11-25", resumes=resumes)
    assert (one.place, one.is_unknown, one.takes_batches, one.asked) == (place, resumes, resumes, ())
