"""Watching a local gateway: what its logs and records tell, as it happens."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from kong_mcp.causes import Causes, Findings
from kong_mcp.dev import DevGateway
from kong_mcp.follow import Follower
from kong_mcp.happenings import Happening, Told
from kong_mcp.policies.source import Policies
from kong_mcp.programs import Programs
from kong_mcp.records import Called, Records

MINUTE: Final = 60.0
_LOGGED: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
"""How logs write a moment."""
_MOST_RECENT: Final = 100_000
"""Calls of a minute that are counted; the rate of more is said to be at least that."""


class Watching:
    """One gateway that is watched. `look` is to be called again and again, by whoever tells what it returns."""

    def __init__(
        self,
        gateway: DevGateway,
        policies: Policies,
        *,
        findings: Findings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        settings = gateway.settings
        review = f" --store {gateway.store}" if settings.pinned else ""
        groups = {consumer.name: consumer.groups for consumer in settings.consumers}
        self._sidecar = Follower(gateway.sidecar.log)
        self._local = Follower(gateway.folder / "local.log")
        self._kong = Follower(gateway.records, renews=True)
        self._causes = Causes(findings, review)
        self._programs = Programs()
        self._records = Records([server.name for server in settings.servers], policies, groups, review)
        self._clock = clock
        self._began = datetime.now(UTC).strftime(_LOGGED)
        self._recent: deque[tuple[float, str]] = deque(maxlen=_MOST_RECENT)
        self.told = Told()
        self.calls: Counter[str] = Counter()
        """How many requests agents sent, by server."""

    def look(self) -> list[Happening]:
        """Return what happened since the last look and was not told yet."""
        return list(self.told.new(self._happened()))

    def _happened(self) -> Iterator[Happening]:
        for log, reader in ((self._local, self._programs), (self._sidecar, self._causes)):
            for logged in log.new():
                if logged.get("event") == "look" and str(logged.get("timestamp")) < self._began:
                    continue  # while the gateway starts, no server can be reached through it; it is looked at again
                happening = reader.happening(logged)
                if happening is not None:
                    yield happening
        for record in self._kong.new():
            called = self._records.called(record)
            if called is not None:
                self._count(called)
                yield from self._records.happenings(record)

    def _count(self, called: Called) -> None:
        self.calls[called.server] += 1
        self._recent.append((self._clock(), called.server))

    def rates(self) -> Mapping[str, int]:
        """Return how many requests agents sent in the last minute, by server."""
        since = self._clock() - MINUTE
        while self._recent and self._recent[0][0] < since:
            self._recent.popleft()
        return Counter(server for _, server in self._recent)

    def close(self) -> None:
        """Let go of the files."""
        self._local.close()
        self._sidecar.close()
        self._kong.close()


def store_findings(address: str) -> Findings:
    """Return what looks findings up in a store; where it has none, or cannot be asked, there are none."""

    def findings(server: str, kind: str, name: str, digest: str) -> list[Mapping[str, str]]:
        try:
            from mcp_core.scan import ItemKind  # noqa: PLC0415 - a local gateway without pins has no store
            from mcp_sidecar.store.engine import StoreError  # noqa: PLC0415 - as above
            from mcp_sidecar.store.store import Store  # noqa: PLC0415 - as above
            from mcp_sidecar.store.values import ItemId  # noqa: PLC0415 - as above
        except ModuleNotFoundError:
            return []
        try:
            store = Store(address)
            try:
                found: list[Any] = store.content(ItemId(server, ItemKind(kind), name), digest)[2]
            finally:
                store.close()
        except (StoreError, LookupError, ValueError):
            return []
        return found

    return findings
