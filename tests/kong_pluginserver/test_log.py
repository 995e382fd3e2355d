"""Lines of the log: each is one whole JSON document, whatever is in it and however long that would be."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kong_pluginserver import log

MOST = 4096
"""What nginx writes of one line, and what a pipe takes in one piece."""
PIECES = st.text(max_size=20)
VALUES = st.one_of(
    st.builds(lambda piece, times: piece * times, PIECES, st.integers(0, 400)),
    st.builds(lambda pieces, times: pieces * times, st.lists(PIECES, max_size=4), st.integers(0, 400)),
    st.integers(),
    st.none(),
    st.binary(max_size=50),
)
OWN = {"time", "level", "event", "pid"}


def written(level, event, **fields):
    """Return the record that is read back from standard error, and the bytes that it took."""
    reader, writer = os.pipe()
    kept = os.dup(2)
    try:
        os.dup2(writer, 2)
        log.line(level, event, **fields)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    return json.loads(data), len(data)


@pytest.mark.requirement("SRV-024")
@pytest.mark.parametrize("character", ["x", '"', "\\", "\n", "\0", "é", "𝄞", "\ud800"])
def test_a_long_value_is_cut_and_the_line_stays_json(character):
    record, size = written("error", "failed", short="kept", long=character * 9000)
    assert size <= MOST
    assert record["short"] == "kept"
    assert record["cut"] == ["long"]
    assert set(record["long"]) == {character}


@pytest.mark.requirement("SRV-024")
def test_a_long_list_is_cut_as_text_and_a_short_line_says_nothing_of_cuts():
    record, size = written("info", "serving", plugins=["a-plugin"] * 2000, workers=2)
    assert size <= MOST
    assert (record["workers"], record["cut"]) == (2, ["plugins"])
    assert record["plugins"].startswith('["a-plugin", ')
    assert "cut" not in written("info", "serving", plugins=["a-plugin"], workers=2)[0]


@pytest.mark.requirement("SRV-024")
@given(st.dictionaries(st.text("abcdefgh", min_size=1, max_size=8), VALUES, max_size=12))
def test_every_line_is_json_of_a_size_that_arrives_whole(fields):
    record, size = written("warning", "odd", **fields)
    assert size <= MOST
    assert set(record) >= OWN
    assert set(record) - {"cut"} <= OWN | set(fields)
    assert set(fields) - set(record) <= set(record.get("cut", ()))
