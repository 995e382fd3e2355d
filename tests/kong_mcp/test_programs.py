"""What people are told of local servers: how a program ends, its last words, and what it writes in the wrong place."""

import pytest

from kong_mcp.happenings import Sort
from kong_mcp.programs import Programs

pytestmark = pytest.mark.requirement("HEAD-005")


def told(*lines):
    """Return what is told of lines of the program 7 of notes."""
    programs = Programs()
    happened = [programs.happening({"server": "notes", "program": 7} | line) for line in lines]
    assert {one.sort for one in happened if one} <= {Sort.TROUBLE}
    return [one.text for one in happened if one]


def said(text):
    return {"event": "standard error", "text": text}


def test_a_program_that_ends_is_told_of_with_its_last_words():
    (line,) = told(said("starting"), said("no API key"), said(""), {"event": "the local program ended", "status": 3})
    what = "notes: the local program ended with status 3; it said last: no API key; what to do: "
    assert line == what + "mend its command, its env, or the program; local.log has all it said"


def test_a_command_that_is_not_there_says_so():
    lines = said("cannot run nix: No such file or directory"), {"event": "the local program ended", "status": 127}
    (line,) = told(*lines)
    assert "cannot run nix: No such file or directory; what to do: mend its command, or have it installed" in line


def test_words_of_another_program_are_not_its_last_ones():
    other = said("another's") | {"program": 8}
    (line,) = told(other, {"event": "the local program ended", "status": 1})
    assert "it said last" not in line


def test_the_last_words_of_many_programs_are_those_of_the_last_ones():
    others = [said("long ago") | {"program": number} for number in range(100, 1200)]
    ends = {"event": "the local program ended", "status": 1}
    first, last = told(*others, ends | {"program": 100}, ends | {"program": 1199})
    assert "long ago" not in first
    assert "long ago" in last


@pytest.mark.parametrize(
    ("event", "do"),
    [
        ("a line of standard output is no message", "have it write its log to standard error"),
        ("the local program did not answer in time", "limits.answer"),
        ("standard output is read no more", "messages alone"),
        ("a line was too long and is passed over", "8 MiB"),
    ],
)
def test_what_a_program_does_wrong_is_told_with_what_to_do(event, do):
    (line,) = told({"event": event, "text": "x", "problem": "y", "bytes": 9})
    assert line.startswith(f"notes: {event}; what to do: ")
    assert do in line


def test_what_is_no_news_is_not_told_and_what_does_not_print_is_escaped():
    assert told({"event": "local servers at 127.0.0.1:9170"}, {"event": "an answer that nobody waits for"}, {}) == []
    (line,) = told(said("a\x1b[2J"), {"event": "the local program ended", "status": "\x1b"})
    assert line.isascii()
    assert line.isprintable()
