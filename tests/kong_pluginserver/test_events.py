from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from kongside import Link, Server, body, descriptors, frame, until

ODD = Path(__file__).with_name("odd_plugin.py").read_text()
REFUSED = (503, b'{"error":"odd"}', {"Content-Type": "application/json", "X-Refused-By": "odd"})
NO_TEXT = (400, b'{"error":"no text"}', REFUSED[2])
DEADLINE = 0.4


@pytest.fixture(scope="module")
def server():
    one = Server({"odd.py": ODD}, "--deadline", str(DEADLINE), "--max-body", "100000", "--workers", "1").start()
    yield one
    one.stop()
    shutil.rmtree(one.home)


@pytest.fixture
def run(server):
    """Run one event with one behaviour on a connection of its own."""

    def run(do: str, phase: str = "access", pdk=None):
        with server.link() as link:
            instance = link.start("odd", {"do": do})
            outcome = link.event(instance, phase, pdk)
            if outcome.kind == "exited":
                assert link.closed(), "the connection stays open after an exit"
            return outcome

    return run


def told(outcome):
    return (outcome.status, outcome.body, outcome.headers)


def test_an_event_that_ends_well_leaves_the_connection_open_for_the_next(server):
    with server.link() as link:
        instance = link.start("odd", {"do": "reads_method"})
        for _ in range(3):
            assert link.event(instance).kind == "passed"


@pytest.mark.requirement("SRV-001")
@pytest.mark.parametrize(
    "do",
    ["raises", "raises_later", "exits_python", "recurses", "runs_out_of_memory", "interrupts", "calls_unknown"],
)
def test_whatever_a_phase_raises_is_answered_with_the_plugins_refusal(run, do):
    outcome = run(do)
    assert told(outcome) == REFUSED
    assert run("nothing").kind == "passed", "the worker did not survive"


@pytest.mark.requirement("SRV-002")
def test_a_failure_is_logged_once_with_type_and_place_and_without_its_message(server):
    before = len(server.logged("event_refused"))
    with server.link() as link:
        link.event(link.start("odd", {"do": "raises_later"}))
    new = until(lambda: server.logged("event_refused")[before:])
    assert len(new) == 1
    assert new[0]["error"] == "ValueError"
    assert new[0]["plugin"] == "odd"
    assert "odd.py:" in new[0]["at"]
    assert "secret-token-123" not in server.log.read_text()


@pytest.mark.requirement("SRV-003")
@pytest.mark.parametrize("do", ["sleeps", "spins", "spins_and_swallows"])
def test_a_phase_that_runs_past_its_deadline_is_refused(run, do):
    assert told(run(do)) == REFUSED


@pytest.mark.requirement("SRV-003")
def test_a_pdk_call_that_kong_does_not_answer_in_time_is_refused_and_kong_can_still_answer(server):
    with server.link() as link:
        link.send_call(event={"instance_id": link.start("odd", {"do": "reads_method"}), "event_name": "access"})
        assert link.read_frame() == b"kong.request.get_method"
        assert link.read_frame() == b""
        # Kong comes back only now, long after the refusal was sent: it must not find the connection closed.
        assert link.read_frame() == b"kong.response.exit"
        link.reply(b"")
        assert b'{"error":"odd"}' in link.read_frame()
        assert link.closed()


@pytest.mark.requirement("SRV-003")
def test_an_event_that_waits_does_not_hold_up_another(server):
    with server.link() as slow, server.link() as quick:
        slow.send_call(event={"instance_id": slow.start("odd", {"do": "reads_method"}), "event_name": "access"})
        assert slow.read_frame() == b"kong.request.get_method"
        assert quick.event(quick.start("odd", {"do": "reads_method"})).kind == "passed"
        slow.read_frame()
        slow.reply(b"")
        assert slow.read_frame() == b""


@pytest.mark.requirement("SRV-009")
def test_exit_stops_the_phase_at_once_and_closes_the_connection(run):
    outcome = run("denies")
    assert (outcome.status, json.loads(outcome.body)) == (403, {"message": "no"})
    assert outcome.headers["X-Why"] == "because"
    assert [method for method, _ in outcome.calls] == ["kong.response.exit"]


@pytest.mark.requirement("SRV-009")
def test_a_plugin_that_swallows_the_exit_can_do_nothing_more(run):
    outcome = run("denies_and_goes_on")
    assert (outcome.status, outcome.body) == (403, b"no")


@pytest.mark.requirement("SRV-001")
def test_an_exit_that_kong_would_not_take_is_refused(run):
    assert told(run("denies_badly")) == REFUSED


@pytest.mark.requirement("SRV-006")
@pytest.mark.parametrize("do", ["catches_exceptions", "swallows_everything"])
@pytest.mark.parametrize("name", [b"x-\xff", b"x-ok"])
def test_a_header_that_is_not_utf8_is_refused_even_if_the_plugin_swallows_it(run, do, name):
    value = b"\x1a\x02\xfe\xff"
    entry = b"\x0a" + bytes([len(name)]) + name + b"\x12" + bytes([len(value)]) + value
    outcome = run(do, pdk={"kong.request.get_headers": b"\x0a" + bytes([len(entry)]) + entry})
    assert told(outcome) == NO_TEXT


