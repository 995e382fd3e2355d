"""How texts become words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_sidecar.search.words import split, stem, terms


@pytest.mark.requirement("FIND-004")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("get_user_name", ["get", "user", "name"]),
        ("getUserName", ["get", "user", "name"]),
        ("get-user-name", ["get", "user", "name"]),
        ("HTTPServerURL2", ["http", "server", "url", "2"]),
        ("calcVolume.cuboid", ["calc", "volume", "cuboid"]),
        ("GrößeÄndern", ["größeändern"]),
    ],
)
def test_names_are_split_as_programmers_join_them(text, words):
    assert split(text) == words


@pytest.mark.requirement("FIND-004")
@pytest.mark.parametrize(
    "forms",
    [
        ("file", "files"),
        ("query", "queries"),
        ("plan", "planned", "planning", "plans"),
        ("create", "creates", "created", "creating"),
        ("address", "addresses"),
        ("convert", "converting", "converted"),
    ],
)
def test_forms_of_one_word_are_one(forms):
    assert len({stem(one) for one in forms}) == 1


@pytest.mark.parametrize(
    "pair", [("string", "strong"), ("process", "procession"), ("status", "state"), ("does", "dose")]
)
def test_words_that_only_end_alike_stay_apart_or_whole(pair):
    assert stem(pair[0]) != stem(pair[1])


def test_scripts_without_spaces_are_taken_by_pairs():
    assert terms("天気予報") == ["天気", "気予", "予報"]


@given(st.text())
def test_any_text_has_words(text):
    assert all(one for one in terms(text))
