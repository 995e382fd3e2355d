from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_core.pins.templates import Template

CASES = [
    ("note://all", "note://all", True),
    ("note://all", "note://al", False),
    ("note://{id}", "note://7", True),
    ("note://{id}", "note://", True),
    ("note://{id}", "note://7/8", False),
    ("note://{id}", "note://7?all", False),
    ("note://{id}", "note:/7", False),
    ("note://{id}/text", "note://7/text", True),
    ("note://{id}/text", "note://7/8/text", False),
    ("note://{id}/text", "note://7/texts", False),
    ("note://{a}-{b}.txt", "note://x-y-z.txt", True),
    ("note://{a}-{b}.txt", "note://xyz.txt", False),
    ("note://{a}{b}", "note://xy", True),
    ("note://{a}x/{b}", "note://axx/c", True),
    ("file:///{+path}", "file:///a/b/c", True),
    ("file:///{+path}", "http:///a", False),
    ("file:///{path*}", "file:///a/b", True),
    ("file://{/path*}", "file:///a/b", True),
    ("file:///{+path}/info", "file:///a/b/info", True),
    ("file:///{+path}/info", "file:///info", False),
    ("file:///{user}/{+path}.md", "file:///ann/b/c.md", True),
    ("file:///{user}/{+path}.md", "file:///ann.md", False),
    ("file:///{+path}/{name}.md", "file:///a/b/c.md", True),
    ("file:///{+path}/{name}.md", "file:///a/b/c?.md", False),
    ("a{+x}b{y}a", "aba", True),
    ("a{+x}b{+y}c", "a anything goes c", True),
    ("aa{+x}aa", "aaa", False),
    ("find://{what}{?q,lang}", "find://x", True),
    ("find://{what}{?q,lang}", "find://x?q=a/b#c", True),
    ("find://{what}{?q,lang}", "find://x/y?q=a", False),
    ("find://x{?q}{&more}", "find://x?q=1&more=2", True),
    ("find://{broken", "find://{broken", False),
    ("find://bro}ken", "find://bro}ken", False),
    ("", "", True),
    ("{+all}", "any://thing/at?all", True),
]


@pytest.mark.requirement("PIN-006")
@pytest.mark.parametrize(("template", "uri", "stands"), CASES)
def test_a_template_stands_for_the_uris_that_servers_read_it_for(template, uri, stands):
    assert Template(template).matches(uri) is stands


NARROW = st.text(alphabet="ab.-", max_size=4)
LITERAL = st.text(alphabet="ab/.-", max_size=4)


@pytest.mark.requirement("PIN-006")
@given(st.lists(st.tuples(LITERAL, NARROW), max_size=5), LITERAL)
def test_what_a_template_of_plain_expressions_writes_it_also_reads(pairs, last):
    template = "".join(f"{literal}{{x{number}}}" for number, (literal, _) in enumerate(pairs)) + last
    uri = "".join(literal + value for literal, value in pairs) + last
    assert Template(template).matches(uri)


@pytest.mark.requirement("PIN-006")
@given(
    st.lists(st.tuples(LITERAL, NARROW), max_size=3),
    LITERAL,
    st.text(max_size=6),
    st.lists(st.tuples(NARROW, LITERAL), max_size=3),
)
def test_what_a_template_with_a_wide_expression_writes_it_also_reads(before, end, wide, after):
    template = (
        "".join(f"{literal}{{x}}" for literal, _ in before) + end + "{+w}" + "".join(f"{{x}}{one}" for _, one in after)
    )
    uri = (
        "".join(literal + value for literal, value in before)
        + end
        + wide
        + "".join(value + one for value, one in after)
    )
    assert Template(template).matches(uri)


@pytest.mark.requirement("PIN-006")
def test_a_long_uri_that_fits_almost_is_answered():
    template = Template("a://" + "{x}a" * 20 + "{y}b")
    assert not template.matches("a://" + "a" * 8000)
