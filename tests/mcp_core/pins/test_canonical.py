from __future__ import annotations

import hashlib
import json
import math
import random
import shutil
import struct
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_core.pins.canonical import canonical, digest, field_digests

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


@pytest.mark.requirement("PIN-001")
def test_the_example_of_the_rfc_comes_out_as_printed_there():
    # RFC 8785, section 3.2.2
    value = json.loads(
        r"""{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"""
    )
    assert canonical(value) == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


@pytest.mark.requirement("PIN-001")
def test_keys_stand_in_the_order_of_their_utf_16_code_units():
    # RFC 8785, section 3.2.3
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    assert [*json.loads(canonical(value)).values()] == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


@pytest.mark.requirement("PIN-001")
def test_an_integer_keeps_every_digit_and_a_whole_float_is_that_integer():
    assert canonical([9007199254740993, 1.0, -0.0, 1e20]) == "[9007199254740993,1,0,100000000000000000000]"


@pytest.mark.requirement("PIN-001")
@given(VALUES)
def test_the_text_says_the_value_and_does_not_depend_on_the_order_of_keys(value):
    text = canonical(value)
    assert json.loads(text, parse_int=float) == json.loads(json.dumps(value), parse_int=float)
    assert canonical(json.loads(text)) == text
    turned = {key: value[key] for key in reversed(value)} if isinstance(value, dict) else value
    assert canonical(turned) == text
    assert digest(value) == hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@pytest.mark.requirement("PIN-001")
@pytest.mark.skipif(
    shutil.which("node") is None, reason="needs node, whose JSON.stringify writes numbers by ECMAScript"
)
def test_numbers_are_written_as_ecmascript_writes_them():
    source = random.Random(8785)
    doubles = [struct.unpack(">d", source.randbytes(8))[0] for _ in range(20_000)]
    doubles += [float(f"{source.randrange(10**6)}e{power}") for power in range(-12, 26) for _ in range(20)]
    doubles = [double for double in doubles if math.isfinite(double)]
    script = "process.stdout.write(JSON.stringify(JSON.parse(require('fs').readFileSync(0, 'utf8'))))"
    done = subprocess.run(["node", "-e", script], input=json.dumps(doubles), capture_output=True, text=True, check=True)
    assert canonical(doubles).split(",") == done.stdout.split(",")


@pytest.mark.requirement("PIN-001")
@settings(max_examples=20)
@given(st.text(alphabet=st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF, categories=["Cs"]), min_size=1))
def test_what_is_no_text_or_no_number_has_no_digest(text):
    for value in (text, math.nan, [math.inf]):
        with pytest.raises(ValueError, match=r"."):
            digest(value)


@pytest.mark.requirement("PIN-002")
def test_every_member_of_an_item_counts_and_has_a_digest_of_its_own():
    item = {"name": "a", "description": "b", "_meta": {"x": [1, {"y": None}]}, "icons": [], "unheardOf": 0}
    before = digest(item)
    fields = field_digests(item)
    assert fields.keys() == item.keys()
    for key in item:
        changed = {**item, key: "changed"}
        assert digest(changed) != before
        assert {name for name, one in field_digests(changed).items() if one != fields[name]} == {key}
        assert digest({name: value for name, value in item.items() if name != key}) != before
