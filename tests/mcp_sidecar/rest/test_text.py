"""The text of a description: JSON or YAML, within bounds, and meaning what YAML 1.2 says."""

import pytest

from mcp_core.rest.document import OpenApiError
from mcp_sidecar.rest.text import MOST_BYTES, values_of


@pytest.mark.requirement("REST-001")
def test_words_of_yaml_mean_what_every_reader_takes_them_for():
    read = values_of(
        b"200: {a: no, b: 2026-01-01, c: 1.0, d: 7, e: true, f: null, g: '7', h: [~, 1e3, 1e999, .inf]}\nnull: x\n"
    )
    things = {
        "a": "no",
        "b": "2026-01-01",
        "c": 1.0,
        "d": 7,
        "e": True,
        "f": None,
        "g": "7",
        "h": [None, 1000.0, "1e999", ".inf"],
    }
    assert read == {"200": things, "null": "x"}
    assert values_of(b'{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}


@pytest.mark.requirement("REST-001")
@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"a: &x 1\nb: *x", "an anchor or an alias in line 1"),
        (b"a: &a [*a]", "an anchor or an alias in line 1"),
        (b"a: " + b"[" * 100_000, "deeper"),
        (b"- " * 50_000, "deeper"),
        (b"[" * 100_000, "no strict JSON"),
        (b'{"a": 1, "a": 2}', "no strict JSON"),
        (b"a: 1\na: 2", "the key 'a' twice, again in line 2"),
        (b"a: 1\n---\nb: 2", "a second document in line 2"),
        (b"? [a]\n: 1", "for a key in line 1"),
        (b"a: {b", "no YAML"),
        (b"a: \x01", "no YAML"),
        (b"\xff\xfe", "not UTF-8"),
        (b" " * (MOST_BYTES + 1), "more than 32 MiB"),
    ],
)
def test_what_cannot_be_read_within_bounds_is_refused(raw, said):
    with pytest.raises(OpenApiError, match=said):
        values_of(raw)
