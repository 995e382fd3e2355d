"""PDK calls that are sent before the replies to those before them have come."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest
from kongside import M, Outcome, Server, body, descriptors, frame, headers, text, until

SOURCE = Path(__file__).with_name("call_hints_plugin.py").read_text()
AHEAD = 'prefetch = {PHASE: (("kong.request.get_headers", 100), ("kong.request.get_raw_body",))}\n'
UNAWAITED = 'unawaited = ("kong.service.set_upstream",)\n'
REFUSED = ("exited", 503, b"refused")
PDK = {"kong.request.get_headers": headers({"token": "h"}), "kong.request.get_raw_body": body(b"b")}
LARGE = body(b"x" * 99_000)
LARGEST = 1024 * 1024 + 100_000


@pytest.fixture(scope="module")
def server():
    plugins = {
        "plain.py": SOURCE,
        "ahead.py": SOURCE + AHEAD.replace("PHASE", '"access"') + UNAWAITED,
        "late.py": SOURCE + AHEAD.replace("PHASE", '"log"') + UNAWAITED,
    }
    one = Server(plugins, "--deadline", "0.4", "--upload", "0.4", "--max-body", "100000", "--workers", "1").start()
    yield one
    one.stop()
    shutil.rmtree(one.home)


@pytest.fixture
def link(server):
    with server.link() as one:
        yield one


def begin(link, *steps, plugin="ahead", phase="access"):
    link.send_call(event={"instance_id": link.start(plugin, {"steps": steps}), "event_name": phase})


def read_calls(link, count):
    return [(link.read_frame().decode(), link.read_frame())[0] for _ in range(count)]


def brief(outcome: Outcome):
    return (outcome.kind, outcome.status, outcome.body)


def named(outcome: Outcome):
    return [method.removeprefix("kong.") for method, _ in outcome.calls]


def told(outcome: Outcome):
    return json.loads(M["KV"].FromString(outcome.calls[-1][1]).v.string_value)


def failures(server):
    return len(server.logged("event_failed")) + len(server.logged("event_refused"))


def test_what_is_prefetched_is_sent_before_anything_is_answered_and_all_the_rest_at_once(link):
    begin(link, "read headers", "read body", "write upstream", "write set")
    assert read_calls(link, 2) == ["kong.request.get_headers", "kong.request.get_raw_body"]
    link.reply(PDK["kong.request.get_headers"])
    link.reply(PDK["kong.request.get_raw_body"])
    assert read_calls(link, 3) == ["kong.service.set_upstream", *["kong.service.request.set_header"] * 2]
    assert link.read_frame() == b""
    for reply in (b"\x08\x01", b"", b""):
        link.reply(reply)
    assert link.returned()


def test_a_call_without_a_reply_leaves_with_the_next_one_that_has(link):
    begin(link, "write set", "write log", "read path", plugin="plain")
    assert read_calls(link, 3)[-1] == "kong.request.get_path"


def test_a_prefetched_reply_serves_one_call_and_only_the_very_same(link):
    begin(link, "read all headers", "read headers", "read headers")
    outcome = link.bridge(PDK)
    assert named(outcome)[:4] == ["request.get_headers", "request.get_raw_body", *["request.get_headers"] * 2]
    begin(link, "read body", "write set", "read headers")
    assert named(link.bridge(PDK))[2:] == [
        "service.request.set_header",
        "request.get_headers",
        *["service.request.set_header"],
    ]


@pytest.mark.parametrize("junk", [b"\xff", b"\x0a" + b"\xff" * LARGEST, body(path="/nowhere")])
def test_what_is_wrong_with_a_prefetched_reply_counts_only_for_who_asks(server, link, junk):
    before = failures(server)
    begin(link, "read headers")
    assert told(link.bridge({**PDK, "kong.request.get_raw_body": junk})) == ["h"]
    begin(link, "read headers", "read body")
    assert told(link.bridge(PDK)) == ["h", "b"]
    assert failures(server) == before
    for step in ("read body", "swallow body"):
        with server.link() as other:
            begin(other, step)
            assert brief(other.bridge({**PDK, "kong.request.get_raw_body": junk})) == REFUSED
            assert other.closed()


def test_an_upstream_that_kong_does_not_know_is_told_once_for_an_instance(server):
    with server.link() as link:
        instance = link.start("ahead", {"steps": ["write upstream"]})
        for _ in range(3):
            assert link.event(instance, pdk=PDK).kind == "passed"
    with server.link() as link:
        assert link.event(link.start("plain", {"steps": ["write upstream"]}), pdk=PDK).kind == "exited"
    with server.link() as link:
        assert link.event(instance, pdk=PDK | {"kong.service.set_upstream": b"\x08\x01"}).kind == "passed"
    lines = [one for one in server.logged("call_not_confirmed") if one["instance"] == instance]
    assert [(line["level"], line["plugin"], line["call"], line["argument"]) for line in lines] == [
        ("error", "ahead", "kong.service.set_upstream", "replicas")
    ]
    assert "knows no upstream of this name" in lines[0]["meaning"]


@pytest.mark.parametrize("steps", [["write set"], ["write set", "exit"], ["write upstream", "exit"]])
@pytest.mark.parametrize("answered", [2, 3])
def test_an_event_that_kong_abandons_has_failed_once_and_nothing_is_left(server, steps, answered):
    worker = server.workers()[0]
    with server.link() as link:
        link.start("plain", {"steps": []})
        open_before, failed_before = descriptors(worker), failures(server)
        with server.link() as other:
            begin(other, *steps)
            read_calls(other, 3)
            for reply in [*PDK.values(), b"\x08"][:answered]:
                other.socket.sendall(frame(reply) if reply != b"\x08" else b"\x00\x00")
        until(lambda: failures(server) > failed_before, what="the failure")
        until(lambda: descriptors(worker) == open_before, what="the descriptor closed")
        assert failures(server) == failed_before + 1


@pytest.mark.parametrize("steps", [[], ["exit"], ["raise"]])
def test_the_end_is_sent_before_the_replies_have_come_and_kong_can_still_answer(server, steps):
    with server.link() as link:
        begin(link, "write log", *steps)
        read_calls(link, 3)
        if steps:
            assert link.read_frame() == b"kong.response.exit"
            link.read_frame()
        else:
            link.read_frame(), link.read_frame()
            assert link.read_frame() == b""
        for payload in (*PDK.values(), b""):
            link.reply(payload)
        if steps:
            assert link.closed()
        else:
            link.reply(b"")
            assert link.returned()
            begin(link, "read headers")
            assert told(link.bridge(PDK)) == ["h"]


def test_a_deadline_among_replies_is_refused_in_order_and_kong_can_still_answer(link):
    begin(link, "read headers", "read body")
    read_calls(link, 2)
    data = frame(PDK["kong.request.get_headers"]) + frame(LARGE)
    link.socket.sendall(data[:-3])
    assert link.read_frame() == b"kong.response.exit"
    assert b"refused" in link.read_frame()
    link.socket.sendall(data[-3:])
    assert link.closed()


@pytest.mark.parametrize("cut", [2, 9, 50, 90_000])
def test_an_event_that_cannot_be_refused_stays_in_step_after_a_deadline(server, link, cut):
    before = len(server.logged("event_failed"))
    begin(link, "read headers", "read body", plugin="late", phase="log")
    read_calls(link, 2)
    data = frame(PDK["kong.request.get_headers"]) + frame(LARGE)
    link.socket.sendall(data[:cut])
    assert link.read_frame() == b""
    assert link.returned()
    link.socket.sendall(data[cut:])
    begin(link, "read headers", "read body", plugin="late", phase="log")
    assert told(link.bridge(PDK)) == ["h", "b"]
    assert len(server.logged("event_failed")) == before + 1


@pytest.mark.parametrize("call", ["write set", "write upstream"])
@pytest.mark.parametrize("junk", [b"\x0a\x01x", b"\xff", b"\x0a" + b"\xff" * LARGEST])
def test_a_reply_that_cannot_be_its_calls_ends_the_connection(server, link, call, junk):
    method = {"write set": "kong.service.request.set_header", "write upstream": "kong.service.set_upstream"}[call]
    begin(link, call)
    with contextlib.suppress(OSError):  # it may be closed before Kong has written all
        assert link.bridge({**PDK, method: junk}).kind == "passed"
    with contextlib.suppress(ConnectionResetError):
        while link.socket.recv(65536):
            pass
    with server.link() as other:
        begin(other, call, "read path")
        assert brief(other.bridge({**PDK, method: junk})) == REFUSED
        assert other.closed()


@pytest.mark.requirement("SRV-001")
@pytest.mark.parametrize(("last", "words"), [("raise", b"refused"), ("exit", b"[]")])
@pytest.mark.parametrize("call", ["write set", "write upstream"])
def test_an_answer_is_read_although_a_reply_before_it_cannot_be_its_calls(link, call, last, words):
    begin(link, call, "write log", last)
    assert len(read_calls(link, 4)) == 4
    assert link.read_frame() == b"kong.response.exit"
    assert M["ExitArgs"].FromString(link.read_frame()).body == words
    for payload in (*PDK.values(), b"\xff"):
        link.reply(payload)
    assert link.closed()  # by the server, which has seen the impossible reply: for what it says, not for what it reads
    for _ in range(50):
        link.reply(b"")


def test_a_reply_to_no_call_ends_the_connection(server, link):
    begin(link, "read path", "read a", plugin="plain")
    read_calls(link, 1)
    link.socket.sendall(frame(text("one")) + frame(text("two")))
    assert brief(link.bridge({})) == REFUSED
    assert link.closed()
    assert "OutOfStep" in [one["error"] for one in server.logged("event_refused")]


def test_a_reply_that_came_before_any_call_ends_the_connection(link):
    instance = link.start("ahead", {"steps": ["read headers"]})
    payload = M["RpcCall"](sequence=9, event={"instance_id": instance, "event_name": "access"}).SerializeToString()
    link.socket.sendall(frame(payload) + frame(PDK["kong.request.get_headers"]))
    assert brief(link.bridge(PDK)) == REFUSED
    assert link.closed()


def test_large_replies_that_nobody_asks_for_do_not_stop_a_large_answer(link):
    begin(link, "exit 3000000")
    outcome = link.bridge(
        {"kong.request.get_headers": PDK["kong.request.get_headers"], "kong.request.get_raw_body": body(b"x" * 900_000)}
    )
    assert (outcome.status, len(outcome.body)) == (200, 3_000_002)


def test_what_was_prefetched_for_one_event_is_never_given_to_the_next(link):
    instance = link.start("ahead", {"steps": ["quiet"]})
    assert link.event(instance, pdk=PDK).kind == "passed"
    begin(link, "read headers", "read body")
    assert told(link.bridge({**PDK, "kong.request.get_headers": headers({"token": "mine"})})) == ["mine", "b"]


def test_calls_that_nobody_waits_for_do_not_pile_up(server, link):
    begin(link, "many 1000", plugin="plain")
    unanswered = 0
    while link.read_frame() != b"kong.response.exit":
        unanswered += link.read_frame() is not None
    assert 0 < unanswered < 200
    link.close()
    with server.link() as other:
        all_calls_reach_kong(other)


def all_calls_reach_kong(link):
    begin(link, "many 1000", "read headers")
    read_calls(link, 2)
    for payload in PDK.values():
        link.reply(payload)
    outcome = link.bridge(PDK)
    assert named(outcome).count("log.err") == 1000
    assert told(outcome) == ["h"]
