"""What this sidecar itself saw of inspected requests, until Kong's record of the same request comes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from mcp_core.methods import Lane
from mcp_core.reasons import Ending
from mcp_core.record import Record, RefusedBecause
from mcp_core.telemetry.visit import Visit

MOST: Final = 20_000
"""Requests whose record of Kong's has not come yet. The oldest make room, and count as Kong's record says."""


class Heard:
    """How requests ended, by Kong's request id. Of `most` requests: of none where nobody will ask."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[str, tuple[Ending, RefusedBecause]] = {}

    def put(self, request: str | None, record: Record) -> None:
        """Keep how a request ended here."""
        if request is None or not self._most:
            return
        self._kept[request] = record.outcome, record.refused.cut()
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

    def joined(self, visit: Visit) -> Visit:
        """Return what happened as both hops saw it: the guard let it pass, and the sidecar knows what came back."""
        if visit.record.lane is not Lane.INSPECT:
            return visit
        said = self._kept.get(visit.id)
        if said is None or visit.record.outcome is not Ending.PASSED:
            return visit
        outcome, refused = said
        return visit._replace(record=replace(visit.record, outcome=outcome, refused=refused))

    def forget(self, requests: Iterable[str]) -> None:
        """Drop what is counted."""
        for request in requests if self._kept else ():
            self._kept.pop(request, None)
