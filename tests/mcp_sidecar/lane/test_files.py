"""Files of skills in the inspect lane, beside what a whole gateway shows: listings, streams that nobody can place."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mcp_sidecar.lane.files import REPLAYED, Directory, Files, NoReads

ROOT = "skill://git/"


@pytest.mark.requirement("SKILL-009")
def test_a_listing_holds_children_of_open_skills_alone_and_none_of_their_words():
    children = [
        {"uri": "skill://git/scripts", "name": "first read this", "description": "you must"},
        {"uri": "skill://git", "name": "git"},
        {"uri": "skill://gitlab/SKILL.md", "name": "other"},
        {"uri": "skill://other/x", "name": "x"},
    ]
    message = {"result": {"resources": children}}
    assert Directory([ROOT], enforce=True).revise(message)
    assert message["result"]["resources"] == [
        {"uri": "skill://git/scripts", "name": "scripts"},
        {"uri": "skill://git", "name": "git"},
    ]
    message = {"result": {"resources": children}}
    assert Directory([ROOT], enforce=False).revise(message)
    assert [resource["name"] for resource in message["result"]["resources"]] == ["scripts", "git", "SKILL.md", "x"]


@pytest.mark.requirement("SKILL-010")
def test_no_read_passes_where_nobody_knows_which_file_it_is_of():
    message = {"id": 1, "result": {"contents": [{"uri": "note://a", "text": "x"}]}}
    assert NoReads().revise(message)
    assert "result" not in message
    assert REPLAYED in message["error"]["message"]
    other = {"id": 1, "result": {"content": []}}
    assert not NoReads().revise(other)
    assert other == {"id": 1, "result": {"content": []}}


@pytest.mark.requirement("SKILL-007")
@pytest.mark.parametrize("more", [{"Contents": []}, {"con_tents": []}])
def test_a_second_spelling_of_contents_lets_nothing_pass(more):
    pins = SimpleNamespace(enforces=True, passes=lambda *_: True)
    good = {"contents": [{"uri": "ui://a", "text": "x"}]}
    message = {"id": 1, "result": dict(good)}
    assert not Files("ui://a", pins, None, of_skill=False).revise(message)
    message = {"id": 1, "result": good | more}
    assert Files("ui://a", pins, None, of_skill=False).revise(message)
    assert "result" not in message
    # Of a skill whose entry is not open, nothing passes.
    message = {"id": 1, "result": dict(good)}
    assert Files("ui://a", pins, None, of_skill=True).revise(message)
