"""A verdict is used again where nothing differs that the guard looked at, for a second, and while its files stand."""

import json
import os

import pytest

from mcp_answers.again_hand import AgainHand
from mcp_core.sealed_file import SealedFormat, sign_of

HEAD = '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"good","arguments":'
BODY = f'{HEAD}{{"text":"x"}}}}}}'.encode()
OTHER = f'{HEAD.replace("7", "8")}{{"text":"y","more":[1]}}}}}}'.encode()
FILE = SealedFormat(b"KMH1", "a purpose", 1, frozenset({"format"}))


def question(again="", id_=7, **more):
    return json.dumps(
        {"format": "1", "upstream": "u", **more, "again": again, "id": id_}, separators=(",", ":")
    ).encode()


def kept(again="", **told):
    """Return a hand that was given the same verdict twice."""
    hand = AgainHand()
    for _ in range(2):
        hand.keep(BODY, question(again), **told)
    return hand


@pytest.mark.requirement("FAST-010")
def test_another_id_and_other_arguments_get_the_question_of_the_verdict_with_their_own_id():
    hand = kept()
    assert hand.question(OTHER) == json.loads(question(id_=8))
    assert hand.question(OTHER.replace(b'"id":8', b'"id":"a b"')) == json.loads(question(id_="a b"))
    assert hand.question(OTHER) == json.loads(question(id_=8)), "one question is not another's"


@pytest.mark.requirement("FAST-010")
def test_what_is_asked_once_is_not_kept():
    hand = AgainHand()
    hand.keep(BODY, question())
    assert hand.question(BODY) is None
    hand.keep(BODY, question())
    assert hand.question(BODY)


@pytest.mark.requirement("FAST-010")
@pytest.mark.parametrize(
    "asked",
    [
        {"headers": b'{"a":"b"}'},
        {"told": b"POST\0/other"},
        {"body": BODY.replace(b"good", b"fine")},
        {"body": BODY.replace(b"tools/call", b"tools/CALL")},
        {"body": BODY.replace(b'"name"', b'"_meta":{},"name"')},
        {"body": BODY + b" "},
        {"body": BODY[:-1]},
    ],
    ids=str,
)
def test_whatever_differs_in_anything_else_is_asked(asked):
    hand = kept()
    assert hand.question(BODY)
    assert hand.question(**{"body": BODY, **asked}) is None


@pytest.mark.requirement("FAST-010")
def test_each_configuration_of_the_guard_has_its_own_verdicts():
    hand = kept()
    assert hand.question(BODY, configuration=hand.another()) is None


@pytest.mark.requirement("FAST-010")
def test_a_verdict_lives_for_a_second_and_not_while_a_clock_goes_back():
    hand = kept()
    for later, found in ((0, True), (0.99, True), (1, False), (60, False), (-0.01, False)):
        hand.now = 1000.0 + later
        assert (hand.question(BODY) is not None) is found


@pytest.mark.requirement("FAST-010")
def test_no_verdict_rises_again_when_a_clock_that_went_back_has_come_there():
    hand = kept()
    hand.now -= 3600
    assert hand.question(BODY) is None
    hand.now += 3600.5
    assert hand.question(BODY) is None


@pytest.mark.requirement("FAST-010")
def test_what_was_seen_two_seconds_ago_is_as_if_it_never_was():
    hand = AgainHand()
    for later, found in ((0, False), (1.5, True), (4, False), (4.5, True)):
        hand.now = 1000.0 + later
        hand.keep(BODY, question())
        assert (hand.question(BODY) is not None) is found


@pytest.mark.requirement("FAST-010")
@pytest.mark.parametrize(
    "said",
    [
        None,
        question().replace(b"again", b"once"),
        question(id_=70),
        question() + b"}",
        question().replace(b'"again":""', b'"again":1'),
        question("s=-"),
        question("x=-;"),
    ],
    ids=str,
)
def test_a_question_that_is_not_for_that_is_for_one_call(said):
    hand = AgainHand()
    for _ in range(3):
        hand.keep(BODY, said)
    assert hand.question(BODY) is None


@pytest.mark.requirement("FAST-011")
def test_a_verdict_stands_as_long_as_the_file_does_that_it_was_made_by(tmp_path):
    path = tmp_path / "health"
    first, second = (FILE.seal(packed, [os.urandom(32)]) for packed in (b"\x80", b"\x81"))
    path.write_bytes(first)
    hand = kept(f"h={sign_of(first)};")
    assert hand.question(BODY) is None, "nobody here knows the path"
    hand.environment[b"KONG_MCP_HEALTH"] = str(path).encode()
    hand.now += 0.03
    assert hand.question(BODY)
    path.write_bytes(second)
    assert hand.question(BODY), "it was looked at in this moment"
    hand.now += 0.03
    assert hand.question(BODY) is None
    path.write_bytes(first[:11])
    hand.now += 0.03
    assert hand.question(BODY) is None
    path.write_bytes(first)
    hand.now += 0.03
    assert hand.question(BODY)
    path.unlink()
    hand.now += 0.03
    assert hand.question(BODY) is None


@pytest.mark.requirement("FAST-011")
def test_a_file_that_was_not_there_must_not_come(tmp_path):
    path = tmp_path / "health"
    hand = kept("h=-;")
    hand.environment[b"KONG_MCP_HEALTH"] = str(path).encode()
    assert hand.question(BODY)
    path.write_bytes(FILE.seal(b"\x80", [os.urandom(32)]))
    hand.now += 0.03
    assert hand.question(BODY) is None
    # What is no file of ours, or cannot be looked at, is not the same as none.
    hand.environment[b"KONG_MCP_HEALTH"] = str(path / "below").encode()
    hand.now += 0.03
    assert hand.question(BODY) is None


@pytest.mark.requirement("FAST-010")
def test_messages_of_one_caller_stand_beside_each_other_and_what_is_kept_has_an_end():
    hand = AgainHand()
    bodies = [BODY.replace(b"good", b"good%d" % number) for number in range(5)]
    for body in [bodies[0], *bodies]:
        hand.keep(body, question())
    assert [hand.question(body) is not None for body in bodies] == [False, True, True, True, True]
    hand.now += 0.5
    hand.keep(bodies[4], question())
    hand.now += 0.9
    assert [hand.question(body) is not None for body in bodies] == [False, False, False, False, True]
    hand = kept()
    for number in range(501):
        assert hand.question(BODY) is not None or number == 500
        hand.keep(BODY, question(), headers=b'{"n":"%d"}' % number)
    assert hand.question(BODY) is None


@pytest.mark.requirement("FAST-010")
def test_a_message_that_is_long_around_its_arguments_is_asked_each_time():
    hand, long = AgainHand(), BODY.replace(b'"name"', b'"_meta":{"a":"%b"},"name"' % (b"x" * 5000))
    for _ in range(3):
        hand.keep(long, question())
    assert hand.question(long) is None
    assert kept().question(BODY.replace(b'"x"', b'"%b"' % (b"x" * 16_000)))
    assert not kept().question(BODY.replace(b'"x"', b'"%b"' % (b"x" * 17_000)))


@pytest.mark.requirement("FAST-010")
def test_arguments_of_many_values_are_asked_as_nginx_must_not_read_for_long():
    hand = kept()
    for values, found in ((255, True), (256, False), (8_000, False)):
        assert (hand.question(BODY.replace(b'"x"', b"[%b]" % b",".join([b"1"] * values))) is not None) is found
