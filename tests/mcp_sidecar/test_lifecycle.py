"""Agents that leave, agents that are slow, many at once, and the end of the process."""

import concurrent.futures
import contextlib
import http.client
import json
import os
import socket
import threading
from pathlib import Path

import pytest

from servers.launch import wait_for


@pytest.mark.requirement("SIDE-010")
@pytest.mark.parametrize("said", ["nothing", "half a body", "a stream's head", "an event"])
def test_an_agent_that_leaves_cancels_its_request_to_the_server(guard, kong, words, said):
    arrived, gone = threading.Event(), threading.Event()
    says = {
        "nothing": b"",
        "half a body": words.json_answer(words.result("a"))[:-5],
        "a stream's head": words.stream_answer(end=False),
        "an event": words.stream_answer(b'data: {"jsonrpc":"2.0","method":"notifications/message"}\n\n', end=False),
    }

    def waits(_request, connection):
        connection.sendall(says[said])
        arrived.set()
        connection.recv(1)
        gone.set()

    kong.play = waits
    connection = guard.open()
    assert arrived.wait(10)
    connection.close()
    assert gone.wait(10)
    assert guard.line()["outcome"] == "cancelled"


def most_that_sockets_hold():
    """Return how many bytes two connections in a row can hold, in the buffers of their four ends."""
    folder = Path("/proc/sys/net/ipv4")
    return 2 * sum(int((folder / name).read_text().split()[2]) for name in ("tcp_rmem", "tcp_wmem"))


@pytest.mark.requirement("SIDE-012")
def test_an_agent_that_reads_slowly_slows_its_server_and_nobody_else(guard, kong, words):
    text = b'{"jsonrpc":"2.0","id":7,"result":{"content":"%s"}}' % (b"x" * 60_000)
    event = words.chunk(b"data: " + text + b"\n\n")
    most = 2 * most_that_sockets_hold() // len(event)
    sent = []
    enough, over = threading.Event(), threading.Event()

    def floods(request, connection):
        if request.headers.get("user-agent") != ["slow"]:
            connection.sendall(words.json_answer(words.result("a")))
            return
        connection.sendall(words.stream_answer(end=False))
        while len(sent) < most and not enough.is_set():
            connection.sendall(event)
            sent.append(1)
        over.set()
        connection.sendall(b"0\r\n\r\n")

    kong.play = floods
    with contextlib.closing(guard.open(headers={"user-agent": "slow"}, **words.replay)) as slow:
        seen = -1
        while seen != len(sent):
            seen = len(sent)
            assert not over.wait(0.5), "the sidecar holds what its agent does not read"
        assert guard.ask().status == 200
        enough.set()
        received = slow.getresponse().read()
    assert over.wait(10)
    assert received.count(text) == len(sent)


def test_what_may_be_asked_twice_is_answered_though_all_idle_connections_are_gone(guard, kong, words):
    used, together = set(), threading.Barrier(5)

    def plays(_request, connection):
        if connection in used:
            return False
        used.add(connection)
        if not together.broken:
            together.wait()
        connection.sendall(words.json_answer(words.result("good"), connection=""))
        return True

    kong.play = plays
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        assert [answer.status for answer in pool.map(lambda _: guard.ask(), range(5))] == [200] * 5
    together.abort()
    assert guard.ask().status == 200


