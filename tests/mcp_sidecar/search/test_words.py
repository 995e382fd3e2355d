"""How texts become words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_sidecar.search.words import clauses, split, stem, terms


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
    assert len({stem(form) for form in forms}) == 1


@pytest.mark.parametrize(
    "pair", [("string", "strong"), ("process", "procession"), ("status", "state"), ("does", "dose")]
)
def test_words_that_only_end_alike_stay_apart_or_whole(pair):
    assert stem(pair[0]) != stem(pair[1])


def test_scripts_without_spaces_are_taken_by_pairs():
    assert terms("天気予報") == ["天気", "気予", "予報"]


@given(st.text())
def test_any_text_has_words(text):
    assert all(term for term in terms(text))


@pytest.mark.requirement("FIND-301")
@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("find a file and  then\tsend it", ["find a file", "then send it"]),
        ("find a file ,\u00a0also\nsend mail. Read notes", ["find a file", "send mail", "Read notes"]),
        ("find sand; read  notes", ["find sand", "read notes"]),
    ],
)
def test_a_query_is_divided_however_its_blanks_are_written(query, parts):
    assert [clause.strip() for clause in clauses(query)] == parts


@pytest.mark.requirement("FIND-301")
@pytest.mark.parametrize("blank", [" ", "\t", " \n", ", ", "\u3000"])
def test_however_long_a_run_of_blanks_is_it_is_read_once(blank):
    """Read once from each of its places, this many would take the time of hours."""
    assert len(clauses("a file" + blank * 500_000 + "x")) in (1, 2)
