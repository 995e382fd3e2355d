"""What Kong has been asked on one connection and has not answered yet.

Pure: no I/O. Kong takes calls one after the other and answers each with one frame before it reads the next, so the
n-th reply belongs to the n-th call. That is all that ties a reply to its call, so it is kept here and nowhere else, and
whatever would break it is OutOfStep, after which the connection is never used again.

Laws: every call that is sent leaves one PendingReply; every reply settles the oldest; a reply that nobody waits for, or
that its call cannot have, is out of step; an event begins and ends with none pending.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from kong_pluginserver.errors import OutOfStep, Stop

_MOST_BYTES = 65536
_MOST_CALLS = 128


class PendingReply:
    """The reply of one call that somebody may wait for; what is wrong with it is raised only for who asks."""

    __slots__ = ("_error", "_reply", "arrived")

    def __init__(self) -> None:
        self.arrived = False
        self._reply = b""
        self._error: Stop | None = None

    def arrive(self, reply: bytes) -> None:
        """Take the reply."""
        self.arrived = True
        self._reply = reply

    def fail(self, error: Stop) -> None:
        """Take what was wrong with the reply, which has been read away."""
        self.arrived = True
        self._error = error

    def result(self) -> bytes:
        """Return the reply.

        Raises:
            Stop: what was wrong with it.
        """
        if self._error is not None:
            raise self._error
        return self._reply


class EmptyReply(PendingReply):
    """The reply of a call that has none to give: an empty frame."""

    __slots__ = ()

    def arrive(self, reply: bytes) -> None:
        """Take the reply.

        Raises:
            OutOfStep: it is not empty, so it belongs to another call.
        """
        if reply:
            raise OutOfStep("a reply to a call that has none")

    def fail(self, error: Stop) -> None:
        """Take that the reply was too large.

        Raises:
            OutOfStep: always.
        """
        raise OutOfStep("a reply to a call that has none") from error


class UnawaitedReply(PendingReply):
    """The reply of a call that the phase took for confirmed.

    Args:
        call: the method, and what it was called with.
        read: tells from a reply whether Kong confirms.
        unconfirmed: where the call is put if Kong does not.
    """

    __slots__ = ("_call", "_read", "_unconfirmed")

    def __init__(
        self, call: tuple[str, str], read: Callable[[bytes], bool], unconfirmed: list[tuple[str, str]]
    ) -> None:
        super().__init__()
        self._call = call
        self._read = read
        self._unconfirmed = unconfirmed

    def arrive(self, reply: bytes) -> None:
        """Take the reply.

        Raises:
            OutOfStep: it is neither yes nor no, so it belongs to another call.
        """
        try:
            confirmed = self._read(reply)
        except Stop as error:
            raise OutOfStep("neither yes nor no where one belongs") from error
        if not confirmed:
            self._unconfirmed.append(self._call)

    def fail(self, error: Stop) -> None:
        """Take that the reply was too large.

        Raises:
            OutOfStep: always.
        """
        raise OutOfStep("neither yes nor no where one belongs") from error


EMPTY_REPLY = EmptyReply()


class Ledger:
    """The calls of one connection, in order: those not sent yet, and those sent and not answered.

    Attributes:
        pending: what Kong still has to answer, oldest first.
        broken: it has been out of step.
        unconfirmed: calls of this event that Kong has not confirmed, see UnawaitedReply.
    """

    __slots__ = ("_prefetched", "_size", "_unsent", "_unsent_replies", "broken", "pending", "unconfirmed")

    def __init__(self) -> None:
        self.pending: deque[PendingReply] = deque()
        self.broken = False
        self.unconfirmed: list[tuple[str, str]] = []
        self._unsent: list[bytes] = []
        self._unsent_replies: list[PendingReply] = []
        self._size = 0
        self._prefetched: list[tuple[bytes, PendingReply]] = []

    def begin(self) -> None:
        """Begin an event.

        Raises:
            OutOfStep: the last one is not settled.
        """
        if self.broken or self.pending or self._unsent_replies or self._unsent:
            raise self.lost("an event while another is not settled")
        self._prefetched.clear()
        self.unconfirmed.clear()

    def queue(self, request: bytes, expected: PendingReply) -> None:
        """Add a call that leaves with what is sent next."""
        self._unsent.append(request)
        self._unsent_replies.append(expected)
        self._size += len(request)

    def prefetch(self, requests: Iterable[bytes]) -> None:
        """Add calls whose replies are there for who asks for exactly the same, once each."""
        for request in requests:
            expected = PendingReply()
            self.queue(request, expected)
            self._prefetched.append((request, expected))

    def prefetched(self, request: bytes) -> PendingReply | None:
        """Return what was prefetched for `request` and not asked for yet."""
        for index, (one, expected) in enumerate(self._prefetched):
            if one == request:
                del self._prefetched[index]
                return expected
        return None

    def drop_prefetched(self) -> None:
        """Forget what was prefetched: from now on Kong might answer otherwise."""
        self._prefetched.clear()

    @property
    def full(self) -> bool:
        """Whether so much is unsent or unanswered that it is time to wait."""
        return self._size > _MOST_BYTES or len(self._unsent_replies) + len(self.pending) > _MOST_CALLS

    def take_unsent(self) -> bytes:
        """Return all that is unsent, which counts as sent from now on."""
        request = self._unsent[0] if len(self._unsent) == 1 else b"".join(self._unsent)
        self.pending.extend(self._unsent_replies)
        self._unsent.clear()
        self._unsent_replies.clear()
        self._size = 0
        return request

    def settle(self, reply: bytes | Stop) -> None:
        """Give the next reply, or what was wrong with it once it has been read away, to the oldest call.

        Raises:
            OutOfStep: no reply is expected, or that call cannot have this reply.
        """
        if not self.pending:
            raise self.lost("a reply to no call")
        expected = self.pending.popleft()
        try:
            if isinstance(reply, bytes):
                expected.arrive(reply)
            else:
                expected.fail(reply)
        except OutOfStep:
            self.broken = True
            raise

    def lost(self, why: str) -> OutOfStep:
        """Return the error to raise now that calls and replies do not match."""
        self.broken = True
        return OutOfStep(why)
