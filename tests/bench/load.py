"""A small closed-loop HTTP load generator: N keep-alive connections in one process, each waiting for its answer."""

import json
import selectors
import socket
import statistics
import sys
import time


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


def run(host, port, request, *, connections, seconds):
    """Return requests per second, the median latency in milliseconds, and the statuses that were seen."""
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        _Connection((host, port), request, selector).send()
    start = time.perf_counter()
    latencies, statuses = [], {}
    while (now := time.perf_counter()) < start + seconds:
        for key, _ in selector.select(1):
            connection = key.data
            status = connection.read()
            if status is not None:
                statuses[status] = statuses.get(status, 0) + 1
                latencies.append(time.perf_counter() - connection.since)
                connection.send()
    elapsed = now - start
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    return {
        "rate": len(latencies) / elapsed,
        "median_ms": statistics.median(latencies) * 1000,
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

    A job is {host, port, request, connections, seconds}, or {asked: [[host, port, request], ...], seconds}.
    """
    job = json.load(sys.stdin)
    if "asked" in job:
        asked = [(host, port, request.encode("latin-1")) for host, port, request in job["asked"]]
        result = run_in_turn(asked, job["seconds"])
    else:
        request = job.pop("request").encode("latin-1")
        result = run(job.pop("host"), job.pop("port"), request, **job)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
