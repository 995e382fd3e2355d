"""One connection from Kong: frames in, frames out, on the hub.

Laws: a frame is read whole or not at all, and what has come of one is kept when the wait for it is given up; nothing
larger than `largest` is kept, but it is read away, for Kong listens only after it has sent everything. PDK calls are
sent before the replies to those before them have come; which reply is whose is the ledger's to say.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, NoReturn

from kong_pluginserver.errors import DeadlineExceeded, Exited, MalformedFrame, PeerVanished, Stop
from kong_pluginserver.hub import Hub
from kong_pluginserver.ledger import Due, Ledger

_CHUNK: Final = 65536


class Connection:
    """A connection and the state of the event on it.

    Attributes:
        token: the supervisor's name for it.
        deadline: monotonic time at which the event must be over; 0.0 between events.
        expired: the deadline has passed.
        over: the end of the event has been sent; no PDK call is possible any more.
        ledger: the PDK calls that are not sent or not answered yet.
        unawaited: methods that the phase does not wait for, though Kong might say no.
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
        "_skip",
        "_socket",
        "_upload",
        "can_exit",
        "closing",
        "deadline",
        "expired",
        "fd",
        "hung_up",
        "idle",
        "ledger",
        "over",
        "readable",
        "resume",
        "stop",
        "token",
        "torn",
        "unawaited",
        "waiting",
    )

    def __init__(self, hub: Hub, peer: socket.socket, token: int, largest: int, upload: float) -> None:
        peer.setblocking(False)
        self.fd = peer.fileno()
        self.token = token
        self.deadline = 0.0
        self.waiting = self.readable = self.hung_up = self.expired = self.over = self.torn = self.closing = False
        self.ledger = Ledger()
        self.unawaited: frozenset[str] = frozenset()
        self.can_exit = self.idle = True
        self.stop: Stop | None = None
        self.resume: Callable[[], Any] = lambda: None
        self._hub = hub
        self._socket = peer
        self._recv = peer.recv
        self._send = peer.send
        self._buffer = b""
        self._skip = 0
        self._largest = largest
        self._upload = upload

    def begin(self, deadline: float, *, can_exit: bool) -> None:
        """Begin an event that must be over at `deadline`, a monotonic time.

        Raises:
            OutOfStep: the last event is not settled.
        """
        self.ledger.begin()
        self.deadline = deadline
        self.expired = self.over = self.idle = False
        self.stop = None
        self.can_exit = can_exit

    def end(self) -> None:
        """End the event; no deadline counts any more."""
        self.deadline = 0.0
        self.idle = True

    def prefetch(self, requests: tuple[bytes, ...]) -> None:
        """Send PDK calls before anything asks for them.

        Raises:
            Stop: the event is over, for whatever reason.
        """
        if self._buffer:
            raise self.ledger.lost("a reply before any call")
        if requests:
            self.ledger.prefetch(requests)
            self.send(self.ledger.leave())

    def ask(self, request: bytes, *, changes: bool = False) -> bytes:
        """Return the payload of the reply to one PDK call: one that was prefetched, or else it is made now.

        Args:
            request: the two frames of the call.
            changes: replies that were prefetched may not hold after this call.

        Raises:
            Stop: the event is over, for whatever reason.
        """
        self._check()
        ledger = self.ledger
        if changes:
            ledger.changed()
        due = ledger.prefetched(request)
        if due is None:
            due = Due()
            ledger.queue(request, due)
            self.send(ledger.leave())
        while not due.arrived:
            self._take_reply()
        return due.result()

    def ask_for_upload(self, request: bytes) -> bytes:
        """Do as `ask`, but have the deadline wait while Kong waits for its client, as long as an upload may take.

        Raises:
            Stop: the event is over, for whatever reason.
        """
        started, deadline = monotonic(), self.deadline
        self.deadline = max(deadline, started + self._upload)
        try:
            return self.ask(request)
        finally:
            self.deadline = deadline + monotonic() - started

    def put(self, request: bytes, due: Due) -> None:
        """Have one PDK call sent with what is sent next, without waiting for `due`, its reply.

        Raises:
            Stop: the event is over, for whatever reason.
        """
        self._check()
        ledger = self.ledger
        ledger.changed()
        ledger.queue(request, due)
        if ledger.full:
            self.send(ledger.leave())
            self.settle()

    def finish(self, words: bytes) -> None:
        """Send what is left of the PDK calls, and behind them what ends the event.

        Raises:
            Stop: it cannot be sent.
        """
        self.send(self.ledger.leave() + words)
        self.over = True

    def settle(self) -> None:
        """Read all replies that Kong owes.

        Raises:
            Stop: they do not come, or do not match their calls.
        """
        while self.ledger.owed:
            self._take_reply()

    def _check(self) -> None:
        if self.over:
            raise Exited
        if self.stop is not None:
            raise self.stop
        if self.expired:
            raise DeadlineExceeded

    def _take_reply(self) -> None:
        reply: bytes | Stop
        try:
            reply = self.read_frame()
        except MalformedFrame as error:
            reply = error
        self.ledger.settle(reply)
        # Kong says nothing unasked while an event lasts; behind its end, the next call may follow.
        if self._buffer and not self.ledger.owed and not self.over:
            raise self.ledger.lost("a reply to no call")

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
        received: list[bytes] = []
        size = 0
        try:
            while rest:
                try:
                    rest = rest[self._send(rest) :]
                except BlockingIOError:
                    # Kong reads no further while it cannot get rid of a reply, so replies are taken meanwhile.
                    if self.readable:
                        received.append(self._receive_now())
                        size += len(received[-1])
                    else:
                        self._hub.wait(self)
                    if size > self._largest:
                        raise MalformedFrame("more replies at once than allowed") from None
        except OSError:
            raise PeerVanished from None
        finally:
            self.torn = bool(rest)
            self._buffer = b"".join([self._buffer, *received])
            self._hub.want_write(self, wanted=False)

    def read_frame(self) -> bytes:
        """Return the payload of the next frame.

        Raises:
            PeerVanished: the connection ended before the frame did.
            MalformedFrame: it is larger than allowed; it has been read away.
            DeadlineExceeded: it did not come in time; what has come of it is kept for the next call.
        """
        if self._skip:
            self._read_away()
        data = self._buffer or self._receive()
        while len(data) < 4:
            self._buffer = data
            data += self._receive()
        size = int.from_bytes(data[:4], sys.byteorder)
        missing = size + 4 - len(data)
        if missing == 0:
            self._buffer = b""
            return data[4:]
        if missing < 0:
            self._buffer = data[size + 4 :]
            return data[4 : size + 4]
        self._buffer = data
        if size > self._largest:
            self._skip = size + 4
            self._read_away()
        pieces = [data]
        try:
            while missing > 0:
                piece = self._receive()
                pieces.append(piece)
                missing -= len(piece)
        finally:
            self._buffer = data = b"".join(pieces)
        self._buffer = data[size + 4 :]
        return data[4 : size + 4]

    def _read_away(self) -> NoReturn:
        while self._skip:
            piece = self._buffer or self._receive()
            self._buffer = piece[self._skip :]
            self._skip -= min(self._skip, len(piece))
        raise MalformedFrame("a frame larger than allowed")

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
            elif data := self._receive_now():
                return data

    def _receive_now(self) -> bytes:
        """Return what is there, b"" if nothing is."""
        try:
            data = self._recv(_CHUNK)
        except BlockingIOError:
            self.readable = self.hung_up = False
            return b""
        except OSError:
            raise PeerVanished from None
        if not data:
            raise PeerVanished
        if len(data) < _CHUNK and not self.hung_up:
            # Less than asked for: there is no more, and what comes next is a new edge.
            self.readable = False
        return data

    def linger(self) -> NoReturn:
        """Read everything away until Kong closes: what it still writes must not fail, and is not to be believed.

        Raises:
            Stop: it has closed, or the deadline has passed; always.
        """
        self._buffer = b""
        while True:
            self._receive()

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
