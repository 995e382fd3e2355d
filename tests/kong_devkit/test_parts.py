"""The pure parts against published values and their own inverses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kong_devkit import wire
from kong_devkit.luapattern import compile_lua
from kong_devkit.uri import nginx_path, normalize
from kong_devkit.xxhash32 import xxhash32


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", 0x02CC5D05),
        (b"a", 0x550D7456),
        (b"abc", 0x32D153FF),
        (b"Nobody inspects the spammish repetition", 0xE2293B2F),
    ],
)
def test_xxhash32_gives_the_published_values(data, digest):
    assert xxhash32(data) == digest


@given(
    st.recursive(
        st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner, min_size=1),
    )
)
def test_values_survive_the_wire_but_for_false(value):
    def lua(one):
        if isinstance(one, dict):
            return {key: lua(item) for key, item in one.items() if item is not False}
        if isinstance(one, list):
            return [lua(item) for item in one]
        return None if one is False else one

    assert wire.from_value(wire.decode("Value", wire.encode("Value", wire.to_value(value)))) == lua(value)


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_are_refused(data):
    try:
        wire.decode("RpcReturn", data)
    except wire.WireError:
        return


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("^%u+$", "GET", "get"),
        ("^[%w_-]+$", "a-b_1", "a b"),
        ("^a.-b$", "axxb", "axx"),
        ("%d%d?$", "x12", "x"),
        ("^[^%s]*$", "ab", "a b"),
        ("^%.$", ".", "a"),
    ],
)
def test_lua_patterns_mean_what_they_mean_in_lua(pattern, good, bad):
    assert compile_lua(pattern).search(good)
    assert not compile_lua(pattern).search(bad)


@given(st.text(alphabet="/.a%2eEfF~", max_size=20).map(lambda text: "/" + text))
def test_normalising_a_path_twice_changes_nothing_that_nginx_accepts(path):
    if nginx_path(path) is not None and "%25" not in path:
        once = normalize(path)
        assert once.startswith("/")
        assert "//" not in once
        assert "/../" not in once
