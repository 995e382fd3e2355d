"""Names of tools: made of ids, none shared, none taken over."""

import pytest

from mcp_core.rest.operations import LONGEST_NAME
from servers.openapi import found, only, operation, parameter


@pytest.mark.requirement("REST-002")
def test_operations_of_the_same_id_both_lose_it():
    paths = {"/a": {"get": operation("take")}, "/b": {"get": operation("take"), "post": operation("make")}}
    names = [tool.name for tool in found(paths).tools]
    assert len(set(names)) == 3
    assert "take" not in names
    assert names[2] == "make"


def digest_of(tool):
    return tool.name.rpartition("_")[2]


@pytest.mark.requirement("REST-002")
def test_no_id_is_made_to_take_the_name_of_another_operation():
    twice = {"/a": {"get": operation("take"), "put": operation("take")}}
    digest = digest_of(found(twice).tools[0])
    bait = {"/b": {"get": operation(f"take_{digest}")}, "/c": {"get": operation(f"take_{digest}__{digest}")}}
    for paths in (twice | bait, bait | twice):
        result = found(paths)
        names = [tool.name for tool in result.tools]
        assert len(set(names)) == len(names) == 2
        assert f"take_{digest}" not in names
        assert [one.name for one in result.left_out] == [f"take_{digest}"] * 2
        assert all("the same name as another operation" in one.why for one in result.left_out)


@pytest.mark.requirement("REST-002")
def test_names_do_not_depend_on_the_order_of_operations():
    paths = {
        "/a": {"get": operation("take"), "post": operation("take!")},
        "/b": {"get": operation("take")},
        "/c": {"get": operation("x" * 65), "put": operation("x" * 66)},
    }
    by_way = [
        {(tool.method, tool.path): tool.name for tool in found(p).tools} for p in (paths, dict(reversed(paths.items())))
    ]
    assert by_way[0] == by_way[1]
    assert len(set(by_way[0].values())) == 5


@pytest.mark.requirement("REST-023")
@pytest.mark.parametrize(
    "changed",
    [
        {"/admin/{id}": {"get": operation("take", parameters=[parameter("id", "path", required=True)])}},
        {"/a/{id}": {"delete": operation("take", parameters=[parameter("id", "path", required=True)])}},
        {
            "/a/{id}": {
                "get": operation("take", parameters=[parameter("id", "path", required=True), parameter("of", "header")])
            }
        },
    ],
)
def test_a_tool_that_calls_something_else_under_the_same_name_is_not_what_was_approved(changed):
    node = operation("take", parameters=[parameter("id", "path", required=True)])
    if "/a/{id}" in changed and "get" in changed["/a/{id}"]:
        node["parameters"].append(parameter("of"))
    before = {"/a/{id}": {"get": node}}
    was, now = (only(paths).item["inputSchema"] for paths in (before, changed))
    assert was["properties"] == now["properties"]
    assert was != now
    assert was == only({"/b": {"get": operation("other")}} | before, chosen=["take"]).item["inputSchema"]


@pytest.mark.requirement("REST-002")
def test_names_are_short_of_plain_letters_and_the_same_whichever_operations_are_chosen():
    long = "list" + "x" * 300
    paths = {
        "/a": {"get": operation(long + "1"), "put": operation(long + "2"), "post": operation("pets/ä list!")},
        "/b/{c}": {"delete": operation(parameters=[parameter("c", "path", required=True)])},
        "/d": {"get": operation("é"), "put": operation("ü")},
    }
    every = found(paths).tools
    assert len({one.name for one in every}) == 6
    for one in every:
        assert 1 <= len(one.name) <= LONGEST_NAME
        assert one.name.replace("_", "").replace("-", "").isascii()
    assert {"pets_list", "delete_b_c"} <= {one.name for one in every}
    assert [tool.name for tool in found(paths, [long + "2"]).tools] == [every[1].name]
