from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcp_core.jsonrpc import Limits, NotStrictError
from mcp_core.loosejson import MAX_DEPTH, Doubled, load, sound

LIMITS = Limits()
WORDS = st.sampled_from(["a", "b", "id", "é", "\u2028", "😀", ""])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4))
PIECES = st.sampled_from(
    [*'{}[]:," \\', '"a"', '"id"', "1", "1e999", "NaN", "-Infinity", "null", "\\u", "d83d", "\\ude00", '{"a":1,"a":2}']
)
TEXTS = st.lists(PIECES | st.binary(max_size=3), max_size=20).map(
    lambda pieces: b"".join(piece.encode() if isinstance(piece, str) else piece for piece in pieces)
)


def refused(body, limits=LIMITS):
    with pytest.raises(NotStrictError) as caught:
        load(body, limits)
    return str(caught.value)


@given(VALUES, st.booleans())
def test_what_a_sound_writer_wrote_is_read_as_it_is_and_keeps_its_bytes(value, ascii_):
    body = json.dumps(value, ensure_ascii=ascii_, allow_nan=False).encode()
    read = load(b" \n" + body + b"\t\r", LIMITS)
    assert (read.value, read.text) == (value, b" \n" + body + b"\t\r")
    assert sound(read.value, MAX_DEPTH)


@given(TEXTS)
@example(b'"\\ud83d"')
@example(b'{"a":"\xff"}')
def test_any_bytes_are_refused_or_read_as_python_reads_the_text_that_goes_on(body):
    try:
        read = load(body, LIMITS)
    except NotStrictError:
        return
    text = read.text.decode()
    assert json.dumps(read.value) == json.dumps(json.loads(text, strict=False))
    # A half of a pair would be another text for every reader.
    json.dumps(read.value, ensure_ascii=False).encode()
    if not read.odd:
        assert sound(read.value, LIMITS.depth)


@given(st.lists(st.tuples(WORDS, st.integers()), max_size=8))
def test_a_key_that_stands_twice_is_marked_and_its_last_value_holds(pairs):
    body = "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in pairs) + "}"
    read, keys = load(body.encode(), LIMITS), [key for key, _ in pairs]
    twice = {key for key in keys if keys.count(key) > 1}
    assert read.value == dict(pairs)
    assert (read.value.twice if isinstance(read.value, Doubled) else frozenset()) == twice
    assert (read.odd, sound(read.value, 1)) == (bool(twice), not twice)


def test_a_mark_lies_on_the_object_that_it_is_about():
    outer = load(b'{"a":{"b":1,"b":{"c":1,"c":2}}}', LIMITS).value
    assert not isinstance(outer, Doubled)
    assert (outer["a"].twice, outer["a"]["b"].twice) == ({"b"}, {"c"})


@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}")])
def test_a_text_is_as_deep_as_clients_read_it(opens, closes):
    def nested(depth):
        return (opens * depth + "0" * (opens != "[") + closes * depth).encode()

    assert not load(nested(LIMITS.depth), LIMITS).odd
    assert load(nested(LIMITS.depth + 1), LIMITS).odd
    assert not sound(load(nested(LIMITS.depth + 1), LIMITS).value, LIMITS.depth)
    assert load(nested(MAX_DEPTH), LIMITS).odd
    assert "deeper" in refused(nested(MAX_DEPTH + 1))
    assert "not JSON" in refused(nested(100_000))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a"}', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"{}{}", "behind"),
        (b"{} x", "behind"),
        ("{}".encode("utf-16"), "not JSON"),
        ("{}\u00a0".encode(), "behind"),
    ],
)
def test_what_is_not_one_json_text_is_refused(body, why):
    assert why in refused(body)


def test_a_text_is_as_large_as_its_limits_have_it_and_commas_in_strings_count_for_nothing():
    small = Limits(body=20, values=2)
    assert load(b"[1,2,3]", small).value == [1, 2, 3]
    assert load(b'["1,2,3,4,5", "\\","]', small).value == ["1,2,3,4,5", '",']
    assert "values" in refused(b"[1,2,3,4]", small)
    assert "20 bytes" in refused(b'"' + b"x" * 19 + b'"', small)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 4000 + ".0"])
def test_a_number_beyond_bounds_is_noted_and_unsound_wherever_it_is(number):
    read = load(f'{{"a":[1,{{"b":{number}}}]}}'.encode(), LIMITS)
    assert read.odd
    assert not any(sound(read.value, depth) for depth in (3, 4, 64))


@pytest.mark.parametrize(
    ("body", "value", "text"),
    [
        (rb'"\ud83d"', "\ufffd", rb'"\ufffd"'),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd", rb'"\ufffd\ufffd"'),
        (rb'"\ud83d\ude00"', "😀", rb'"\ud83d\ude00"'),
        (rb'"\\ud83d"', r"\ud83d", rb'"\\ud83d"'),
        (b'"\xff"', "\ufffd", b'"\xef\xbf\xbd"'),
        (b'"\xed\xa0\xbd"', "\ufffd" * 3, b'"' + b"\xef\xbf\xbd" * 3 + b'"'),
    ],
)
def test_what_is_no_character_is_replaced_alone(body, value, text):
    read = load(body, LIMITS)
    assert (read.value, read.text) == (value, text)
