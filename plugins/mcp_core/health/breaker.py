"""A breaker for one server: closed, open, half open. No I/O: times are monotonic seconds.

It opens when no replica is in rotation, when of its requests in the last WINDOW seconds too large a share failed, or
was slow. Failed is what no server answered; what a server answers, HTTP 500 or a JSON-RPC error, is its own affair, or
any tool could close a server for all. Nor can one agent: of one caller no more than half of what is needed counts.

Open, nobody is let through for `rest` seconds. Then it is half open, and probes decide: TO_CLOSE of them in a row that
find a replica well close it, and one that finds none opens it again. Where nobody probes the server, half open lets one
request through, whose end decides.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

WINDOW: Final = 10.0
TO_CLOSE: Final = 2
MOST_NOTED: Final = 1_000
"""Requests that one window holds: of a busy server the last ones."""


class BreakerState(StrEnum):
    """What a breaker does: lets all through, nobody, or one."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Why(StrEnum):
    """Why a breaker is open: a word for metrics, and what agents are told."""

    NO_REPLICA = "no-replica"
    ERRORS = "errors"
    SLOWNESS = "slowness"


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When a breaker opens: of `requests` or more in the window, this share failed, or took `slow` seconds or more."""

    requests: int = 20
    share: float = 0.5
    slow: float = 10.0
    rest: float = 5.0


@dataclass(frozen=True, slots=True)
class _Noted:
    at: float
    caller: Hashable
    failed: bool
    slow: bool


class Breaker:
    """The breaker of one server."""

    def __init__(self, limits: BreakerLimits) -> None:
        self._limits = limits
        self._noted: deque[_Noted] = deque(maxlen=MOST_NOTED)
        self._until = 0.0
        self._good = 0
        self._probed = False
        self._trying = False
        self.why: Why | None = None

    def state(self, now: float) -> BreakerState:
        """Return what it does now."""
        if self.why is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self._until else BreakerState.HALF_OPEN

    @property
    def probes_decide(self) -> bool:
        """Whether somebody probes the server: then no request is let through to find out."""
        return self._probed

    def admits(self, now: float) -> bool:
        """Return whether a request may go on. Where nobody probes, one is let through while it is half open."""
        state = self.state(now)
        if state is BreakerState.HALF_OPEN and not self._probed and not self._trying:
            self._trying = True
            return True
        return state is BreakerState.CLOSED

    def wait(self, now: float) -> int:
        """Return the seconds after which to try again, for Retry-After: at least one."""
        return max(1, round(self._until - now))

    def probed(self, now: float, *, replicas: int, well: int) -> None:
        """Take what probes know: how many replicas there are, and how many of them are in rotation."""
        self._probed = replicas > 0
        if replicas and not well:
            self._open(now, Why.NO_REPLICA)
            return
        if self.why is None or not self._probed or self.state(now) is BreakerState.OPEN:
            return
        self._good += 1
        if self._good >= TO_CLOSE:
            self._close()

    def back(self) -> None:
        """Take that a replica went into rotation where there was none: it was found well twice, which is enough."""
        if self.why is Why.NO_REPLICA:
            self._close()

    def noted(self, now: float, caller: Hashable, *, failed: bool, seconds: float | None) -> None:
        """Take how one request of a caller ended (None: nothing tells them apart). `seconds` is None for any time."""
        if self._trying and self.state(now) is BreakerState.HALF_OPEN:
            self._trying = False
            self._open(now, self.why or Why.ERRORS) if failed else self._close()
            return
        slow = seconds is not None and seconds >= self._limits.slow
        self._noted.append(_Noted(now, caller, failed, slow))
        if self.why is None and (failed or slow):
            self._weigh(now)

    def _weigh(self, now: float) -> None:
        while self._noted and self._noted[0].at < now - WINDOW:
            self._noted.popleft()
        failed, slow = self._count("failed"), self._count("slow")
        needed = max(self._limits.requests, len(self._noted)) * self._limits.share
        if len(self._noted) < self._limits.requests:
            return
        if failed >= needed:
            self._open(now, Why.ERRORS)
        elif slow >= needed:
            self._open(now, Why.SLOWNESS)

    def _count(self, what: str) -> int:
        """Return how many requests were so; of one caller no more than half of what opens the breaker."""
        of_caller = Counter(noted.caller for noted in self._noted if getattr(noted, what))
        alone = of_caller.pop(None, 0)
        most = max(1, int(max(self._limits.requests, len(self._noted)) * self._limits.share / 2))
        return alone + sum(min(most, count) for count in of_caller.values())

    def _open(self, now: float, why: Why) -> None:
        self.why, self._until, self._good, self._trying = why, now + self._limits.rest, 0, False
        self._noted.clear()

    def _close(self) -> None:
        self.why, self._until, self._good, self._trying = None, 0.0, 0, False
        self._noted.clear()