@pytest.mark.requirement("SRV-004")
@pytest.mark.parametrize("garbage", [b"\xff", b"\x0a\xff", b"\x0a\x05\x0a\x01", b"\x0f", b"\x80" * 11])
def test_a_reply_that_cannot_be_decoded_is_refused(run, garbage):
    assert told(run("catches_exceptions", pdk={"kong.request.get_headers": garbage})) == REFUSED


@pytest.mark.requirement("SRV-004")
def test_a_reply_larger_than_allowed_is_read_away_and_refused(run):
    huge = {"kong.request.get_raw_body": b"\x0a" + b"\xff" * (3 << 20)}
    assert told(run("echoes_body", pdk=huge)) == REFUSED


def test_a_body_in_memory_comes_as_bytes(run):
    outcome = run("echoes_body", pdk={"kong.request.get_raw_body": body(b"\xff\x00hello")})
    assert b"bytes 7" in outcome.calls[-1][1]


def test_no_body_comes_as_empty_bytes(run):
    assert b"bytes 0" in run("echoes_body", pdk={"kong.request.get_raw_body": b""}).calls[-1][1]


@pytest.mark.requirement("SRV-007")
def test_a_body_in_a_file_is_read(run, tmp_path):
    (tmp_path / "body").write_bytes(b"x" * 100_000)
    outcome = run("echoes_body", pdk={"kong.request.get_raw_body": body(path=str(tmp_path / "body"))})
    assert b"bytes 100000" in outcome.calls[-1][1]


@pytest.mark.requirement("SRV-007")
@pytest.mark.parametrize("kind", ["missing", "directory", "pipe", "link", "too large", "relative", "nul"])
def test_a_body_file_that_cannot_be_trusted_is_refused(run, tmp_path, kind):
    path = tmp_path / "body"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        (tmp_path / "real").write_bytes(b"x")
        path.symlink_to(tmp_path / "real")
    elif kind == "too large":
        path.write_bytes(b"x" * 100_001)
    given = {"relative": "body", "nul": f"{path}\0x"}.get(kind, str(path))
    pdk = {"kong.request.get_raw_body": body(path=given)}
    assert told(run("echoes_body", pdk=pdk)) == REFUSED
    assert told(run("catches_exceptions", pdk=pdk)) == REFUSED


@pytest.mark.requirement("SRV-007")
def test_a_body_that_kong_cannot_read_is_refused(run):
    assert told(run("echoes_body", pdk={"kong.request.get_raw_body": body(error="no")})) == REFUSED


@pytest.mark.requirement("SRV-010")
def test_an_upstream_that_kong_does_not_confirm_is_refused(run):
    assert told(run("opens_upstream")) == REFUSED
    assert run("opens_upstream", pdk={"kong.service.set_upstream": b"\x08\x01"}).kind == "passed"


def test_a_pdk_call_from_another_thread_fails(run):
    assert b"PDKError" in run("calls_from_a_thread").calls[-1][1]


@pytest.mark.requirement("SRV-011")
@pytest.mark.parametrize("phase", ["log", "certificate"])
@pytest.mark.parametrize("do", ["raises", "denies", "sleeps"])
def test_where_exit_is_impossible_a_failure_ends_the_event_properly(server, phase, do):
    before = len(server.logged("event_failed"))
    with server.link() as link:
        instance = link.start("odd", {"do": do})
        assert link.event(instance, phase).kind == "passed"
        assert link.event(instance, phase).kind == "passed"
    assert len(server.logged("event_failed")) == before + 2


@pytest.mark.requirement("SRV-001")
@pytest.mark.parametrize("phase", ["rewrite", "response", "__init__", "header_filter", ""])
def test_a_phase_that_the_plugin_does_not_have_is_refused(run, phase):
    assert told(run("nothing", phase)) == REFUSED


@pytest.mark.requirement("SRV-012")
def test_an_unknown_instance_is_closed_without_an_answer_so_that_kong_starts_it_anew(server):
    for instance in (1, 0, -5, 2**31 - 1):
        with server.link() as link:
            assert link.event(instance).kind == "closed"
    assert server.logged("unknown_instance")


@pytest.mark.requirement("SRV-013")
def test_an_instance_that_cannot_start_is_closed_and_its_cause_logged_once(server):
    for _ in range(3):
        with server.link() as link:
            assert link.start("odd", {"do": "fails to start"}) is None
    causes = [one for one in server.logged("instance_not_started") if one["error"] == "RuntimeError"]
    assert [cause["plugin"] for cause in causes] == ["odd"]
    assert "message" not in causes[0]
    assert "secret-token-123" not in server.log.read_text()


@pytest.mark.requirement("SRV-002")
def test_an_exception_class_may_vouch_for_its_message(server):
    with server.link() as link:
        assert link.start("odd", {"do": "says why it fails"}) is None
    assert [one["message"] for one in server.logged("instance_not_started") if one["error"] == "BadConfig"] == [
        "policy: no such file"
    ]


