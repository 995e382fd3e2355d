"""The estimate of tokens, beside what a real tokenizer (o200k_base) counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_core.token_count import text_tokens, tokens

WEATHER = {
    "name": "get_weather",
    "description": "Say how warm it is in a city, in degrees Celsius.",
    "inputSchema": {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "Name of the city"}},
        "required": ["city"],
    },
}


@pytest.mark.requirement("FIND-007")
def test_an_item_is_counted_within_a_tenth_of_a_real_tokenizer():
    assert tokens([WEATHER]) == pytest.approx(49, rel=0.1)
    assert tokens([WEATHER] * 10) == 10 * tokens([WEATHER])


@pytest.mark.requirement("FIND-007")
@pytest.mark.parametrize(
    ("text", "counted"),
    [("Read a file from the disk.", 7), ("createIssueComment", 3), ("天気予報を調べる", 8), ("", 0)],
)
def test_texts_are_counted_as_a_real_tokenizer_would_about(text, counted):
    assert text_tokens(text) == pytest.approx(counted, abs=2)


@pytest.mark.requirement("FIND-007")
@pytest.mark.parametrize("sign", ["a", "A", "7", "{", "\u200b", "天", "\U0001f600"])
def test_no_sign_is_so_cheap_that_a_long_text_of_it_fits_a_small_budget(sign):
    assert text_tokens(sign * 30_000) >= 8_000


@given(st.text())
def test_any_text_has_a_count(text):
    assert (text_tokens(text) > 0) or not text.strip()
