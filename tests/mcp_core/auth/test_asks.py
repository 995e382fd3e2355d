"""Questions and answers of one socket: who has no key learns nothing and says nothing."""

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_core.auth.asks import SECONDS, Ask, Asks

NOW = 1_800_000_000
KEY, NEW = b"k" * 32, b"n" * 32
ONE = b"1" * 12
TWO = b"2" * 12
ASKED = {"ask": Ask.INTROSPECT, "token": "secret-token"}


def asks(*ring):
    return Asks(ring or (KEY,), AESGCM, InvalidTag)


@pytest.mark.requirement("AUTH-101")
def test_a_question_and_its_answer_are_read_by_who_shares_a_key_whichever_is_first():
    guard, sidecar = asks(KEY), asks(NEW, KEY)
    text = guard.question(ASKED, ONE, now=NOW)
    assert b"secret-token" not in text
    values, asked = sidecar.read_question(text, now=NOW + SECONDS)
    assert (values["token"], asked) == ("secret-token", ONE)
    answer = asks(KEY).answer({"state": "said"}, asked, TWO)
    assert guard.read_answer(answer, ONE) == {"state": "said"}


@pytest.mark.requirement("AUTH-101")
def test_what_is_old_forged_cut_or_anothers_is_nothing():
    text = asks().question(ASKED, ONE, now=NOW)
    answer = asks().answer({"state": "said"}, ONE, TWO)
    assert asks().read_question(text, now=NOW + SECONDS + 1) is None
    for bad in (b"", b"\1", text[:-1], text + b"x", b"\2" + text[1:], answer, asks(NEW).question(ASKED, ONE, now=NOW)):
        assert asks().read_question(bad, now=NOW) is None
    for bad in (b"", b"\1", answer[:-1], b"\2" + answer[1:], text, asks(NEW).answer({"state": "said"}, ONE, TWO)):
        assert asks().read_answer(bad, ONE) is None
    # The answer to another question.
    assert asks().read_answer(answer, TWO) is None