@pytest.mark.requirement("SIDE-012")
def test_a_hundred_streams_flow_while_one_event_is_huge(guard, kong, words):
    huge = words.result(*(f"secret-{number}-{'x' * 200}" for number in range(30_000)))
    rounds, streams = 5, 100
    finished = threading.Event()

    def plays(request, connection):
        connection.sendall(words.stream_answer(b": hello\n\n", end=False))
        if request.headers.get("user-agent") == ["huge"]:
            connection.sendall(words.chunk(b"data: " + huge + b"\n\n") + b"0\r\n\r\n")
            return
        for number in range(rounds):
            finished.wait(0.1)
            connection.sendall(words.chunk(b"data: " + words.result(f"small-{number}") + b"\n\n"))
        connection.sendall(b"0\r\n\r\n")

    def reads(_number):
        with contextlib.closing(guard.open(**words.replay)) as connection:
            response = connection.getresponse()
            seen = 0
            while line := response.readline():
                if line.startswith(b"data"):
                    assert json.loads(line[6:])["result"]["tools"][0]["name"] == f"small-{seen}"
                    seen += 1
            return seen

    kong.play = plays
    with concurrent.futures.ThreadPoolExecutor(streams + 1) as pool:
        answers = [pool.submit(reads, number) for number in range(streams)]
        big = pool.submit(guard.ask, headers={"user-agent": "huge"})
        assert [answer.result() for answer in answers] == [rounds] * streams
        assert b'"tools":[]' in big.result().body


@pytest.mark.requirement("SIDE-011")
def test_the_sidecar_ends_its_streams_and_exits_cleanly_when_told_to_stop(start, kong, words):
    guard = start()
    answering = threading.Barrier(4)
    done = threading.Event()

    def waits(request, connection):
        if request.headers.get("user-agent") != ["silent"]:
            connection.sendall(words.stream_answer(b": hello\n\n", end=False))
        answering.wait(10)
        done.wait(20)

    kong.play = waits
    silent = guard.open(headers={"user-agent": "silent"})
    post, get = guard.open(), guard.open(http_method="GET", method="", id=None)
    with contextlib.closing(silent), contextlib.closing(post), contextlib.closing(get):
        answering.wait(10)
        # Both streams have begun, for the sidecar too.
        posted, got = post.getresponse(), get.getresponse()
        assert got.read(3) == b":\n\n"
        assert guard.sidecar.stop() == 0
        done.set()
        assert silent.getresponse().status == 503
        error = posted.read().decode().partition("data: ")[2]
        assert json.loads(error)["error"]["code"] == -32004
        assert got.read() == b""
    assert [line["outcome"] for line in guard.sidecar.lines()] == ["stopped"] * 3
    assert not any(json.loads(line)["level"] == "error" for line in guard.sidecar.log.read_text().splitlines())


@pytest.mark.requirement("SIDE-011")
def test_a_request_that_is_nearly_done_may_finish_after_sigterm(start, kong, words):
    guard = start()
    asked, go = threading.Event(), threading.Event()

    def finishes(_request, connection):
        asked.set()
        go.wait(10)
        connection.sendall(words.json_answer(words.result("a")))

    kong.play = finishes
    with contextlib.closing(guard.open()) as connection:
        assert asked.wait(10)
        os.kill(guard.sidecar.process.pid, 15)
        go.set()
        assert connection.getresponse().status == 200
    assert guard.sidecar.process.wait(10) == 0


@pytest.mark.requirement("SHIP-302")
def test_what_comes_on_a_kept_connection_while_it_stops_is_answered_and_ends_the_connection(start, kong, words):
    guard = start()
    asked, go = threading.Event(), threading.Event()

    def waits(_request, connection):
        asked.set()
        go.wait(30)
        connection.sendall(words.json_answer(words.result("a")))

    def listens():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", guard.sidecar.port), 1):
            return True
        return False

    kong.play = waits
    kept = http.client.HTTPConnection("127.0.0.1", guard.sidecar.port, timeout=30)
    with contextlib.closing(kept), contextlib.closing(guard.open()) as running:
        kept.request("GET", "/livez")
        before = kept.getresponse()
        assert (before.status, before.getheader("connection"), before.read() != b"") == (200, None, True)
        assert asked.wait(30)
        os.kill(guard.sidecar.process.pid, 15)
        wait_for(lambda: not listens(), lambda: "it still listens", seconds=60)
        kept.request("GET", "/livez")
        last = kept.getresponse()
        assert (last.status, last.getheader("connection"), last.read() != b"") == (200, "close", True)
        go.set()
        assert running.getresponse().status == 200
    assert guard.sidecar.process.wait(30) == 0
