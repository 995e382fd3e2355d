"""Requests that are malformed, oversized, slow or many: what nginx refuses, and what keeps a connection alive."""

import socket

import pytest
from gateways import until

CHUNKED = b"POST / HTTP/1.1\r\nHost: x.test\r\nTransfer-Encoding: chunked\r\n"
REFUSED = {
    "length beside chunked": CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x.test\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
    "the same length twice": b"POST / HTTP/1.1\r\nHost: x.test\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: x.test\r\nContent-Length: 4, 4\r\n\r\nabcd",
    "a negative length": b"POST / HTTP/1.1\r\nHost: x.test\r\nContent-Length: -4\r\n\r\nabcd",
    "a signed length": b"POST / HTTP/1.1\r\nHost: x.test\r\nContent-Length: +4\r\n\r\nabcd",
    "a bad chunk size": b"POST / HTTP/1.1\r\nHost: x.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "a chunk longer than it said": CHUNKED + b"\r\n3\r\nabcdef\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: x.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: x.test\r\nX-A: 1\r\n folded\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : x.test\r\n\r\n",
    "a tab before the colon": b"POST / HTTP/1.1\r\nHost: x.test\r\nContent-Length\t: 4\r\n\r\nabcd",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x.test\r\nHost: y.test\r\n\r\n",
    "a host with a slash": b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "two authorizations": b"GET / HTTP/1.1\r\nHost: x.test\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
    "a null in a value": b"GET / HTTP/1.1\r\nHost: x.test\r\nX-A: a\0b\r\n\r\n",
    "a bare carriage return in a value": b"GET / HTTP/1.1\r\nHost: x.test\r\nX-A: a\rX-B: b\r\n\r\n",
    "a lower-case method": b"get / HTTP/1.1\r\nHost: x.test\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: x.test\r\n\r\n",
    "a path above the root": b"GET /../x HTTP/1.1\r\nHost: x.test\r\n\r\n",
    "a bad escape": b"GET /%zz HTTP/1.1\r\nHost: x.test\r\n\r\n",
    "an escaped null": b"GET /%00 HTTP/1.1\r\nHost: x.test\r\n\r\n",
    "a relative target": b"GET x HTTP/1.1\r\nHost: x.test\r\n\r\n",
    "a header line of 9 KiB": b"GET / HTTP/1.1\r\nHost: x.test\r\nX-A: " + b"a" * 9000 + b"\r\n\r\n",
    "a head of 40 KiB": b"GET / HTTP/1.1\r\nHost: x.test\r\n"
    + b"".join(b"X-%d: %b\r\n" % (i, b"a" * 4000) for i in range(10))
    + b"\r\n",
}


@pytest.mark.requirement("KIT-014")
@pytest.mark.parametrize("shape", REFUSED)
def test_what_could_smuggle_a_request_is_refused(gateway, upstream, shape):
    before = len(upstream.seen)
    answer = gateway.raw(REFUSED[shape] + b"GET /smuggled HTTP/1.1\r\nHost: x.test\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert len(upstream.seen) == before


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: x.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: x.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
        (b"TRACE / HTTP/1.1\r\nHost: x.test\r\n\r\n", 405),
        (b"CONNECT x.test:80 HTTP/1.1\r\nHost: x.test\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x.test\r\n\r\n", 505),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x.test\r\n\r\n", 414),
    ],
)
def test_other_requests_are_refused_with_their_own_status(gateway, data, status):
    assert gateway.raw(data).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(
    "data",
    [
        b"GET /api/v1/x HTTP/1.1\nHost: x.test\nConnection: close\n\n",
        b"\r\n\r\nGET /api/v1/x HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n\r\n",
        b"GET http://x.test/api/v1/x HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n\r\n",
        b"GET /api/v1/x HTTP/1.0\r\nHost: x.test\r\n\r\n",
        b"GET /api/v1/x HTTP/1.1\r\nHost: x.test\r\nX@Bad: 1\r\nConnection: close\r\n\r\n",
    ],
)
def test_what_nginx_lets_pass_is_let_pass(gateway, data):
    assert gateway.raw(data).startswith(b"HTTP/1.1 200 ")


def test_requests_may_be_pipelined_on_one_connection(gateway):
    one = b"GET /api/v1/%d HTTP/1.1\r\nHost: x.test\r\n\r\n"
    last = b"GET /api/v1/3 HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n\r\n"
    answer = gateway.raw(one % 1 + one % 2 + last)
    assert answer.count(b"HTTP/1.1 200 ") == 3
    assert [answer.index(b'"path": "/api/v1/%d"' % n) for n in (1, 2, 3)] == sorted(
        answer.index(b'"path": "/api/v1/%d"' % n) for n in (1, 2, 3)
    )


def test_the_connection_lives_on_after_a_refusal_by_a_plugin(gateway):
    data = b"POST / HTTP/1.1\r\nHost: exit.test\r\nContent-Length: 5\r\n\r\nhello"
    answer = gateway.raw(data + b"GET /api/v1/x HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"HTTP/1.1 200 " in answer


def test_a_client_that_waits_is_told_to_continue(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nHost: x.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
        )
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        received = b""
        while piece := client.recv(65536):
            received += piece
    assert b'"body": "hello"' in received
    assert b"Expect" not in received


def stream(gateway, path):
    client = socket.create_connection(("127.0.0.1", gateway.port), 10)
    client.sendall(b"GET %b HTTP/1.1\r\nHost: streamed.test\r\n\r\n" % path.encode())
    return client


def read_until(client, mark):
    received = b""
    while mark not in received:
        piece = client.recv(65536)
        assert piece, received
        received += piece
    return received


@pytest.mark.requirement("KIT-015")
def test_events_arrive_one_by_one_and_the_upstream_learns_when_the_client_leaves(gateway, upstream):
    path = f"/sse/{gateway.kind}"
    events = upstream.streams[path]
    with stream(gateway, path) as client:
        for number in range(3):
            events.ticks.release()
            read_until(client, b"data: %d\n\n" % number)

    def tick():
        events.ticks.release()
        return events.gone.wait(0.05)

    until(tick, 10, "the upstream's notice")


@pytest.mark.requirement("KIT-015")
def test_two_hundred_streams_run_side_by_side(gateway, upstream):
    path = f"/sse/now/{gateway.kind}"
    clients = [stream(gateway, path) for _ in range(200)]
    for client in clients:
        read_until(client, b"data: 0\n\n")
    assert upstream.seen.count(("GET", path)) == 200
    for client in clients:
        client.close()
    for _ in range(400):
        upstream.streams[path].ticks.release()
