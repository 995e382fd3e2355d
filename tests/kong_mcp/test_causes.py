"""Causes from the sidecar's log: each once, as soon as its line is whole, and nothing else."""

import json

import pytest

from kong_mcp.causes import Causes

LINE = {
    "event": "server refused",
    "server": "notes",
    "method": "tools/list",
    "why": "forbidden-403",
    "said": "no such origin",
    "do": "see what the server says",
    "trace": "1",
}
TOLD = "notes: server refused; tools/list; forbidden-403; it said: no such origin; what to do: see what the server says"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "sidecar.log"


def write(log, *lines):
    with log.open("a") as file:
        file.writelines(lines)


@pytest.mark.requirement("HEAD-005")
def test_each_cause_is_told_once_and_only_when_its_line_is_whole(log):
    text = json.dumps(LINE)
    write(log, "not JSON\n", "[]\n", '{"event":"request"}\n', text[:20])
    causes = Causes(log)
    assert causes.new() == []
    write(log, text[20:] + "\n", json.dumps(LINE | {"trace": "2"}) + "\n")
    assert causes.new() == [TOLD]
    write(log, json.dumps(LINE | {"trace": "3"}) + "\n", json.dumps(LINE | {"server": "files"}) + "\n")
    assert causes.new() == [TOLD.replace("notes", "files")]
    assert causes.new() == []


@pytest.mark.requirement("HEAD-005")
def test_a_redirect_says_where_it_points_and_a_stream_has_no_method(log):
    moved = {"event": "answer withheld", "server": "a", "method": "", "why": "redirect-307", "points_to": "/mcp/"}
    write(log, json.dumps(moved) + "\n")
    assert Causes(log).new() == ["a: answer withheld; stream; redirect-307; it points to /mcp/"]


@pytest.mark.requirement("HEAD-005")
def test_a_server_that_finds_ever_new_causes_does_not_fill_the_terminal(log):
    write(log, *(json.dumps(LINE | {"said": str(number)}) + "\n" for number in range(5000)))
    assert len(Causes(log).new()) == 1000
