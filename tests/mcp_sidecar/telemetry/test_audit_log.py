"""The audit log's files: whole after each end, found in by an index, and proven to others."""

import json
import re
import resource
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from kong_mcp.cli import main
from mcp_core.telemetry.chain import START, LogHead, head_of
from mcp_core.telemetry.ocsf import event
from mcp_core.telemetry.visit import read
from mcp_sidecar.telemetry.audit_log import AuditLog, public_text, segments, signing_key
from mcp_sidecar.telemetry.audit_reading import HeadError, search, verify
from servers.kong_records import NOW, SAID, logged

SECRET = b"k" * 32
KEYS = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
KEY = signing_key(SECRET)
PUBLIC = [public_text(KEY)]


def told(number, **said):
    value = logged(said={**SAID, **said}, request={"id": f"{number:032x}"}, started_at=NOW + number * 1000)
    return event(read(value, NOW)[0], "0.2.0", lambda name: name)


@pytest.fixture
def log(tmp_path):
    return AuditLog(tmp_path / "audit", KEY, lines=10)


@pytest.fixture
def full(log):
    """35 lines in four segments, the last one open; line 23 is another principal's."""
    for number in range(35):
        log.append([told(number, principal="eve" if number == 22 else "ada")])
    log.sign(NOW)
    return log


def files(log):
    return [path.name for path in segments(log._folder)]


@pytest.mark.requirement("AUD-003")
def test_a_log_holds_and_goes_on_after_a_start(full):
    assert files(full) == [f"audit-{number:012}.jsonl" for number in (1, 11, 21, 31)]
    again = AuditLog(full._folder, KEY, lines=10)
    assert again.head == full.head
    again.append([told(35), told(36)])
    proof = verify(full._folder, PUBLIC)
    assert (proof.problem, proof.lines, proof.last.seq) == (None, 37, 37)


@pytest.mark.requirement("AUD-004")
def test_lines_that_nobody_was_told_of_are_taken_off(full):
    head = full.head
    full.append([told(number) for number in range(40, 50)])
    assert full.cut_back(head) == 10
    assert verify(full._folder, PUBLIC).last == head
    assert full.cut_back(head) == 0
    full.append([told(50)])
    assert verify(full._folder, PUBLIC).lines == 36


@pytest.mark.requirement("AUD-004")
def test_half_a_line_of_a_process_that_was_killed_is_taken_off(full):
    with segments(full._folder)[-1].open("ab") as file:
        file.write(b'{"seq":36,"previous":"0123')
    again = AuditLog(full._folder, KEY, lines=10)
    again.cut_back(again.head)
    again.append([told(36)])
    assert verify(full._folder, PUBLIC).problem is None


