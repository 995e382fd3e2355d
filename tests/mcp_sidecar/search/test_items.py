"""What of an item is searched."""

from __future__ import annotations

import pytest

from mcp_core.scan import ItemKind
from mcp_sidecar.search.items import LONGEST_TEXT, MOST_PARAMETERS, search_item


def parameters(content):
    return dict(search_item("s", ItemKind.TOOL, "t", content).parameters)


@pytest.mark.requirement("FIND-003")
@pytest.mark.parametrize(
    "content",
    [
        {"description": 7, "title": [], "inputSchema": "x"},
        {"inputSchema": {"properties": [1]}},
        {"inputSchema": {"properties": {"a": None, "b": {"enum": [1, None]}}}},
        {"arguments": [None, {"name": 3}]},
    ],
)
def test_what_has_another_type_than_mcp_gives_it_is_left_out(content):
    item = search_item("s", ItemKind.TOOL, "t", content)

    assert (item.title, item.description) == ("", "")
    assert all(says == "" for _, says in item.parameters)


@pytest.mark.requirement("FIND-003")
def test_long_texts_and_wide_or_deep_schemas_are_cut():
    deep = {"properties": {"leaf": {"description": "never read"}}}
    for _ in range(3000):
        deep = {"properties": {"x": deep}}
    wide = {"properties": {f"p{n}": {"description": "d"} for n in range(100_000)}}

    assert len(search_item("s", ItemKind.TOOL, "t", {"description": "x" * 10**6}).description) == LONGEST_TEXT
    assert len(search_item("s", ItemKind.TOOL, "t", {"inputSchema": wide}).parameters) == MOST_PARAMETERS
    assert "leaf" not in parameters({"inputSchema": deep})


def test_nested_parameters_choices_and_arguments_of_prompts_are_read():
    schema = {
        "properties": {
            "filter": {"properties": {"colour": {"description": "Which", "enum": ["red", "green"]}}},
            "rows": {"items": {"properties": {"cell": {"description": "One cell"}}}},
        }
    }

    assert parameters({"inputSchema": schema}) == {
        "filter": "",
        "colour": "Which red green",
        "rows": "",
        "cell": "One cell",
    }
    assert parameters({"arguments": [{"name": "topic", "description": "About what"}]}) == {"topic": "About what"}
