"""Probes of real sockets: what goes wrong on the way is found, within the time that a probe may take."""

import contextlib
import threading

import anyio
import pytest

from mcp_core.health.probe import ID, Sign, Way
from mcp_sidecar.health.asking import ProbeAsker
from servers.hostile_server import HostileServer, head
from servers.launch import FEATURES, Replica
from servers.legacy_server import legacy_server

GOOD = b'{"jsonrpc":"2.0","id":"%s","result":{}}' % ID.encode()
TOO_LONG = b'{"jsonrpc":"2.0","id":"%s","result":{"x":"%s"}}' % (ID.encode(), b"x" * 400_000)
HANGS = threading.Event()


def say(data):
    return lambda _message, write: write(data)


def hang(_message, _write):
    HANGS.wait(10)


def drip(_message, write):
    write(head(length=len(GOOD)))
    for number in range(20):
        write(GOOD[number : number + 1])
        if HANGS.wait(0.5):
            return


def stream(*events):
    return say(head("text/event-stream") + b"".join(b"data: %s\n\n" % event for event in events))


SERVERS = {
    "answers": (say(head(length=len(GOOD)) + GOOD), True, "ok"),
    "streams its answer": (stream(b'{"jsonrpc":"2.0","method":"notifications/message","params":{}}', GOOD), True, "ok"),
    "says very much": (say(head(length=len(TOO_LONG)) + TOO_LONG), True, "ok"),
    "wants to know who asks": (say(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), True, "asks-who"),
    "hangs": (hang, False, "timeout"),
    "says one byte at a time": (drip, False, "timeout"),
    "breaks off after its head": (say(head(length=100)), False, "reset"),
    "gives half an answer": (say(head(length=100) + GOOD[:20]), False, "reset"),
    "ends a stream without an answer": (
        stream(b'{"jsonrpc":"2.0","method":"notifications/message"}'),
        False,
        "not-mcp",
    ),
    "is no HTTP": (say(b"SSH-2.0-x\r\n"), False, "reset"),
    "is a page": (say(head("text/html", length=6) + b"<html>"), False, "not-mcp"),
    "says nothing": (say(b""), False, "reset"),
}


async def probe(url, count=1):
    asker = ProbeAsker("1.0")
    known = asker.meet()
    try:
        findings = [await asker.probe(url, known) for _ in range(count)]
        return findings[-1], known
    finally:
        await asker.leave(url, known)
        await asker.aclose()


@pytest.mark.requirement("HEALTH-001")
@pytest.mark.parametrize("name", SERVERS)
def test_each_way_to_be_ill_is_found(name):
    play, well, word = SERVERS[name]
    with contextlib.closing(HostileServer(play)) as server:
        finding, _ = anyio.run(probe, server.url)
    HANGS.clear()
    assert finding == Sign(well=well, word=word)


@pytest.mark.requirement("HEALTH-001")
def test_nobody_there_is_found():
    with contextlib.closing(HostileServer()) as server:
        url = server.url
    finding, _ = anyio.run(probe, url)
    assert finding.word in ("refused", "reset")


@pytest.mark.slow
@pytest.mark.requirement("HEALTH-006")
def test_a_server_of_the_official_sdk_is_asked_in_the_prober_s_own_name():
    replica = Replica("one")
    try:
        finding, known = anyio.run(probe, replica.url, 3)
        assert (finding, known.way) == (Sign(well=True, word="ok"), Way.MODERN)
        assert {headers["user-agent"] for _, headers in replica.requests()} == {"kong-mcp-probe/1.0"}
    finally:
        replica.kill()


@pytest.mark.requirement("HEALTH-006")
def test_a_session_that_was_opened_for_probes_is_ended_and_costs_one_request_a_probe():
    with legacy_server([]) as server:
        finding, known = anyio.run(probe, server.url, 3)
        assert (finding.well, known.session) == (True, None)
        asked = [method for method, _ in server.seen]
    assert asked[:4] == ["server/discover", "initialize", "notifications/initialized", "tools/list"]
    assert asked[4:] == ["ping", *asked[1:4], "ping", *asked[1:4], "DELETE"]


@pytest.mark.slow
@pytest.mark.requirement("HEALTH-006")
def test_the_stream_of_the_first_transport_is_a_sign_of_life():
    replica = Replica("one", "--sse", script=FEATURES)
    try:
        finding, known = anyio.run(probe, replica.url, 2)
        assert (finding, known.way) == (Sign(well=True, word="ok"), Way.STREAM)
    finally:
        replica.kill()
