"""Keeps the keys of all issuers fresh: fetched in turn, written for the guards, kept while a provider is away.

An issuer that fails is asked again soon, then more and more seldom, up to the interval of a refresh; its keys stay what
they were until their time is over. A new set replaces the old one whole, so that a key that its issuer withdrew is gone
from the guards within one refresh.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog

from mcp_core.auth.keyfile import IssuerKeys
from mcp_sidecar.auth.discovery import Documents, find_keys
from mcp_sidecar.auth.fetch import Fetcher, FetchError
from mcp_sidecar.auth.keyfile import KeyFileWriter
from mcp_sidecar.auth.metrics import IssuerMetrics
from mcp_sidecar.auth.settings import AuthSettings

FIRST_PAUSE: Final = 1.0
"""Seconds until an issuer is asked again that failed for the first time; each further time takes twice as long."""
WANTED_SECONDS: Final = 10.0
"""How often an issuer is asked out of turn at most: kids are the invention of whoever writes a token."""


@dataclass(slots=True)
class _Issuer:
    """What is known of one issuer. `problem` is that of the last attempt, "" after a good one."""

    keys: IssuerKeys | None = None
    problem: str = "its keys were not fetched yet"
    failures: int = 0
    wanted: float = float("-inf")
    lock: anyio.Lock = field(default_factory=anyio.Lock)

    def has(self, kid: str | None, algorithm: str) -> bool:
        """Return whether a token that names these would find its key."""
        return self.keys is not None and self.keys.keys.find(kid, algorithm) is not None


class IssuerKeeper:
    """Keeps one node's file of issuers' keys. `documents` makes what fetches, in a context of its own."""

    def __init__(
        self,
        settings: AuthSettings,
        writer: KeyFileWriter,
        metrics: IssuerMetrics,
        documents: Callable[[], Fetcher] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._writer = writer
        self._metrics = metrics
        self._documents = documents or (lambda: Fetcher(settings.issuer_networks))
        self._clock = clock
        self._writing = anyio.Lock()
        self._fetching: Documents | None = None
        self._issuers = {issuer: _Issuer() for issuer in settings.issuers}

    def problems(self) -> dict[str, str]:
        """Return, of each issuer whose keys could not be fetched last time, what is the matter."""
        return {issuer: one.problem for issuer, one in self._issuers.items() if one.problem}

    async def run(self) -> None:
        """Keep keys fresh, for ever."""
        self.recall()
        async with self._documents() as documents, anyio.create_task_group() as tasks:
            self._fetching = documents
            for issuer in self._issuers:
                tasks.start_soon(self._follow, documents, issuer)

    def recall(self) -> None:
        """Take up what the node's file said last: a provider that is away at the start is away like any other."""
        for issuer, keys in self._writer.read().items():
            if issuer in self._issuers and keys.until > self._clock():
                self._issuers[issuer].keys = keys

    async def want(self, issuer: str, kid: str | None, algorithm: str) -> bool:
        """Ask an issuer out of turn for a key that a token names. Returns whether it is known then."""
        one = self._issuers.get(issuer)
        if one is None or self._fetching is None:
            return False
        async with one.lock:
            now = self._clock()
            if not one.has(kid, algorithm) and now - one.wanted >= WANTED_SECONDS:
                one.wanted = now
                await self.refresh(self._fetching, issuer)
        return one.has(kid, algorithm)

    async def _follow(self, documents: Documents, issuer: str) -> None:
        while True:
            pause = await self.refresh(documents, issuer)
            await anyio.sleep(pause)

    async def refresh(self, documents: Documents, issuer: str) -> float:
        """Fetch the keys of an issuer once. Returns the seconds until it should be done again."""
        one = self._issuers[issuer]
        try:
            keys = await find_keys(documents, issuer, self._settings.issuers[issuer])
        except FetchError as error:
            self._failed(issuer, one, str(error))
            pause = FIRST_PAUSE * 2.0 ** min(one.failures - 1, 20)
            return min(pause, self._settings.issuer_refresh)
        changed = one.keys is None or one.keys.keys.to_values() != keys.to_values()
        one.keys = IssuerKeys(keys, self._clock() + self._settings.issuer_keep)
        try:
            async with self._writing:
                known = {name: other.keys for name, other in self._issuers.items() if other.keys is not None}
                await anyio.to_thread.run_sync(self._writer.write, known)
        except OSError as error:
            self._failed(issuer, one, f"the file of issuers' keys cannot be written: {error.strerror}")
            return min(FIRST_PAUSE, self._settings.issuer_refresh)
        if one.problem or changed:
            structlog.get_logger().info(
                "issuer keys fetched", issuer=issuer, keys=len(keys.keys), passed_over=list(keys.passed_over)
            )
        one.problem, one.failures = "", 0
        self._metrics.fetches.labels(issuer, "fetched").inc()
        self._metrics.until.labels(issuer).set(one.keys.until)
        return self._settings.issuer_refresh

    def _failed(self, issuer: str, one: _Issuer, problem: str) -> None:
        one.failures += 1
        self._metrics.fetches.labels(issuer, "failed").inc()
        if problem != one.problem:
            kept = "none are known" if one.keys is None else f"those fetched before count until {one.keys.until:.0f}"
            structlog.get_logger().warning("issuer keys not fetched", issuer=issuer, problem=problem, meanwhile=kept)
        one.problem = problem
