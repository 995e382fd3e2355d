"""Causes from the sidecar's log: each once, as soon as its line is whole, and nothing else."""

# ruff: noqa: E501 - a line that is compared stands on one line

import json

import pytest

from kong_mcp.causes import Causes
from kong_mcp.follow import Follower
from kong_mcp.happenings import MOST, Sort, Told
from mcp_core.scan.items import KIND_WORDS

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
FOUND = [{"rule": "x.y", "severity": "block", "path": "$.description", "excerpt": "ignore all\\x1b"}] * 5


@pytest.fixture
def log(tmp_path):
    return tmp_path / "sidecar.log"


@pytest.fixture
def reader(log):
    """Return what is told of the log since it was asked last."""
    follower, causes, told = Follower(log), Causes(lambda *_: FOUND, " --store S"), Told()

    def new():
        happened = [causes.happening(one) for one in follower.new()]
        return [one.text for one in told.new(one for one in happened if one)]

    yield new
    follower.close()


def write(log, *lines):
    with log.open("a") as file:
        file.writelines(lines)


@pytest.mark.requirement("HEAD-005")
def test_each_cause_is_told_once_and_only_when_its_line_is_whole(log, reader):
    text = json.dumps(LINE)
    assert reader() == []
    write(log, "not JSON\n", "[]\n", '{"event":"request"}\n', "[" * 100_000 + "\n", text[:20])
    assert reader() == []
    write(log, text[20:] + "\n", json.dumps(LINE | {"trace": "2"}) + "\n")
    assert reader() == [TOLD]
    write(log, json.dumps(LINE | {"trace": "3"}) + "\n", json.dumps(LINE | {"server": "files"}) + "\n")
    assert reader() == [TOLD.replace("notes", "files")]
    assert reader() == []


@pytest.mark.requirement("HEAD-005")
def test_a_redirect_says_where_it_points_and_a_stream_has_no_method(log, reader):
    moved = {"event": "answer withheld", "server": "a", "method": "", "why": "redirect-307", "points_to": "/mcp/"}
    write(log, json.dumps(moved) + "\n")
    assert reader() == ["a: answer withheld; stream; redirect-307; it points to /mcp/"]


@pytest.mark.requirement("HEAD-087")
@pytest.mark.parametrize(
    ("place", "told"),
    [
        (
            "http://10.0.0.7:8080/mcp/",
            "write replicas: [http://10.0.0.7:8080/mcp/] in its server file, or --server a=http",
        ),
        ("https://h/mcp", "write replicas: [https://h/mcp] in its server file"),
        ("http://h/login?...", "give the URL"),
        ("/mcp/", "give the URL"),
        ("http://h/ x", "give the URL"),
        ("http://h/$(id)", "give the URL"),
        ("http://h/`id`", "give the URL"),
        ("http://h/;id", "give the URL"),
        ("http://h/], command: [id", "give the URL"),
        ("javascript:alert(1)", "give the URL"),
        ("", "give the URL"),
    ],
)
def test_a_redirect_that_names_a_whole_url_says_the_very_line_to_write(log, reader, place, told):
    moved = {"event": "answer withheld", "server": "a", "method": "initialize", "why": "redirect-307"}
    write(log, json.dumps(moved | {"points_to": place, "do": "give the URL"}) + "\n")
    (line,) = reader()
    assert told in line
    assert ("replicas:" in line) == ("replicas:" in told)


@pytest.mark.requirement("HEAD-088")
@pytest.mark.parametrize("kind", KIND_WORDS)
def test_every_kind_of_item_is_called_as_commands_call_it(log, reader, kind):
    seen = {"event": "surface new", "server": "a", "kind": kind.value, "name": "'x'", "state": "quarantined"}
    write(log, json.dumps(seen) + "\n")
    (line,) = reader()
    assert f"{KIND_WORDS[kind]} x is quarantined" in line


@pytest.mark.requirement("HEAD-005")
def test_a_server_that_finds_ever_new_causes_does_not_fill_the_terminal(log, reader):
    write(log, *(json.dumps(LINE | {"said": str(number)}) + "\n" for number in range(5000)))
    told = reader()
    assert len(told) == MOST + 1
    assert told[-1] == f"more than {MOST} lines of the sort trouble: see the logs"
    write(log, json.dumps(LINE | {"said": "another"}) + "\n")
    assert reader() == []


