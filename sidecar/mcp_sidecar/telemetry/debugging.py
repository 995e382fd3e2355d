"""Every request of one server or principal in the log, for as long as somebody wants it (`kong-mcp debug on`).

One line a request: what the guard decided and why, what the inspect lane did, and how long each took. Where Kong's log
records come, the line is written of them, so refusals of the guard and calls that never see this process are in it;
else the inspect lane's requests alone are. No line holds an argument, a result, a header or an address.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import anyio
import anyio.to_thread
import structlog

from mcp_core.telemetry.visit import Visit
from mcp_core.terms import Terms, terms_digest, write_terms
from mcp_sidecar.logs import DEBUG_LOGGER, Line
from mcp_sidecar.store.debug_words import DebugStore, DebugWord, latest
from mcp_sidecar.store.engine import StoreError

MOST_LINES: Final = 20_000
"""Lines a minute: what is debugged may be under attack, and a log that is full helps nobody."""
_MOST_SEEN: Final = 20_000
"""Requests that the inspect lane has ended and Kong has not told of yet."""
_MINUTE: Final = 60.0


class Debugging:
    """What this process logs of whom. Without a store nobody can have turned it on."""

    def __init__(
        self, store: str | None, interval: float, *, collects: bool, clock: Callable[[], float] = time.time
    ) -> None:
        """`interval` is in seconds, `clock` gives Unix time; `collects` says whether Kong's log records come."""
        self._address = store
        self._interval = interval
        self._collects = collects
        self._clock = clock
        self._words: list[DebugWord] = []
        self._seq = 0
        self._opened: DebugStore | None = None
        self._problem = ""
        self._told = False
        self._seen: dict[str, dict[str, Any]] = {}
        self._minute = 0.0
        self._lines = 0
        self._skipped = 0

    def wants(self, server: str | None, principal: str | None) -> bool:
        """Return whether somebody wants to see this request."""
        if not self._words:
            return False
        now = self._clock()
        return any(word.is_of(server, principal) and word.holds(now) for word in self._words)

    def saw(self, request: str | None, line: Line, terms: Terms, now: float) -> None:
        """Take what the inspect lane found out of a request; `now` is in monotonic seconds."""
        if not self.wants(line.asked.server, line.principal):
            return
        record = line.record()
        known = {
            "policy": terms_digest(write_terms(terms)),
            "sidecar_ms": round((now - line.started) * 1000, 1),
            "hidden": line.hidden,
            "dropped": line.dropped,
        }
        if not self._collects:
            self._write({"request": request, **record.to_json(), "trace": line.trace, "status": line.status, **known})
        elif request is not None:
            self._seen[request] = known
            if len(self._seen) > _MOST_SEEN:
                del self._seen[next(iter(self._seen))]

    def tell(self, visits: Iterable[Visit]) -> None:
        """Write the lines of requests that Kong told of, once each."""
        if not self._words:
            self._seen.clear()
            return
        for visit in visits:
            seen = self._seen.pop(visit.id, {})
            if self.wants(visit.server, visit.record.principal):
                self._write(
                    {
                        "request": visit.id,
                        **visit.record.to_json(),
                        "trace": visit.trace,
                        "status": visit.status,
                        "began": visit.at,
                        "ms": visit.took / 1000,
                        "server_ms": None if visit.waited is None else visit.waited / 1000,
                        "tries": visit.tries,
                        **seen,
                    }
                )

    def _write(self, told: dict[str, Any]) -> None:
        now = self._clock()
        if abs(now - self._minute) >= _MINUTE:
            self._minute, self._lines = now, 0
        if self._lines >= MOST_LINES:
            self._skipped += 1
            return
        self._lines += 1
        structlog.get_logger(DEBUG_LOGGER).info(
            "debug", **told, **({"skipped": self._skipped} if self._skipped else {})
        )
        self._skipped = 0

    async def run(self) -> None:
        """Follow the store, for ever."""
        if self._address is None:
            return
        try:
            while True:
                self._take(await anyio.to_thread.run_sync(self._news))
                await anyio.sleep(self._interval)
        finally:
            if self._opened is not None:
                self._opened.close()

    def _news(self) -> list[DebugWord]:
        """Return what was said since the last time; nothing where the store cannot be read, which is told once."""
        problem = ""
        words: list[DebugWord] = []
        try:
            if self._opened is None:
                self._opened = DebugStore(self._address or "")
            self._seq, words = self._opened.debug_words(self._seq)
        except (StoreError, ValueError) as error:
            problem = str(error)
        # A store that this very process brings to its schema is not there at first.
        if problem and problem == self._problem and not self._told:
            structlog.get_logger().warning("what shall be debugged is not followed", problem=problem)
        self._told = bool(problem) and (self._told or problem == self._problem)
        self._problem = problem
        return words

    def _take(self, news: list[DebugWord]) -> None:
        before = self._words
        self._words = latest([*before, *news], self._clock())
        for word in (set(self._words) | set(before)) if before != self._words else ():
            if (word in self._words) != (word in before):
                event = "debug begins" if word in self._words else "debug ends"
                structlog.get_logger(DEBUG_LOGGER).info(
                    event, server=word.server or None, principal=word.principal or None, until=word.until, by=word.actor
                )
