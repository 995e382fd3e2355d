from __future__ import annotations

import pytest

from mcp_core.conversation import MOST_ITEMS, MOST_PAGES
from mcp_core.pins.look import read_surface
from mcp_core.scan import ItemKind

ALL = {"capabilities": {"tools": {}, "prompts": {}, "resources": {}}}


def drive(introduction, answer):
    """Return what a look finds and what it asks, where `answer` gives the result of each question."""
    asked = []
    look = read_surface(introduction)
    try:
        question = next(look)
        while True:
            asked.append(question)
            question = look.send(answer(*question))
    except StopIteration as end:
        return end.value, asked


@pytest.mark.requirement("PIN-011")
def test_a_look_asks_for_every_list_that_the_server_says_it_has():
    lists = {
        "tools/list": {"tools": [{"name": "t"}]},
        "prompts/list": {"prompts": [{"name": "p"}]},
        "resources/list": {"resources": [{"uri": "a://b", "name": "r"}]},
        "resources/templates/list": {"resourceTemplates": [{"uriTemplate": "a://{b}"}]},
    }
    found, _ = drive(ALL | {"instructions": "Be brief."}, lambda method, _params: lists[method])
    assert [(kind, name) for kind, name, _ in found] == [
        (ItemKind.INSTRUCTIONS, ""),
        (ItemKind.TOOL, "t"),
        (ItemKind.PROMPT, "p"),
        (ItemKind.RESOURCE, "a://b"),
        (ItemKind.TEMPLATE, "a://{b}"),
    ]
    _, asked = drive({"capabilities": {"prompts": {}, "tools": None}}, lambda *_: {})
    assert asked == [("prompts/list", {})]
    for nothing in ({}, {"capabilities": []}, {"instructions": 7}):
        assert drive(nothing, lambda *_: pytest.fail("asked")) == ([], [])


@pytest.mark.requirement("PIN-011")
def test_a_look_follows_cursors_the_empty_one_too():
    pages = {None: ("a", ""), "": ("b", "2"), "2": ("c", None)}

    def answer(_method, params):
        name, cursor = pages[params.get("cursor")]
        return {"tools": [{"name": name}], **({} if cursor is None else {"nextCursor": cursor})}

    found, asked = drive({"capabilities": {"tools": {}}}, answer)
    assert [name for _, name, _ in found] == ["a", "b", "c"]
    assert [params for _, params in asked] == [{}, {"cursor": ""}, {"cursor": "2"}]


@pytest.mark.requirement("PIN-011")
def test_a_list_without_an_end_is_left_at_some_point():
    only = {"capabilities": {"tools": {}}}
    _, same = drive(only, lambda *_: {"tools": [], "nextCursor": "x"})
    assert len(same) == 2
    pages = iter(range(10**9))
    _, empty = drive(only, lambda *_: {"tools": [], "nextCursor": str(next(pages))})
    assert len(empty) == MOST_PAGES
    many = [{"name": str(number)} for number in range(MOST_ITEMS // 2 + 1)]
    found, _ = drive(only, lambda *_: {"tools": many, "nextCursor": str(next(pages))})
    assert len(found) == MOST_ITEMS


@pytest.mark.requirement("PIN-011")
@pytest.mark.parametrize("result", [None, {}, {"tools": {}}, {"tools": ["x", {}, {"name": 7}]}, {"nextCursor": 7}])
def test_a_list_that_is_none_holds_nothing(result):
    assert drive({"capabilities": {"tools": {}}}, lambda *_: result) == ([], [("tools/list", {})])
