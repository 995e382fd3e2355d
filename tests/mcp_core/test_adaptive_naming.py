"""Names on a virtual server: unique, stable, and such that every model takes them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_core.adaptive.naming import names
from mcp_core.virtual import Prefix

GOOD = re.compile(r"[A-Za-z0-9_-]{1,64}")


def by_item(items, prefix=Prefix.WHEN_NEEDED, reserved=()):
    return {item: name for name, item in names(items, prefix, reserved).items()}


@pytest.mark.requirement("VIRT-005")
@pytest.mark.parametrize(
    ("prefix", "wanted"),
    [
        (Prefix.WHEN_NEEDED, ["a_read", "b_read", "write"]),
        (Prefix.ALWAYS, ["a_read", "b_read", "b_write"]),
        (Prefix.NEVER, ["read", None, "write"]),
    ],
)
def test_a_prefix_stands_where_the_policy_has_it(prefix, wanted):
    items = [("a", "read"), ("b", "read"), ("b", "write")]
    found = by_item(items, prefix)
    assert [found.get(item) for item in items] == wanted


@pytest.mark.requirement("VIRT-005")
def test_names_that_differ_only_beyond_what_fits_stay_apart():
    items = [("a", "x" * 300 + end) for end in "12"]
    found = by_item(items)
    assert len(set(found.values())) == 2
    assert all(GOOD.fullmatch(name) for name in found.values())


@pytest.mark.requirement("VIRT-005")
def test_names_that_differ_only_in_what_models_do_not_take_stay_apart():
    items = [("a", "read.file"), ("a", "read/file"), ("a", "read_file"), ("b", "Straße")]
    found = by_item(items)
    assert len(set(found.values())) == 4
    assert all(GOOD.fullmatch(name) for name in found.values())


@pytest.mark.requirement("VIRT-005")
def test_no_item_takes_the_name_of_what_the_virtual_server_has_itself_nor_of_another_item():
    found = by_item([("a", "call_tool"), ("b", "a_call_tool")], reserved=["call_tool"])
    assert "call_tool" not in found.values()
    assert len(set(found.values())) == 2
    stolen = by_item([("a", "read"), ("b", "read"), ("c", "a_read")])
    assert len(set(stolen.values())) == 3
    assert stolen["c", "a_read"] == "a_read"
    assert stolen["a", "read"] != "a_read"


@pytest.mark.requirement("VIRT-005")
def test_no_item_takes_the_name_that_a_digest_gives_another_one():
    long = ("a", "x" * 300)
    name = by_item([long])[long]
    for items in ([long, ("b", name)], [("b", name), long]):
        assert by_item(items)[long] == name


OWN = st.tuples(
    st.sampled_from(["a", "b", "a-b"]), st.text(max_size=70) | st.sampled_from(["x", "a_x", "a-b_x", "x.y"])
)


@pytest.mark.requirement("VIRT-005")
@given(st.lists(OWN, max_size=12), st.sampled_from([Prefix.ALWAYS, Prefix.WHEN_NEEDED]))
def test_every_item_has_one_good_name_in_whatever_order_they_come(items, prefix):
    found = names(items, prefix, ["find_tools"])
    assert set(found.values()) == set(items)
    assert all(GOOD.fullmatch(name) and name != "find_tools" for name in found)
    assert names(items[::-1], prefix, ["find_tools"]) == found
