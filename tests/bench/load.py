"""A small closed-loop HTTP load generator: N keep-alive connections in one process, each waiting for its answer."""

import json
import selectors
import socket
import statistics
import sys
import time

FIRST = 1_000_000_000
"""Stands in a request where each that is sent shall have an id of its own."""
_OF_A_CONNECTION = 1_000_000
_PATIENCE = 60
_OTHER = "200, but not the answer to what was asked"


class _Connection:
    def __init__(self, address, request, selector):
        self.address = address
        self.request = request
        self.selector = selector
        self.buffer = b""
        self.since = 0.0
        self._connect()

    def _connect(self):
        self.socket = socket.create_connection(self.address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selector.register(self.socket, selectors.EVENT_READ, self)

    def send(self):
        self.buffer = b""
        self.since = time.perf_counter()
        self.socket.sendall(self.request)

    def read(self):
        """Return the status of a complete answer, or None while it is incomplete. They have a length, or chunks."""
        try:
            chunk = self.socket.recv(65536)
        except ConnectionResetError:
            chunk = b""
        if not chunk and self.buffer:
            raise ConnectionError("the gateway closed the connection in the middle of an answer")
        if not chunk:  # nginx ends a connection after so many requests; the next one goes over a new connection
            self.selector.unregister(self.socket)
            self.socket.close()
            self._connect()
            self.socket.sendall(self.request)
            return None
        self.buffer += chunk
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return None
        lower = head.lower()
        at = lower.find(b"content-length:")
        if at < 0:
            # The last chunk, not the last header: the head may come alone, and end in "Latency: 0".
            return int(head[9:12]) if (b"\r\n" + body).endswith(b"\r\n0\r\n\r\n") else None
        length = int(lower[at + 15 :].split(b"\r\n", 1)[0])
        return int(head[9:12]) if len(body) >= length else None


class _Checked(_Connection):
    """A connection whose every request has an id of its own, and whose every answer must be the one to it."""

    def __init__(self, address, request, selector, says, number):
        self.before, _, self.after = request.partition(b"%d" % FIRST)
        self.says, self.number = says, number
        super().__init__(address, request, selector)

    def send(self):
        self.number += 1
        self.request = b"%b%d%b" % (self.before, self.number, self.after)
        super().send()

    def read(self):
        status = super().read()
        return _OTHER if status == 200 and not answers(self.buffer, self.number, self.says) else status


def answers(answer, number, says):
    """Tell whether an HTTP answer is a result for the request of that id whose first text is `says`."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lower = head.lower()
    try:
        if b"transfer-encoding:" in lower:
            body = _joined(body)
        if b"text/event-stream" in lower:
            body = [line[5:] for line in body.splitlines() if line.startswith(b"data:") and line[5:].strip()][-1]
        message = json.loads(body)
        return message["id"] == number and message["result"]["content"][0]["text"] == says
    except (ValueError, LookupError, TypeError):
        return False


def _joined(body):
    """Return what stands in the chunks of a body."""
    parts = []
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if not length:
            return b"".join(parts)
        parts.append(body[:length])
        body = body[length + 2 :]


def run(host, port, requests, *, connections, seconds, says=None):
    """Return requests per second, the median latency in milliseconds, how many were answered in all, and the statuses.

    Each connection sends one of `requests`, in turn. What is on its way when the time is over is waited for, and counts
    for all but the rate. With `says` each request has an id of its own, and only its answer with that text is a 200.
    """
    selector = selectors.DefaultSelector()
    for number in range(connections):
        request = requests[number % len(requests)]
        if says is None:
            connection = _Connection((host, port), request, selector)
        else:
            first = FIRST + number * _OF_A_CONNECTION
            connection = _Checked((host, port), request, selector, says, first)
        connection.send()
    start, in_time = time.perf_counter(), 0
    end = start + seconds
    latencies, statuses = [], {}
    while selector.get_map():
        for key, _ in selector.select(1):
            connection = key.data
            status = connection.read()
            if status is None:
                continue
            now = time.perf_counter()
            statuses[status] = statuses.get(status, 0) + 1
            latencies.append(now - connection.since)
            if now < end:
                in_time += 1
                connection.send()
            else:
                selector.unregister(connection.socket)
                connection.socket.close()
        if time.perf_counter() > end + _PATIENCE:
            raise TimeoutError(f"{len(selector.get_map())} requests are not answered {_PATIENCE} s after the end")
    return {
        "rate": in_time / seconds,
        "median_ms": statistics.median(latencies) * 1000,
        "calls": len(latencies),
        "statuses": statuses,
    }


def run_in_turn(asked, seconds):
    """Return the median latency of each of several requests, [(host, port, request), ...], in milliseconds.

    One request is on its way at a time, each in its turn: what the machine does meanwhile weighs on all alike.
    """
    selector = selectors.DefaultSelector()
    connections = [_Connection((host, port), request, selector) for host, port, request in asked]
    latencies, statuses = [[] for _ in connections], {}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for connection, taken in zip(connections, latencies, strict=True):
            connection.send()
            while (status := connection.read()) is None:
                pass
            taken.append(time.perf_counter() - connection.since)
            statuses[status] = statuses.get(status, 0) + 1
    for connection in connections:
        connection.socket.close()
    return {"medians_ms": [statistics.median(taken) * 1000 for taken in latencies], "statuses": statuses}


def main():
    """Read a job from standard input and write its result to standard output.

    A job is {host, port, requests, connections, seconds, says?}, or {asked: [[host, port, request], ...], seconds}.
    """
    job = json.load(sys.stdin)
    if "asked" in job:
        asked = [(host, port, request.encode("latin-1")) for host, port, request in job["asked"]]
        result = run_in_turn(asked, job["seconds"])
    else:
        requests = [request.encode("latin-1") for request in job.pop("requests")]
        result = run(job.pop("host"), job.pop("port"), requests, **job)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
