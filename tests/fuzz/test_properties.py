"""Answers and streams that nobody chose, beside what clients would read of them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.oracles import Pairs, write
from fuzz.readers import check_answer, check_stream

NAMES = st.sampled_from(["okay", "ok:/a", "hidden", "no:/a", "ok\u2028", "\u00e9"])
KEYS = st.sampled_from(
    [
        *(
            "result",
            "tools",
            "prompts",
            "resources",
            "resourceTemplates",
            "name",
            "uri",
            "uriTemplate",
            "method",
            "params",
        ),
        *("Tools", "NAME", "ur\u0131", "resource_templates", "__proto__", "_meta", "cacheScope", "structuredContent"),
    ]
)
ITEMS = st.builds(
    lambda named, name, more: Pairs([(named, name), ("inputSchema", Pairs([("type", "object")])), *more]),
    st.sampled_from(["name", "uri", "uriTemplate"]),
    NAMES,
    st.lists(st.tuples(KEYS, NAMES), max_size=1),
)
VALUES = st.recursive(
    NAMES | st.none() | st.integers() | ITEMS,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(KEYS, inner), max_size=3).map(Pairs),
    max_leaves=8,
)
RESULTS = st.builds(
    lambda key, items, more: Pairs([(key, items), *more]),
    KEYS,
    st.lists(ITEMS, max_size=4),
    st.lists(st.tuples(KEYS, VALUES), max_size=2),
)
MESSAGES = st.builds(
    lambda result, more: Pairs([("jsonrpc", "2.0"), ("id", 1), ("result", result), *more]),
    RESULTS | VALUES,
    st.lists(st.tuples(KEYS, VALUES), max_size=1),
) | NAMES.map(
    lambda uri: Pairs(
        [("jsonrpc", "2.0"), ("method", "notifications/resources/updated"), ("params", Pairs([("uri", uri)]))]
    )
)
TEXTS = st.builds(
    lambda value, indent, ascii_: write(value, indent, ascii_=ascii_),
    MESSAGES | st.lists(MESSAGES, min_size=1, max_size=3),
    st.sampled_from(["", "\n", "\r\n "]),
    st.booleans(),
)
FIELDS = st.sampled_from(
    ["event: message", "event: endpoint", "id: 1", "id: \x85", "retry: 1", ": note", "data", "\ufeff"]
)
ENDS = st.sampled_from(["\n", "\r", "\r\n", "\u2028", "\x85", "\x1e"])


@pytest.mark.requirement("FUZZ-002")
@pytest.mark.requirement("SURF-001")
@given(TEXTS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_client_reads_a_hidden_item_out_of_an_answer(text):
    check_answer(text.encode())


@pytest.mark.requirement("FUZZ-002")
@pytest.mark.requirement("SSE-005")
@given(st.lists(st.tuples(FIELDS | TEXTS.map(lambda text: f"data: {text}"), ENDS, ENDS | st.just("")), max_size=4))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_client_reads_a_hidden_item_out_of_a_stream(lines):
    check_stream("".join(line + end + more for line, end, more in lines).encode())
