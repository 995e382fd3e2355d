"""What a long text is told by before its words are made: it may name words that are not there, and misses none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_core.scan import text as texts
from mcp_core.scan.combinations import COMBINATIONS
from mcp_core.scan.config import ScanConfig
from mcp_core.scan.engine import Engine
from mcp_core.scan.rule import BLOCK, Pattern, ScanRule
from mcp_core.scan.rules import RULES
from mcp_core.scan.text import FIELD, SENSITIVE_PATH, Reading

from scan_cases import HONEST, STEERING  # isort: skip

TEXTS = [
    *(text for group in STEERING.values() for text in group),
    *HONEST,
    *(text for rule in RULES for text in (*rule.steers, *rule.passes)),
]
WEIGHS = {one.id for one in (*RULES, *COMBINATIONS) if ScanConfig().severity(one) is not None}
PIECES = st.sampled_from(
    [
        *("ignore", "don't", "it`s", "soc2", "c2", "12", "3", "x", "_", "é", "忽略", "\x00", "\n", ". ", "'", "`", "@"),
        *("http://", "a.com", "@b.org", "/.ssh", "~/keys", "/etc/shadow", "a_b_c_d_e", "readFile", "-", "/", "\u2014"),
        *("system:", "token", "=", '"', "\ud800", " ", " ", "tools", "\u200b", "b" * 80),
    ]
)


@pytest.fixture(scope="module")
def engine():
    return Engine([one for one in RULES if one.scope != "result"], COMBINATIONS, WEIGHS)


@pytest.fixture
def all_are_long(monkeypatch):
    """Have every text gathered first, as long ones are."""
    monkeypatch.setattr(texts, "LONG", -1)


@pytest.mark.requirement("SCAN-403")
@pytest.mark.parametrize("weak", [False, True])
def test_what_is_gathered_first_changes_nothing(engine, monkeypatch, weak):
    plain = [engine.hits(Reading((text,)), weak=weak) for text in TEXTS]
    monkeypatch.setattr(texts, "LONG", -1)
    gathered = [engine.hits(Reading((text,)), weak=weak) for text in TEXTS]

    def reported(found):
        return [[hit for hit in hits if weak or hit.rule.id in WEIGHS] for hits in found]

    assert any(plain)
    assert reported(plain) == reported(gathered)


@pytest.mark.requirement("SCAN-403")
@pytest.mark.usefixtures("all_are_long")
@given(st.lists(st.lists(PIECES, max_size=12).map("".join), min_size=1, max_size=3))
def test_no_word_is_missing_from_the_vocabulary(fields):
    reading = Reading(tuple(fields))
    assert reading.is_long
    assert {re.sub("[0-9]", "", word) for word in reading.unique} - {""} <= reading.vocabulary | {".", FIELD}


@pytest.mark.requirement("SCAN-403")
@given(st.lists(st.lists(PIECES, max_size=12).map("".join), min_size=1, max_size=3))
def test_words_without_sentences_are_those_of_the_sentences(fields):
    reading = Reading(tuple(fields))
    assert reading.unique - {".", FIELD} == set(reading.words.split()) - {".", FIELD}


@pytest.mark.requirement("SCAN-403")
@pytest.mark.usefixtures("all_are_long")
def test_every_sensitive_path_is_told_by_its_letters():
    names = re.search(r"\|\.\?\(\?:|\\\.\?\(\?:", SENSITIVE_PATH.pattern)
    assert names is not None
    listed = SENSITIVE_PATH.pattern[names.end() :].partition(")")[0].replace("?", "").replace("\\", "").split("|")
    assert {"ssh", "login data", "cookies.sqlite"} <= set(listed)
    others = [
        "~/some/private.token",
        "$home/my-key",
        "%userprofile%\\cred.txt",
        "/etc/x/passwords",
        "mcp.json",
        "/proc/1/",
    ]
    for path in (*(f"cat ~/.{name} x" for name in listed), *others):
        assert " xsensitive " in Reading((path,)).words, path
        assert "xsensitive" in Reading((path,)).vocabulary, path


@pytest.mark.requirement("SCAN-403")
@pytest.mark.usefixtures("all_are_long")
@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("agent 007 reports", "Say: agent 007 reports at dawn."),
        ("ab12cd* now", "Do ab12cdef now."),
        ("route66", "On route66, x."),
    ],
)
def test_a_phrase_with_digits_is_found_in_a_long_text(phrase, text):
    rule = ScanRule("own.digits", BLOCK, "It holds what operators look for.", phrases=(phrase,))
    assert [hit.rule for hit in Engine([rule], (), {rule.id}).hits(Reading((text,)), weak=False)] == [rule]


@pytest.mark.requirement("SCAN-403")
@pytest.mark.usefixtures("all_are_long")
def test_the_gate_of_an_expression_is_held_to_the_words_themselves():
    rule = ScanRule("own.gate", BLOCK, "It holds what operators look for.", patterns=(Pattern("=1", gate="cat"),))
    engine = Engine([rule], (), {rule.id})
    assert engine.hits(Reading(("cat5 =1",)), weak=False) == []
    assert [hit.rule for hit in engine.hits(Reading(("cat =1",)), weak=False)] == [rule]
