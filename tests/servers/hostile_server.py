"""A server that answers with whatever bytes a test gives it, for as long as the other side takes them."""

import contextlib
import json
import socket
import threading
from dataclasses import dataclass


@dataclass
class Request:
    """One HTTP request: its method, its target, its headers by lower-case name, and its body."""

    method: str
    target: str
    headers: dict
    body: bytes


class HostileServer:
    """Listens on a loopback port. `play(method, write)` is called for each request; `write` sends bytes at once."""

    def __init__(self, play=None, port=0):
        self._play = play
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.gone = threading.Event()
        """Set when the other side has closed a connection while something was written to it."""
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/mcp"

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(ValueError), connection.makefile("rb") as reader:
            method, target, _ = reader.readline().decode("latin-1").split(" ")
            headers = {}
            while (header := reader.readline().strip()) != b"":
                name, _, value = header.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            body = reader.read(int(headers.get("content-length", 0)))
            try:
                self._answer(Request(method, target, headers, body), _closing(connection.sendall))
            except OSError:
                self.gone.set()

    def _answer(self, request, write):
        if request.method == "POST":
            self._play(json.loads(request.body), write)
        else:
            write(NOT_ALLOWED)


def _closing(write):
    """Have the head of an answer say that the connection ends with it.

    A gateway that was not told may send its next request there just as the connection is closed, and answer 502.
    """

    def told(sent):
        if sent.startswith(b"HTTP/1.1 ") and b"connection:" not in sent.lower():
            sent = sent.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        write(sent)

    return told


NOT_ALLOWED = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def head(kind="application/json", *headers, length=None):
    """Return the head of a 200; without a length the body goes on until the connection ends."""
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {kind}", "Connection: close", *headers]
    lines += [] if length is None else [f"Content-Length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
