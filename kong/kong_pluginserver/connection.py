"""One connection from Kong: frames in, frames out, on the hub. Its states are those of `states`.

Laws: a frame is read whole or not at all, and what has come of one is kept when the wait for it is given up; nothing
larger than `largest` is kept, but it is read away, for Kong listens only after it has sent everything. PDK calls are
sent before the replies to those before them have come; which reply is whose is the ledger's to say.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from time import monotonic
from typing import TYPE_CHECKING, Final, NoReturn

from kong_pluginserver.errors import DeadlineExceeded, Exited, MalformedFrame, PeerVanished, Stop
from kong_pluginserver.hub import Hub, Waiter
from kong_pluginserver.ledger import Ledger, PendingReply
from kong_pluginserver.states import ConnectionState, Step, after

if TYPE_CHECKING:
    from kong_pluginserver.whole import WholeEvent

_CHUNK: Final = 65536
# A member of an enum takes longer to find than a global, and these are needed for every PDK call.
_RUNNING: Final = ConnectionState.RUNNING
_ENDED: Final = ConnectionState.ENDED
_TORN: Final = ConnectionState.TORN
_BEGIN: Final = Step.BEGIN
_SEND_END: Final = Step.SEND_END
_FINISH: Final = Step.FINISH


class Connection(Waiter):
    """A connection and the event on it.

    Attributes:
        token: the supervisor's name for it.
        state: where it is; only this class changes it, by the table.
        ledger: the PDK calls that are not sent or not answered yet.
        can_exit: the phase of this event allows kong.response.exit.
        unawaited: methods that the phase does not wait for, though Kong might say no.
        whole: the event, where it came in one frame: then there are no PDK calls.
    """

    __slots__ = (
        "_buffer",
        "_hub",
        "_largest",
        "_recv",
        "_send",
        "_skip",
        "_socket",
        "_stop",
        "_upload",
        "can_exit",
        "ledger",
        "state",
        "token",
        "unawaited",
        "whole",
    )

    def __init__(self, hub: Hub[Connection], peer: socket.socket, token: int, largest: int, upload: float) -> None:
        peer.setblocking(False)
        super().__init__(peer.fileno())
        self.token = token
        self.state = ConnectionState.IDLE
        self.ledger = Ledger()
        self.unawaited: frozenset[str] = frozenset()
        self.can_exit = True
        self.whole: WholeEvent | None = None
        self._stop: Stop | None = None
        self._hub = hub
        self._socket = peer
        self._recv = peer.recv
        self._send = peer.send
        self._buffer = b""
        self._skip = 0
        self._largest = largest
        self._upload = upload

    def begin(self, seconds: float, *, can_exit: bool) -> None:
        """Begin an event that must be over within some seconds.

        Raises:
            OutOfStep: the last event is not settled.
        """
        self.ledger.begin()
        self.state = after(self.state, _BEGIN)
        self.deadline = monotonic() + seconds
        self.expired = False
        self._stop = None
        self.can_exit = can_exit

    def finish(self) -> None:
        """Finish the event, of which nothing is owed any more; no deadline counts."""
        self.deadline = 0.0
        self.state = after(self.state, _FINISH)

    def allow(self, seconds: float) -> None:
        """Set another deadline, so many seconds from now, though the last one may have passed."""
        self.deadline = monotonic() + seconds
        self.expired = False

    def allow_any_time(self) -> None:
        """Set no deadline: what follows is our own, and short."""
        self.deadline = 0.0

    def fail(self, stop: Stop) -> None:
        """Remember the Stop that a PDK call ended with, for a plugin may swallow it."""
        self._stop = stop
        self.state = after(self.state, Step.STOP)

    def check_phase(self) -> None:
        """Look, after the phase, whether anything stopped the event.

        Raises:
            Stop: what did.
        """
        self._check()

    def begin_phase(self, requests: tuple[bytes, ...], unawaited: frozenset[str]) -> None:
        """Send PDK calls before anything asks for them; `unawaited` is as the attribute.

        Raises:
            Stop: the event is over, for whatever reason.
        """
        if self._buffer:
            raise self.ledger.lost("a reply before any call")
        self.unawaited = unawaited
        if requests:
            self.ledger.prefetch(requests)
            self.send(self.ledger.take_unsent())

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
            ledger.drop_prefetched()
        expected = ledger.prefetched(request)
        if expected is None:
            expected = PendingReply()
            ledger.queue(request, expected)
            self.send(ledger.take_unsent())
        while not expected.arrived:
            self._take_reply()
        return expected.result()

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

    def send_later(self, request: bytes, expected: PendingReply) -> None:
        """Have one PDK call sent with what is sent next, without waiting for the reply that is expected.

        Raises:
            Stop: the event is over, for whatever reason.
        """
        self._check()
        ledger = self.ledger
        ledger.drop_prefetched()
        ledger.queue(request, expected)
        if ledger.full:
            self.send(ledger.take_unsent())
            self.settle()

    def send_end(self, frames: bytes) -> None:
        """Send what is left of the PDK calls, and behind them what ends the event.

        Raises:
            Stop: it cannot be sent.
        """
        if self.state is _TORN:
            raise self._stop or PeerVanished
        ended = after(self.state, _SEND_END)
        self.send(self.ledger.take_unsent() + frames)
        self.state = ended

    def settle(self) -> None:
        """Read all replies that Kong owes.

        Raises:
            Stop: they do not come, or do not match their calls.
        """
        while self.ledger.pending:
            self._take_reply()

    def _check(self) -> None:
        if self.state is not _RUNNING:
            raise Exited if self.state is _ENDED else self._stop or PeerVanished()
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
        if self._buffer and not self.ledger.pending and self.state is not _ENDED:
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

    def send_or_close(self, data: bytes) -> None:
        """Send all of `data` now, from the hub too, or else let nothing follow what of it was sent."""
        try:
            if self._send(data) == len(data):
                return
        except OSError:
            pass
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

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
            if rest:
                self.state = after(self.state, Step.TEAR)
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

    def half_close(self, seconds: float) -> None:
        """Tell Kong that nothing will come any more, and wait so long for it to close too.

        A call that it has just sent is tried again elsewhere.
        """
        self.state = after(self.state, Step.HALF_CLOSE)
        self.allow(seconds)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection, for the supervisor's copy of it too."""
        self.state = after(self.state, Step.CLOSE)
        self._hub.remove(self)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
