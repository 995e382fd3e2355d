"""What this sidecar itself saw of inspected requests, until Kong's record of the same request comes."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from mcp_core.methods import Lane
from mcp_core.reasons import Ending
from mcp_core.record import Record
from mcp_core.telemetry.visit import Visit

MOST: Final = 20_000
"""Requests whose record of Kong's has not come yet. The oldest make room, and count as Kong's record says."""


class Heard:
    """Records by Kong's request id."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}

    def put(self, request: str | None, record: Record) -> None:
        """Keep how a request ended here."""
        if request is None:
            return
        self._records[request] = record
        if len(self._records) > MOST:
            del self._records[next(iter(self._records))]

    def joined(self, visit: Visit) -> Visit:
        """Return what happened as both hops saw it: the guard let it pass, and the sidecar knows what came back."""
        if visit.record.lane is not Lane.INSPECT:
            return visit
        said = self._records.get(visit.id)
        if said is None or visit.record.outcome is not Ending.PASSED:
            return visit
        return replace(visit, record=replace(visit.record, outcome=said.outcome, refused=said.refused))

    def forget(self, request: str) -> None:
        """Drop what is counted."""
        self._records.pop(request, None)
