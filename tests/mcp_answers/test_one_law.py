"""spec/answers.json through both hands: the Lua of the call lane and the Python of the inspect lane."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_answers.hand import CASES, LuaHand
from mcp_answers.python_hand import python_judges, python_streams
from mcp_core.methods import SERVER_METHODS

TEXTS = {case["name"]: case for case in CASES["texts"]}
STREAMS = {case["name"]: case for case in CASES["streams"]}
LUA = LuaHand()


@pytest.mark.requirement("ANS-001")
@pytest.mark.parametrize("name", TEXTS)
def test_lua_judges_a_text_as_the_law_has_it(name):
    case = TEXTS[name]
    verdict, said = LUA.judge(case["question"], case["text"].encode())
    assert verdict == case["verdict"]
    if verdict == "answer":
        assert said.decode() == case.get("out", case["text"])


@pytest.mark.requirement("ANS-001")
@pytest.mark.parametrize("name", TEXTS)
def test_python_judges_a_text_as_the_law_has_it(name):
    case = TEXTS[name]
    verdict, passed = python_judges(case["question"], case["text"].encode())
    assert verdict == case["verdict"]
    if verdict == "answer" and "out" in case:
        assert json.loads(passed) == json.loads(case["out"])


@pytest.mark.requirement("ANS-001")
@pytest.mark.parametrize("name", [name for name, case in TEXTS.items() if case["verdict"] == "fail"])
def test_both_hands_give_the_same_reason(name):
    case = TEXTS[name]
    lua, python = (judges(case["question"], case["text"].encode())[1] for judges in (LUA.judge, python_judges))
    # What no JSON reader can read, Python says of the whole.
    assert python in (lua.decode(), "a text that is not one JSON message")


@pytest.mark.requirement("ANS-001")
@pytest.mark.parametrize("name", STREAMS)
def test_both_hands_pass_the_same_of_a_stream(name):
    case = STREAMS[name]
    chunks = [chunk.encode() for chunk in case["chunks"]]
    assert LUA.stream(case["question"], chunks)[0].decode() == case["out"]
    assert python_streams(case["question"], chunks).decode() == case["out"]


@pytest.mark.requirement("ANS-002")
@pytest.mark.parametrize("name", STREAMS)
def test_it_makes_no_difference_where_the_network_splits_a_stream(name):
    case = STREAMS[name]
    whole = "".join(case["chunks"]).encode()
    bytes_ = [whole[at : at + 1] for at in range(len(whole))]
    assert LUA.stream(case["question"], bytes_)[0].decode() == case["out"]
    dice = random.Random(name)
    for _ in range(20):
        cuts = sorted(dice.sample(range(len(whole) + 1), min(3, len(whole) + 1)))
        pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        assert LUA.stream(case["question"], pieces)[0].decode() == case["out"]


@pytest.mark.requirement("ANS-002")
@pytest.mark.parametrize("name", TEXTS)
def test_it_makes_no_difference_where_the_network_splits_a_body(name):
    case = TEXTS[name]
    text = case["text"].encode()
    whole = LUA.body(case["question"], [text])
    assert (
        LUA.body(case["question"], [text[at : at + 1] for at in range(min(len(text), 5000))] + [text[5000:]]) == whole
    )
    answered = case["verdict"] == "answer"
    assert (b"withheld" not in whole) is answered


def large(rest, times=1, id_=1):
    items = b",".join([b'{"type":"text","text":"%s"}' % (b"x" * 20_000)] * 40)
    text = b'{"jsonrpc":"2.0","result":{"content":[%s]},"id":%d}%s' % (items, id_, rest * times)
    return [text[at : at + 32_768] for at in range(0, len(text), 32_768)]


@pytest.mark.requirement("ANS-007")
@pytest.mark.parametrize("rest", [b"", b" \n"])
def test_lua_passes_a_large_body_on_as_it_comes_and_holds_its_end(rest):
    pieces = large(rest, 100_000 if rest else 1)
    assert LUA.pieces_of_body(QUESTION, pieces) == (b"".join(pieces), True)
    assert not LUA.pieces_of_body(QUESTION, pieces[:20])[1]
    passed, whole = LUA.pieces_of_body(QUESTION, large(rest, 1, id_=2))
    assert not whole
    with pytest.raises(json.JSONDecodeError):
        json.loads(passed)


@pytest.mark.requirement("ANS-007")
@pytest.mark.parametrize(
    "behind", [b'{"jsonrpc":"2.0","id":1,"result":{}}', b"]", b"x", b'"', b"," * 300_000, b"[" * 300_000]
)
def test_no_large_body_is_whole_before_it_is_judged(behind):
    passed, whole = LUA.pieces_of_body(QUESTION, large(behind))
    assert not whole
    with pytest.raises(json.JSONDecodeError):
        json.loads(passed)


QUESTION = {"era": "legacy", "version": "2025-06-18", "id": 1, "method": "tools/call"}
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{}}'


@pytest.mark.requirement("ANS-007")
@pytest.mark.parametrize(
    ("noise", "times"), [(b"data: 1\n\n", 1002), (b":\n", 8_100), (b"event: x\ndata: {}\n\n", 1002)]
)
def test_lua_reads_only_so_much_noise_of_a_stream_at_once(noise, times):
    passed, failed = LUA.stream(QUESTION, [noise * times, b"data: " + ANSWER + b"\n\n"])
    assert b"so much at once" in failed
    assert passed.count(b'"error"') == 1
    assert ANSWER not in passed
    passed, failed = LUA.stream(QUESTION, [noise * (times // 4), b"data: " + ANSWER + b"\n\n"])
    assert failed is None
    assert ANSWER in passed


def test_the_hands_know_the_same_messages_of_servers():
    for name, known in SERVER_METHODS.items():
        message = {"jsonrpc": "2.0", "method": name, "params": {"progressToken": "t", "uri": "a:b"}}
        message |= {"id": 1} if known.request else {}
        for era, version in (("legacy", "2025-06-18"), ("modern", "2026-07-28")):
            asked = {"era": era, "version": version, "id": 7, "method": "tools/call", "token": "t"}
            text = json.dumps(message).encode()
            assert LUA.judge(asked, text)[0] == python_judges(asked, text)[0], (name, era)


PIECES = [
    *(
        '"jsonrpc"',
        '"2.0"',
        '"id"',
        "7",
        "8",
        '"7"',
        "7.0",
        '"result"',
        '"error"',
        '"method"',
        '"params"',
        "null",
        "{}",
    ),
    *("{", "}", "[", "]", ",", ":", '"', "\\", " ", "\n", "\r", "data: ", "id: 1\n", "event: x\n", "\n\n", "NaN", "é"),
    *('{"jsonrpc":"2.0","id":7,"result":{}}', '{"jsonrpc":"2.0","id":8,"result":{"tools":[]}}', '"tools"', '"ping"'),
]


def lenient(text):
    """Return the ids that a lax reader would take responses to, in one text."""
    try:
        value = json.loads(text)
    except ValueError:
        return []
    found = value if isinstance(value, list) else [value]
    return [one.get("id") for one in found if isinstance(one, dict) and ("result" in one or "error" in one)]


@pytest.mark.requirement("ANS-001")
@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join))
def test_no_text_that_a_client_takes_for_another_answer_passes(text):
    asked = TEXTS["the answer"]["question"]
    verdict, said = LUA.judge(asked, text.encode())
    if verdict in ("pass", "answer"):
        ids = lenient((said or text.encode()).decode() if verdict == "answer" else text)
        assert all(one == 7 and not isinstance(one, bool) for one in ids)
    mine, _ = python_judges(asked, text.encode())
    # The Python hand may refuse what no reader can read.
    assert mine == verdict or (mine == "fail" and lenient(text) == [])


@pytest.mark.requirement("ANS-002")
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.integers(0, 40))
def test_no_event_that_a_client_takes_for_another_answer_passes(text, cut):
    asked = TEXTS["the answer"]["question"]
    data = text.encode()
    out, _ = LUA.stream(asked, [data])
    pieces, _ = LUA.stream(asked, [data[:cut], data[cut:]])
    # Comments in a row are one where they come together.
    assert pieces.replace(b":\n\n", b"") == out.replace(b":\n\n", b"")
    answers = []
    for event in out.decode().split("\n\n"):
        lines = [line[5:].removeprefix(" ") for line in event.split("\n") if line.startswith("data:")]
        answers += lenient("\n".join(lines))
    assert answers in ([], [7])


@pytest.mark.requirement("FAST-006")
def test_what_is_remembered_of_one_answer_says_nothing_of_another():
    """Keys are judged once and remembered, and what an answer was read with is used again: neither is another one's."""
    lua = LuaHand()
    asked = {"id": 1, "method": "tools/call", "era": "modern", "kinds": []}

    def answer(result, id_=1):
        return json.dumps({"jsonrpc": "2.0", "id": id_, "result": result}).encode()

    good, ours, theirs = {"content": []}, {"messages": []}, {"conten\u0442": []}
    prompt = asked | {"method": "prompts/get"}
    for _ in range(3):
        assert lua.body(asked, [answer(good)]) == answer(good)
        assert lua.body(prompt, [answer(ours)]) == answer(ours)
        for question, said in ((asked, answer(ours)), (asked, answer(theirs)), (asked, answer(good, 2)), (asked, b"{")):
            assert b"withheld" in lua.body(question, [said])
        # Far more keys than are remembered, and each time another one that is another method's.
        many = {f"key{number}": 0 for number in range(900)}
        assert lua.body(asked, [answer(many)]) == answer(many)
        for name in ("tools", "Too_ls", "RESOURCE-templates", "capabilities"):
            assert b"withheld" in lua.body(asked, [answer({**{f"k{name}{n}": 0 for n in range(900)}, name: []})])
