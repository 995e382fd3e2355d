"""One connection from Kong: frames in, frames out, on the hub.

Laws: a frame is read whole or not at all; nothing larger than `largest` is kept, but it is read away, for Kong listens
only after it has sent everything. `owed` says that Kong still owes a reply: what is sent then is read after it.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from kong_pluginserver.errors import DeadlineExceeded, Exited, MalformedFrame, PeerVanished, Stop
from kong_pluginserver.hub import Hub

_CHUNK: Final = 65536


class Connection:
    """A connection and the state of the event on it.

    Attributes:
        token: the supervisor's name for it.
        deadline: monotonic time at which the event must be over; 0.0 between events.
        expired: the deadline has passed.
        over: the answer has been sent; no PDK call is possible any more.
        owed: Kong has not answered the last PDK call.
        torn: a frame was sent in part only, so nothing that follows would be understood.
        stop: the Stop that a PDK call of this event ended with; remembered, for a plugin may have swallowed it.
        can_exit: the phase allows kong.response.exit.
        idle: no event is in flight.
        closing: half closed; what Kong still sends is not served.
    """

    __slots__ = (
        "_buffer",
        "_hub",
        "_largest",
        "_recv",
        "_send",
        "_socket",
        "can_exit",
        "closing",
        "deadline",
        "expired",
        "fd",
        "hung_up",
        "idle",
        "over",
        "owed",
        "readable",
        "resume",
        "stop",
        "token",
        "torn",
        "waiting",
    )

    def __init__(self, hub: Hub, peer: socket.socket, token: int, largest: int) -> None:
        peer.setblocking(False)
        self.fd = peer.fileno()
        self.token = token
        self.deadline = 0.0
        self.waiting = self.readable = self.hung_up = self.expired = self.over = self.owed = self.torn = (
            self.closing
        ) = False
        self.can_exit = self.idle = True
        self.stop: Stop | None = None
        self.resume: Callable[[], Any] = lambda: None
        self._hub = hub
        self._socket = peer
        self._recv = peer.recv
        self._send = peer.send
        self._buffer = b""
        self._largest = largest

    def begin(self, deadline: float, *, can_exit: bool) -> None:
        """Begin an event that must be over at `deadline`, a monotonic time."""
        self.deadline = deadline
        self.expired = self.over = self.owed = self.idle = False
        self.stop = None
        self.can_exit = can_exit

    def end(self) -> None:
        """End the event; no deadline counts any more."""
        self.deadline = 0.0
        self.idle = True

    def exchange(self, call: bytes) -> bytes:
        """Send one PDK call and return the payload of its reply.

        Raises:
            Stop: the event is over, for whatever reason.
        """
        if self.over:
            raise Exited
        if self.stop is not None:
            raise self.stop
        if self.expired:
            raise DeadlineExceeded
        self.send(call)
        self.owed = True
        reply = self.read_frame()
        self.owed = False
        return reply

    def send(self, data: bytes) -> None:
        """Send all of `data`.

        Raises:
            PeerVanished: Kong has closed the connection.
            DeadlineExceeded: Kong does not read.
        """
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            raise PeerVanished from None
        if sent != len(data):
            self._send_rest(memoryview(data)[sent:])

    def _send_rest(self, rest: memoryview) -> None:
        self._hub.want_write(self, wanted=True)
        try:
            while rest:
                try:
                    rest = rest[self._send(rest) :]
                except BlockingIOError:
                    self._hub.wait(self)
        except OSError:
            raise PeerVanished from None
        finally:
            self.torn = bool(rest)
            self._hub.want_write(self, wanted=False)

    def read_frame(self) -> bytes:
        """Return the payload of the next frame.

        Raises:
            PeerVanished: the connection ended before the frame did.
            MalformedFrame: it is larger than allowed; it has been read away.
            DeadlineExceeded: it did not come in time.
        """
        data = self._buffer or self._receive()
        while len(data) < 4:
            data += self._receive()
        size = int.from_bytes(data[:4], sys.byteorder)
        missing = size + 4 - len(data)
        if missing == 0:
            self._buffer = b""
            return data[4:]
        if missing < 0:
            self._buffer = data[size + 4 :]
            return data[4 : size + 4]
        self._buffer = b""
        pieces = [data[4:]]
        while missing > 0:
            piece = self._receive()
            missing -= len(piece)
            if size <= self._largest:
                pieces.append(piece)
        if size > self._largest:
            self.owed = False
            raise MalformedFrame("a frame larger than allowed")
        body = b"".join(pieces)
        self._buffer = body[size:]
        return body[:size]

    def next_call(self) -> bytes | None:
        """Return the payload of the frame that opens the next exchange, None if Kong has closed between two.

        Raises:
            PeerVanished: Kong closed in the middle of a frame.
            MalformedFrame: the frame is larger than allowed.
        """
        if not self._buffer:
            try:
                self._buffer = self._receive()
            except PeerVanished:
                return None
        return self.read_frame()

    def _receive(self) -> bytes:
        while True:
            if not self.readable:
                self._hub.wait(self)
                continue
            try:
                data = self._recv(_CHUNK)
            except BlockingIOError:
                self.readable = self.hung_up = False
                continue
            except OSError:
                raise PeerVanished from None
            if not data:
                raise PeerVanished
            if len(data) < _CHUNK and not self.hung_up:
                # Less than asked for: there is no more, and what comes next is a new edge.
                self.readable = False
            return data

    def linger(self, seconds: float) -> None:
        """Read everything away until Kong closes, for at most `seconds`.

        Kong still has to write the reply it owes; were the connection closed already, it would take that for a plugin
        server that died, and would not read the refusal.
        """
        self.deadline = monotonic() + seconds
        self.expired = self.over = False
        self._buffer = b""
        try:
            while True:
                self._receive()
        except (PeerVanished, DeadlineExceeded):
            return

    def has_input(self) -> bool:
        """Say whether Kong has sent something that has not been read yet."""
        try:
            return bool(self._buffer or self._socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def half_close(self) -> None:
        """Tell Kong that nothing will come any more; a call it has just sent is tried again elsewhere."""
        self.closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection, for the supervisor's copy of it too."""
        self._hub.remove(self)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
