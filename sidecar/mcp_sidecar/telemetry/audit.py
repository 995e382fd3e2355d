"""What the collector takes down of requests for those who must prove something: which ones, and what of persons."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

from mcp_core.telemetry.chain import LogHead
from mcp_core.telemetry.ocsf import Persons, event, matters
from mcp_core.telemetry.visit import Visit
from mcp_sidecar.telemetry.audit_log import AuditLog, signing_key
from mcp_sidecar.telemetry.settings import TelemetrySettings

DAY_MS: Final = 86_400_000
_PSEUDONYM: Final = b"kong-mcp audit persons"


def pseudonym(secret: bytes, person: str) -> str:
    """Return what stands for a person, the same as long as the ring's first key is."""
    return f"p-{hashlib.blake2b(_PSEUDONYM + person.encode(), key=secret[:64], digest_size=8).hexdigest()}"


class Auditor:
    """Writes the audit log of one collector. Every call blocks, and may raise OSError."""

    def __init__(self, settings: TelemetrySettings, folder: str, secret: bytes) -> None:
        self._settings = settings
        self._secret = secret
        self._release = version("kong-mcp")
        self._log = AuditLog(Path(folder), signing_key(secret))

    @property
    def head(self) -> LogHead:
        """How far the log goes."""
        return self._log.head

    def write(self, visits: Sequence[Visit]) -> LogHead:
        """Take down requests, and return the head behind them."""
        every = self._settings.audit_calls
        told = [event(one, self._release, self._person) for one in visits if every or matters(one)]
        return self._log.append(told) if told else self._log.head

    def settle(self, head: LogHead) -> int:
        """Make the log what the store says of it; returns how many lines nobody had acknowledged."""
        return self._log.cut_back(head)

    def tend(self, now: int) -> None:
        """Sign how far the log goes, remove what is too old, and note how new the rest is."""
        self._log.sign(now)
        self._log.forget(now - self._settings.audit_days * DAY_MS)
        with suppress(ValueError):  # a line that was changed: searches read that segment, and `verify` names the line
            self._log.date()

    def _person(self, name: str) -> str | None:
        if self._settings.audit_persons is Persons.KEPT:
            return name
        return None if self._settings.audit_persons is Persons.DROPPED else pseudonym(self._secret, name)
