"""One thread, many greenlets: who waits for which connection, and who has waited too long.

Why so small: an event is a handful of request-reply steps on one connection, so the only thing ever waited for is that
connection, or, parked, for one answer of a local socket (asking). Each is registered once, edge-triggered. Plugin code
runs on greenlets, so that it can be written straight down and still leave the process to others while Kong works.

Laws: only the hub's own greenlet touches epoll. `current` is the connection whose greenlet runs, None in the hub.
"""

from __future__ import annotations

import select
import signal
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Final, Generic, TypeVar

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped] # it ships no types

from kong_pluginserver.errors import DeadlineExceeded

_OWN_CODE: Final = str(Path(__file__).parent) + "/"
_GONE: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_READ: Final = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
_BATCH: Final = 256


class Waiter:
    """What the hub knows of whoever waits for a connection.

    Attributes:
        fd: the connection's descriptor.
        resume: switches to the greenlet that serves it; set by the hub.
        waiting: that greenlet waits, for something to read or for room to write.
        readable: there may be something to read; only who has found nothing takes it back.
        hung_up: the end of the connection is there, perhaps behind something to read.
        deadline: monotonic time at which the waiting must be over; 0.0 for no such time.
        expired: that time has passed.
    """

    __slots__ = ("deadline", "expired", "fd", "hung_up", "readable", "resume", "waiting")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.resume: Callable[[], object] = lambda: None
        self.waiting = self.readable = self.hung_up = self.expired = False
        self.deadline = 0.0


W = TypeVar("W", bound=Waiter)


class Hub(Generic[W]):
    """The event loop of one worker.

    Args:
        tick: seconds between looks at deadlines, at most; `on_tick` is called as often.
        on_tick: called in the hub with the monotonic time.
        on_batch: called in the hub after every batch of events.
        before_batch: called in the hub before every batch of events, an empty one too.
    """

    def __init__(
        self,
        tick: float,
        on_tick: Callable[[float], None],
        on_batch: Callable[[], None],
        before_batch: Callable[[], None] = lambda: None,
    ) -> None:
        self.current: W | None = None
        self.connections: dict[int, W] = {}
        self.stopped = False
        self._tick = tick
        self._on_tick = on_tick
        self._on_batch = on_batch
        self._before_batch = before_batch
        self._epoll = select.epoll()
        self._watched: dict[int, Callable[[], None]] = {}
        self._parked: dict[W, float] = {}
        self._woken: list[W] = []
        self._greenlet = getcurrent()

    def watch(self, fd: int, readable: Callable[[], None]) -> None:
        """Call `readable` in the hub whenever `fd` has something to read."""
        self._watched[fd] = readable
        self._epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        """Stop watching `fd`."""
        del self._watched[fd]
        self._epoll.unregister(fd)

    def add(self, connection: W, serve: Callable[[W], None]) -> None:
        """Run `serve(connection)` on a greenlet of its own once the first bytes are there."""

        def run() -> None:
            serve(connection)

        connection.resume = greenlet(run, self._greenlet).switch
        connection.waiting = True
        self.connections[connection.fd] = connection
        self._epoll.register(connection.fd, _READ)

    def remove(self, connection: W) -> None:
        """Forget `connection`; to be called before its socket is closed."""
        if self.connections.pop(connection.fd, None):
            self._epoll.unregister(connection.fd)

    def want_write(self, connection: W, *, wanted: bool) -> None:
        """Listen for room to write only while someone waits for it: each read by Kong would be an event otherwise."""
        self._epoll.modify(connection.fd, _READ | select.EPOLLOUT if wanted else _READ)

    def wait(self, connection: W) -> None:
        """Switch to the hub until something happens on `connection` or its deadline has passed.

        Raises:
            DeadlineExceeded: the deadline has passed.
        """
        connection.waiting = True
        self._greenlet.switch()
        if connection.expired:
            raise DeadlineExceeded

    def park(self, seconds: float) -> bool:
        """Switch to the hub until somebody wakes the connection that runs, or until `seconds` have passed.

        What happens on the connection meanwhile leaves its mark there, and ends nothing; its deadline waits as long.
        Returns whether it was woken.
        """
        connection = self.current
        if connection is None:
            raise RuntimeError("only what runs on a connection can be parked")
        started = monotonic()
        self._parked[connection] = started + seconds
        self._greenlet.switch()
        if connection.deadline:
            connection.deadline += monotonic() - started
        return self._parked.pop(connection, None) is None

    def wake(self, connection: W) -> None:
        """Have a parked connection go on, from the hub, once whoever calls this has to wait for something."""
        if self._parked.pop(connection, None) is not None:
            self._woken.append(connection)

    def run(self) -> None:
        """Serve until `stopped` is set."""
        self._greenlet = getcurrent()
        poll = self._epoll.poll
        connections = self.connections
        next_tick = 0.0
        while not self.stopped:
            batch = poll(self._tick, _BATCH)
            self._before_batch()
            for fd, flags in batch:
                connection = connections.get(fd)
                if connection is None:
                    if fd in self._watched:
                        self._watched[fd]()
                    continue
                if flags & select.EPOLLIN:
                    connection.readable = True
                if flags & _GONE:
                    connection.readable = connection.hung_up = True
                if connection.waiting:
                    self._resume(connection)
            self._resume_woken()
            self._on_batch()
            now = monotonic()
            if now >= next_tick:
                next_tick = now + self._tick
                self._expire(now)
                self._resume_woken()
                self._on_tick(now)

    def close(self) -> None:
        """Give back the epoll descriptor."""
        self._epoll.close()

    def _resume(self, connection: W) -> None:
        connection.waiting = False
        self.current = connection
        connection.resume()
        self.current = None

    def _resume_woken(self) -> None:
        while self._woken:
            self._resume(self._woken.pop(0))

    def _expire(self, now: float) -> None:
        for connection, until in list(self._parked.items()):
            # One that goes on may have woken another one that was to be looked at.
            if until <= now and connection in self._parked:
                self._resume(connection)
        for connection in list(self.connections.values()):
            if connection.waiting and 0.0 < connection.deadline <= now:
                connection.expired = True
                self._resume(connection)

    def interrupt(self, _signal: int, frame: FrameType | None) -> None:
        """Handle SIGALRM: raise DeadlineExceeded in plugin code that has run past its deadline.

        Only where the interrupted code is not this package's: our own steps must not be torn in the middle, they look
        at `expired` themselves.

        Raises:
            DeadlineExceeded: in the plugin's code.
        """
        connection = self.current
        if connection is None or not 0.0 < connection.deadline <= monotonic():
            return
        connection.expired = True
        if frame is not None and not frame.f_code.co_filename.startswith(_OWN_CODE):
            raise DeadlineExceeded

    def arm(self) -> None:
        """Start the SIGALRM tick of this process."""
        signal.signal(signal.SIGALRM, self.interrupt)
        signal.setitimer(signal.ITIMER_REAL, self._tick, self._tick)
