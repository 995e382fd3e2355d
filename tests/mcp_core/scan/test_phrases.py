"""The language of phrases, and the subset of regular expressions: small enough that nothing can blow up."""

from __future__ import annotations

import re

import pytest

from mcp_core.scan.linear import LONGEST, LinearError, check_linear
from mcp_core.scan.phrases import PhraseError, compile_phrase


def matches(phrase, words):
    return re.search("(?<= )" + compile_phrase(phrase).pattern, f" {words} ") is not None


@pytest.mark.parametrize(
    ("phrase", "words", "expected"),
    [
        ("send money", "send money", True),
        ("send money", "send the money", False),
        ("send ~1 money", "send the money", True),
        ("send ~1 money", "send all the money", False),
        ("send ~3 money", "send . money", False),
        ("send|wire money", "wire money", True),
        ("transf* money", "transferring money", True),
        ("send the? money", "send money", True),
        ("send TOKEN", "send api key", True),
        ("call NAME", "call read_file", True),
        ("call NAME", "call readfile", False),
        ("end", "send", False),
    ],
)
def test_phrases_match_words_in_one_sentence(phrase, words, expected):
    assert matches(phrase, words) is expected


@pytest.mark.parametrize(
    "phrase", ["", "~2", "Send", "a  b", "~99 x", "~0 x", "no*", "(a)", "a? b?", "x+", " ".join("abcdefghijklmnopq")]
)
def test_what_is_no_phrase_is_refused(phrase):
    with pytest.raises(PhraseError):
        compile_phrase(phrase)


@pytest.mark.requirement("SCAN-012")
@pytest.mark.parametrize(
    "text",
    ["abc", r"\bacme-\d{4,8}\b", "(?:a|b){2}c", "[^a-z]{1,64}x", "a?b", r"x\.y", "(ab|cd)e", r"\x41{3}", "[]a]b"],
)
def test_bounded_expressions_are_taken(text):
    re.compile(check_linear(text))


@pytest.mark.requirement("SCAN-012")
@pytest.mark.parametrize(
    "text",
    [
        7,
        "",
        "x" * (LONGEST + 1),
        "a*",
        "a+",
        "a{2,}",
        "a{,3}b",
        "(a{1,9}){1,9}",
        "(?:a?){30}b",
        r"(a)\1",
        "(?=a)b",
        "(?<=a)b",
        "(?P<n>a)",
        "(?i)a",
        "a{1,99}",
        "a{9,2}",
        "(a",
        "a)",
        "[a",
        "a?",
        "(?:)",
        "a{1,60}b{1,60}",
        "(" * 20 + "a" + ")" * 20,
        "\\",
    ],
)
def test_expressions_that_could_blow_up_are_refused(text):
    with pytest.raises(LinearError):
        check_linear(text)


@pytest.mark.requirement("SCAN-012")
def test_the_worst_expression_of_the_subset_ends():
    pattern = re.compile(check_linear("[a-z]{1,40}[a-z]{1,40}[0-9]"))
    assert pattern.search("a" * 20_000) is None
