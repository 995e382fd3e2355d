from __future__ import annotations

import pytest

from mcp_sidecar.lane.patterns import LONGEST, compile_pattern


@pytest.mark.requirement("ARG-003")
@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"^\d{3}-[A-Z]+$", "123-ABC", True),
        (r"b", "abc", True),
        (r"^https?:\/\/[\w.-]+\/$", "https://a.b/", True),
        (r"^[a-z0-9]+(?:-[a-z0-9]+)*$", "a-b-c1", True),
        (r"^\u00e9\u{1F600}$", "\u00e9\U0001f600", True),
        (r"^\\u0041$", "\\u0041", True),
        (r"^\p{L}+$", "\u00e9\u4e2d", True),
        (r"^.$", "ab", False),
    ],
)
def test_expressions_of_schemas_mean_what_they_mean_in_ecmascript(pattern, text, expected):
    assert compile_pattern(pattern)(text) is expected


@pytest.mark.requirement("ARG-003")
@pytest.mark.parametrize("pattern", [r"^(?=.*\d)", r"(a)\1", "[", "(", "a" * (LONGEST + 1), "(?:a{1000}){1000}"])
def test_what_cannot_be_matched_in_linear_time_is_not_matched(pattern):
    assert compile_pattern(pattern) is None


@pytest.mark.requirement("ARG-003")
@pytest.mark.parametrize("pattern", [r"^(a+)+$", r"^(a|a)*$", r"(x+x+)+y", r"^([a-z]+)*\d$", r"(.*a){20}$"])
def test_no_expression_takes_long(pattern):
    assert compile_pattern(pattern)("a" * 200_000 + "!") is False