SEEN = {"event": "surface seen", "server": "notes", "kind": "tools", "name": "'read\\x1b'", "digest": "d"}
REVIEW = "what to do: kong-mcp surface diff notes tool 'read\\x1b' --store S, then approve or reject in place of diff"


@pytest.mark.requirement("KNOW-006")
@pytest.mark.parametrize(
    ("logged", "sort", "text"),
    [
        (SEEN | {"state": "approved", "reason": "clean", "rules": []}, None, None),
        (
            SEEN | {"state": "quarantined", "reason": "drift", "rules": [], "fields": ["'description'"]},
            Sort.REVIEW,
            f"notes: tool read\\x1b is quarantined (drift); changed: description; {REVIEW}",
        ),
        (
            SEEN | {"state": "quarantined", "reason": "findings", "rules": ["x.y"], "fields": []},
            Sort.FINDING,
            "notes: tool read\\x1b is quarantined (findings); 5 findings"
            + "; block: x.y at $.description: ignore all\\x1b" * 3
            + f"; {REVIEW}",
        ),
        (
            {"event": "found", "where": "results", "rules": ["override.ignore"], "action": "withheld", "server": "s"}
            | {"principal": "bob\x1b", "method": "tools/call"},
            Sort.FINDING,
            (
                "s: found in the answer to tools/call of bob\\x1b; flag: override.ignore; withheld; what to do: read what "
                "the server sends; results.mode flag lets it pass and tells"
            ),
        ),
        ({"event": "look", "server": "s", "outcome": "seen"}, None, None),
        (
            {"event": "look", "server": "s", "outcome": "timeout"},
            Sort.TROUBLE,
            (
                "s: its lists could not be read; timeout; what to do: see that the server runs and takes this gateway's "
                "requests; it is asked again"
            ),
        ),
        (
            {"event": "the store failed", "level": "error", "problem": "disk\nfull"},
            Sort.TROUBLE,
            "sidecar: the store failed; full",
        ),
        ({"event": 7}, None, None),
    ],
)
def test_findings_reviews_and_problems_are_told_as_people_read_them(logged, sort, text):
    happening = Causes(lambda *_: FOUND, " --store S").happening(logged)
    assert (happening and (happening.sort, happening.text)) == (None if sort is None else (sort, text))


@pytest.mark.requirement("KNOW-006")
@pytest.mark.parametrize(("severity", "says"), [("flag", True), ("block", False)])
def test_where_nothing_is_pinned_it_is_said_that_agents_get_what_waits(severity, says):
    logged = SEEN | {"state": "quarantined", "reason": "findings", "rules": ["x.y"], "fields": []}
    text = Causes(lambda *_: [FOUND[0] | {"severity": severity}]).happening(logged).text
    assert ("; agents get it, without pins; what to do: " in text) is says
    assert text.endswith("pins: {mode: enforce} hides what waits until somebody approves it")


@pytest.mark.requirement("KNOW-006")
def test_a_file_that_is_only_for_us_is_begun_anew_and_nothing_is_lost(log, monkeypatch):
    monkeypatch.setattr("kong_mcp.follow.MOST_KEPT", 100)
    follower = Follower(log, renews=True)
    read = []
    for number in range(50):
        write(log, json.dumps({"number": number}) + "\n")
        read += follower.new()
    for _ in range(3):
        read += follower.new()
    assert [one["number"] for one in read] == list(range(50))
    assert not log.exists() or log.stat().st_size < 500
    follower.close()


@pytest.mark.requirement("KNOW-006")
def test_a_line_without_an_end_is_let_go(log, monkeypatch):
    monkeypatch.setattr("kong_mcp.follow.MOST_AT_ONCE", 100)
    follower = Follower(log)
    write(log, "x" * 1000)
    for _ in range(20):
        assert follower.new() == []
    write(log, "\n" + json.dumps({"a": 1}) + "\n")
    assert [one for _ in range(3) for one in follower.new()] == [{"a": 1}]
    follower.close()