@pytest.mark.requirement("AUD-004")
def test_a_full_disk_leaves_nothing_half_written(log):
    log.append([told(number) for number in range(8)])
    size, head = segments(log._folder)[0].stat().st_size, log.head
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, before[1]))
    try:
        with pytest.raises(OSError, match="large"):
            log.append([told(number) for number in range(8, 30)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (log.head, segments(log._folder)[0].stat().st_size) == (head, size)
    log.append([told(number) for number in range(8, 30)])
    assert verify(log._folder, PUBLIC).lines == 30


@pytest.mark.requirement("AUD-003")
@pytest.mark.parametrize("line", [0, 9, 10, 34])
def test_a_changed_line_is_named(full, line):
    path = segments(full._folder)[line // 10]
    path.write_bytes(path.read_bytes().replace(f'"uid":"{line:032x}"'.encode(), f'"uid":"{99:032x}"'.encode()))
    assert f"line {line + 1}" in verify(full._folder, PUBLIC).problem


@pytest.mark.requirement("AUD-003")
def test_heads_count_only_from_those_who_may_sign(full):
    with pytest.raises(HeadError, match="not among those given"):
        verify(full._folder, [public_text(signing_key(b"x" * 32))])
    heads = full._folder / "heads.jsonl"
    one = json.loads(heads.read_text().splitlines()[0])
    heads.write_text(json.dumps({**one, "seq": 3}) + "\n")
    with pytest.raises(HeadError, match="does not hold"):
        verify(full._folder, PUBLIC)


@pytest.mark.requirement("AUD-006")
def test_what_is_too_old_goes_and_the_chain_still_holds(full):
    assert full.forget(NOW + 25_000) == 2
    assert files(full) == ["audit-000000000021.jsonl", "audit-000000000031.jsonl"]
    proof = verify(full._folder, PUBLIC)
    assert (proof.problem, proof.first, proof.lines) == (None, 21, 15)
    segments(full._folder)[0].unlink()
    full._folder.joinpath("heads.jsonl").unlink()
    assert "no signed head says" in verify(full._folder, PUBLIC).problem


@pytest.mark.requirement("AUD-006")
@pytest.mark.parametrize("place", [10, 19])
def test_a_record_that_came_late_takes_no_newer_line_with_it(log, place):
    """Line 11 (the first of its segment) or 20 (the last) is of a request long before: Kong had held its record."""
    for number in range(25):
        log.append([told(number - 5_000 if number == place else number)])
    log.sign(NOW)
    assert log.forget(NOW + 8_000) == 0  # lines 9 and 10 are not that old, whatever stands behind them
    assert log.forget(NOW + 12_000) == 1
    assert log.forget(NOW + 18_000) == 0
    assert files(log) == ["audit-000000000011.jsonl", "audit-000000000021.jsonl"]
    assert verify(log._folder, PUBLIC).problem is None


def spoil(segment):
    segment.write_bytes(b"not even JSON\n")


@pytest.mark.requirement("AUD-008")
@pytest.mark.parametrize("place", [1, 9, 10, 19])
def test_what_is_older_than_asked_is_not_read_wherever_its_newest_line_stands(log, place):
    """The newest line of a segment is its first, or its last: the others came late."""
    for number in range(25):
        log.append([told(place if number == place else number - 5_000)])
    log.sign(NOW)
    spoil(segments(log._folder)[1 - place // 10])
    assert [one["seq"] for one in search(log._folder, {}, since=NOW)] == [place + 1]
    assert [one["seq"] for one in search(log._folder, {}, since=NOW + place * 1000)] == [place + 1]
    spoil(segments(log._folder)[place // 10])
    assert list(search(log._folder, {}, since=NOW + place * 1000 + 1)) == []


@pytest.mark.requirement("AUD-008")
def test_a_segment_of_which_an_earlier_release_noted_no_time_is_read(full):
    noted = [path.with_suffix(".newest") for path in segments(full._folder)[:3]]
    texts = [path.read_bytes() for path in noted]
    noted[0].unlink()
    noted[1].write_bytes(b"")
    noted[2].write_bytes(b'{"format":2,"newest":1}\n')
    assert [one["seq"] for one in search(full._folder, {}, since=NOW + 9_000)] == list(range(10, 36))
    for count in range(1, 4):
        full.date()
        assert [path.exists() and path.read_bytes() for path in noted][:count] == texts[:count]
    assert full.forget(NOW + 20_000) == 2


@pytest.mark.requirement("AUD-008")
def test_a_segment_that_is_written_anew_is_found_by_its_new_lines(full):
    """The store went back, from a backup say, behind the beginning of a full segment, whose lines come again."""
    (head, _) = head_of(segments(full._folder)[1].read_bytes().splitlines()[-1])
    full.cut_back(head)
    assert not list(full._folder.glob("audit-000000000021.*"))
    for number in range(60, 75):
        full.append([told(number, principal="new")])
    full.sign(NOW)
    assert [one["seq"] for one in search(full._folder, {"principal": ["new"]}, since=NOW + 74_000)] == [35]
    assert next(search(full._folder, {"principal": ["new"]}, since=NOW + 69_000))["seq"] == 30


@pytest.mark.requirement("AUD-005")
def test_one_line_is_found_and_segments_that_cannot_hold_it_are_not_read(full):
    for path in segments(full._folder)[:2]:
        path.write_bytes(b"not even JSON\n")  # by their index they need not be read
    assert [one["seq"] for one in search(full._folder, {"principal": ["eve"]})] == [23]
    assert [one["seq"] for one in search(full._folder, {"request": [f"{30:032x}"]})] == [31]
    assert [one["seq"] for one in search(full._folder, {"principal": ["eve"], "item": ["bad"]})] == []


@pytest.mark.requirement("AUD-004")
def test_a_log_that_lost_its_end_does_not_hide_that(full):
    ahead = LogHead(40, "f" * 64)
    full.cut_back(ahead)
    full.append([told(41)])
    assert "line 36 is missing" in verify(full._folder, PUBLIC).problem
    assert AuditLog(full._folder / "none", KEY).head == START


def run(*arguments, status=0, env=None):
    done = CliRunner().invoke(main, ["audit", *map(str, arguments)], env=env or {"KONG_MCP_KEYS": KEYS})
    assert done.exit_code == status, done.output
    return done


@pytest.mark.requirement("AUD-007")
def test_the_command_line_proves_finds_and_hands_on(full, tmp_path):
    folder = full._folder
    assert "35 line(s) hold, 1 to 35" in run("verify", "--log", folder).output
    public = run("key").output.strip()
    assert "35 line(s) hold" in run("verify", "--log", folder, "--public-key", public, env={"KONG_MCP_KEYS": ""}).output
    (line,) = run("search", "--log", folder, "--principal", "eve").output.splitlines()
    assert line.split("  ")[0] == "23"
    assert line.split("  ")[4:] == ["eve", "notes", "tools/call", "good", f"{22:032x}"]
    out = tmp_path / "out.jsonl"
    assert "after: 35" in run("export", "--log", folder, "--to", out).output
    assert "after: 35" in run("export", "--log", folder, "--to", out, "--after", 30).output
    sent = [json.loads(one)["metadata"]["uid"] for one in out.read_text().splitlines()]
    assert sent == [f"{number:032x}" for number in (*range(35), *range(30, 35))]
    path = segments(folder)[1]
    path.write_bytes(path.read_bytes().replace(b'"ada"', b'"bob"', 1))
    assert "line 11 was changed" in run("verify", "--log", folder, status=1).output
    assert "name --store" in run("verify", status=2).output


@pytest.mark.requirement("AUD-007")
def test_events_are_handed_on_by_http_and_an_endpoint_that_fails_says_where_to_go_on(full):
    taken, statuses = [], iter([200, 500])

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self):
            body, status = json.loads(self.rfile.read(int(self.headers["Content-Length"]))), next(statuses)
            taken.extend(body if status == 200 else [])
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Taker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/ocsf"
        assert "after: 35" in run("export", "--log", full._folder, "--to", url).output
        assert (
            "go on with --after 30" in run("export", "--log", full._folder, "--to", url, "--after", 30, status=1).output
        )
        server.shutdown()
    assert [one["metadata"]["uid"] for one in taken] == [f"{number:032x}" for number in range(35)]


@pytest.mark.requirement("AUD-007")
def test_events_are_handed_on_by_syslog_over_udp_and_tcp(full):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.create_server(("127.0.0.1", 0)) as tcp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(60)
        run(
            "export",
            "--log",
            full._folder,
            "--to",
            f"syslog+udp://127.0.0.1:{udp.getsockname()[1]}",
            "--principal",
            "eve",
        )
        datagram = udp.recv(65_536)
        run(
            "export",
            "--log",
            full._folder,
            "--to",
            f"syslog+tcp://127.0.0.1:{tcp.getsockname()[1]}",
            "--principal",
            "eve",
        )
        with tcp.accept()[0] as connection, connection.makefile("rb") as stream:
            told = stream.read()
    assert told == b"%d %s" % (len(datagram), datagram)
    head, _, event = datagram.partition(b" - audit - ")
    assert re.fullmatch(rb"<109>1 [0-9-]{10}T[0-9:.]{12}Z [^ ]+ kong-mcp", head)
    assert json.loads(event)["actor"]["user"]["name"] == "eve"
