from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcp_core.sse import DEFAULT_MAX_EVENT, Decoder, Event, StreamTooLargeError, one_line

END = [b"\n", b"\r", b"\r\n"]
LINES = st.sampled_from(
    [
        *("", "data: a", "data:b", "data", "data:", "data:  c", "data: \u00e9\u4e16", ": note", ":", "event: message"),
        *(
            "event",
            "id: 1",
            "id",
            "id: a\0b",
            "retry: 10",
            "retry: x",
            "retry: \u0661",
            "Data: d",
            "data : e",
            "\ufeffdata: f",
        ),
    ]
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from(END)), max_size=14).map(
    lambda lines: b"".join(line.encode() + end for line, end in lines)
)


def read(*chunks, max_event=DEFAULT_MAX_EVENT):
    decoder = Decoder(max_event)
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def plainly(stream):
    """Read a whole stream as the standard words it, field by field."""
    text = stream.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    events, fields, data = [], {}, []
    for line in text.split("\n")[:-1]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                fields["data"] = "\n".join(data)
            if fields:
                events.append(Event(**fields))
            fields, data = {}, []
        elif not name:
            events.append(Event(comment=True))
        elif name == "data":
            data.append(value)
        elif (
            name == "event"
            or (name == "id" and "\0" not in value)
            or (name == "retry" and value and not value.strip("0123456789"))
        ):
            fields[name] = value
    return events


@pytest.mark.requirement("SSE-001")
@pytest.mark.requirement("SSE-002")
@given(STREAMS, st.booleans(), st.lists(st.integers(0, 200), max_size=12))
@example(b"data: a\r\ndata: b\r\n\r\n", True, [1, 2, 3, 11, 12, 22, 23, 24])
@example(b"data: a\r\rdata: b\r\n\n", False, [8, 9, 18, 19])
def test_any_chunks_give_the_events_of_the_standard(stream, marked, cuts):
    stream = b"\xef\xbb\xbf" * marked + stream
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    chunks = [stream[start:end] for start, end in pairwise(places)]
    assert read(stream) == read(*chunks) == read(*(bytes([byte]) for byte in stream)) == plainly(stream)


@pytest.mark.requirement("SSE-003")
@given(STREAMS)
def test_what_was_read_is_written_as_what_reads_the_same(stream):
    events = read(stream)
    assert read(b"".join(event.encode() for event in events)) == events


@pytest.mark.requirement("SSE-003")
@pytest.mark.parametrize("data", ["", "\n", "a\nb", " a", "\n\n", ":", "data: x", '{"jsonrpc":"2.0"}'], ids=repr)
def test_any_data_comes_back(data):
    assert read(Event(data, "message", "7", "100").encode()) == [Event(data, "message", "7", "100")]


@pytest.mark.requirement("SSE-002")
def test_one_byte_order_mark_is_dropped_and_no_second():
    assert read(b"\xef\xbb\xbfdata: a\n\n") == [Event("a")]
    assert read(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n") == []
    assert read(b"\xef", b"\xbb", b"\xbf", b"data: a\n\n") == [Event("a")]
    assert read(b"\n\xef\xbb\xbfdata: a\n\n") == []


@pytest.mark.requirement("SSE-002")
def test_other_line_ends_of_unicode_end_no_line():
    assert read("data: a\u2028data: b\x0b\x0c\x85c\n\n".encode()) == [Event("a\u2028data: b\x0b\x0c\x85c")]


ODD_LINE_ENDS = ["\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.mark.requirement("SSE-005")
@pytest.mark.parametrize("end", [*ODD_LINE_ENDS, "\0"], ids=repr)
def test_a_type_or_id_that_some_reader_would_break_is_ignored(end):
    assert read(f"event: message{end}data: b\nid: 1{end}data: c\ndata: a\n\n".encode()) == [Event("a")]


@pytest.mark.requirement("SSE-005")
@pytest.mark.parametrize("end", ODD_LINE_ENDS[5:], ids=repr)
def test_json_is_written_as_one_line_for_every_reader(end):
    value = {"a": [f"x{end}{end}data: {{}}{end}\n"], f"k{end}": "\u4e16"}
    for indent in (None, 1):
        written = one_line(json.dumps(value, ensure_ascii=False, indent=indent).replace("\n", "\r\n"))
        assert written.splitlines() == [written]
        assert json.loads(written) == value


@pytest.mark.requirement("SSE-001")
@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("id: a\0b", None),
        ("id", Event(id="")),
        ("retry: 10", Event(retry="10")),
        ("retry: 1s", None),
        ("retry: \u0661", None),
        ("retry:", None),
        ("Data: a", None),
        ("data", Event("")),
    ],
)
def test_a_field_is_what_the_standard_makes_of_it(line, event):
    assert read(f"{line}\n\n".encode()) == ([] if event is None else [event])


@pytest.mark.requirement("SSE-004")
def test_an_unfinished_event_is_dropped():
    assert read(b"data: a\n") == []
    assert read(b"data: a\n\ndata: b") == [Event("a")]


@pytest.mark.requirement("SSE-004")
@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([b"data: " + b"a" * 100], id="one line without an end"),
        pytest.param([b"data: " + b"a" * 100 + b"\n"], id="one line"),
        pytest.param([b"data: aaaaaaaa\n"] * 10, id="many lines"),
        pytest.param([b"a"] * 101, id="one byte at a time"),
        pytest.param([b"id: 1\n"] * 30, id="fields that replace each other"),
    ],
)
def test_an_event_over_the_limit_is_an_error(chunks):
    with pytest.raises(StreamTooLargeError):
        read(*chunks, max_event=100)


@pytest.mark.requirement("SSE-004")
def test_the_limit_is_for_one_event_and_not_for_the_stream():
    decoder = Decoder(max_event=100)
    assert sum(len(decoder.feed(b"data: " + b"a" * 80 + b"\n\n")) for _ in range(50)) == 50


@pytest.mark.requirement("SSE-004")
def test_bytes_that_are_not_utf_8_are_replaced():
    assert read(b"data: \xff\n\n") == [Event("\ufffd")]


@pytest.mark.requirement("SSE-006")
def test_an_event_that_lacks_only_its_blank_line_is_read_at_the_end():
    for sent, last in (
        (b"data: a\n", Event("a")),
        (b"data: a", None),
        (b"data: a\n\n", None),
        (b"id: 1\r", Event(id="1")),
    ):
        decoder = Decoder()
        decoder.feed(sent)
        assert decoder.end() == last


@pytest.mark.requirement("SSE-001")
def test_a_long_line_in_small_pieces_is_read_at_all():
    """Joining the pieces anew at each one would take minutes."""
    decoder = Decoder()
    for _ in range(200_000):
        decoder.feed(b"x" * 64)
    assert decoder.feed(b"\ndata: a\n\n") == [Event("a")]