@pytest.mark.requirement("SRV-013")
@pytest.mark.parametrize("config", [{"do": "starts forever"}, {}, [1], None])
def test_a_start_that_takes_too_long_or_has_no_sense_is_closed(server, config):
    with server.link() as link:
        assert link.start("odd", config) is None


def test_a_plugin_that_does_not_exist_cannot_be_started(server):
    with server.link() as link:
        assert link.start("nobody") is None
    assert "no plugin of this name" in [one["error"] for one in server.logged("instance_not_started")]


@pytest.mark.requirement("SRV-012")
def test_a_closed_instance_is_unknown_and_closing_it_again_does_no_harm(server):
    with server.link() as link:
        instance = link.start("odd", {"do": "nothing"})
        assert link.call(close={"instance_id": instance}).HasField("status")
        assert link.call(close={"instance_id": instance}).HasField("status")
        assert link.event(instance).kind == "closed"


@pytest.mark.requirement("SRV-013")
def test_names_info_and_status_are_told_without_the_configuration(server):
    with server.link() as link:
        assert list(link.call(names={}).names.names) == ["odd"]
        info = link.call(info={"name": "odd"}).info
        assert (info.name, info.version, info.priority) == ("odd", "1.0.0", 10)
        assert list(info.phases) == ["certificate", "access", "log"]
        assert json.loads(info.schema)["fields"][1]["config"]["fields"][0]["do"]["required"] is True
        instance = link.start("odd", {"do": "nothing", "key": "secret-token-123"})
        status = link.call(status={"instance_id": instance})
        assert (status.status.name, status.status.instance_id) == ("odd", instance)
        assert b"secret-token-123" not in status.SerializeToString()


@pytest.mark.requirement("SRV-005")
@pytest.mark.parametrize(
    "sent",
    [frame(b"\xff\xff"), frame(b""), frame(b"\x08\x01"), frame(b"\x08\x01\xa2\x02\x50"), frame(b"\xa0\x02\x01")],
)
def test_a_call_that_makes_no_sense_is_closed_and_logged(server, sent):
    before = len(server.logged("connection_lost"))
    with server.link() as link:
        link.socket.sendall(sent)
        assert link.closed()
    assert until(lambda: server.logged("connection_lost")[before:])


@pytest.mark.requirement("SRV-005")
def test_a_call_cut_short_is_closed_and_logged(server):
    before = len(server.logged("connection_lost"))
    for piece in (b"\x10", b"\x10\x00\x00\x00", b"\x10\x00\x00\x00abc"):
        with server.link() as link:
            link.socket.sendall(piece)
    assert len(until(lambda: server.logged("connection_lost")[before + 2 :])) == 1


@pytest.mark.requirement("SRV-021")
def test_frames_may_come_one_byte_at_a_time_or_all_at_once(server):
    with server.link() as link:
        instance = link.start("odd", {"do": "reads_method"})
        for number in (7, 8):
            payload = b"\x08" + bytes([number]) + b"\xa2\x02" + bytes([len(_event(instance))]) + _event(instance)
            for at in range(len(frame(payload))):
                link.socket.sendall(frame(payload)[at : at + 1])
            assert link.read_frame() == b"kong.request.get_method"
            link.read_frame()
            link.socket.sendall(frame(b""))
            assert (link.read_frame(), link.read_frame()) == (b"", b"\x08" + bytes([number]))
        link.socket.sendall(frame(payload))
        assert link.read_frame() == b"kong.request.get_method"
        link.socket.sendall(frame(b""))
        assert [link.read_frame() for _ in range(3)] == [b"", b"", b"\x08\x08"]


def _event(instance: int) -> bytes:
    number = b""
    while instance > 0x7F:
        number += bytes([instance & 0x7F | 0x80])
        instance >>= 7
    return b"\x08" + number + bytes([instance]) + b"\x12\x06access"


def test_a_large_exit_reaches_a_slow_reader_whole(serve):
    source = ODD.replace('{"message": "no"}', '"x" * 3_000_000')
    server = serve({"odd.py": source}, "--workers", "1")
    with server.link() as link:
        instance = link.start("odd", {"do": "denies"})
        link.send_call(event={"instance_id": instance, "event_name": "access"})
        with server.link() as other:
            assert other.event(other.start("odd", {"do": "reads_method"})).kind == "passed"
        outcome = link.bridge({})
    assert len(outcome.body) == 3_000_000


@pytest.mark.requirement("SRV-008")
def test_nothing_is_left_of_vanished_peers(server):
    worker = server.workers()[0]
    with server.link() as link:
        instance = link.start("odd", {"do": "reads_method"})
    before = until(lambda: descriptors(worker))
    for number in range(200):
        with Link(server.path) as link:
            if number % 2:
                link.send_call(event={"instance_id": instance, "event_name": "access"})
                link.read_frame()
    until(lambda: descriptors(worker) <= before, what="all descriptors closed")
    with server.link() as link:
        assert link.event(instance).kind == "passed"
