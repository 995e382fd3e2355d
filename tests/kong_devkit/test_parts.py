"""The pure parts against their own inverses."""

from hypothesis import given
from hypothesis import strategies as st

from kong_devkit import wire
from kong_devkit.uri import nginx_takes, normalize


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


@given(st.text(alphabet="/.a%2eEfF~", max_size=20).map(lambda text: "/" + text))
def test_normalising_a_path_twice_changes_nothing_that_nginx_accepts(path):
    if nginx_takes(path) and "%25" not in path:
        once = normalize(path)
        assert once.startswith("/")
        assert "//" not in once
        assert "/../" not in once
