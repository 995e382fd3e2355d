"""Of whom every request is logged for a while, and who said so: entries of the chain, which no other table repeats.

An entry has the server, the principal's name (each "" for all of them, never both), and in its detail the Unix time in
seconds until which it holds: MOST_SECONDS after the entry at most, whatever stands there. Of two on one server and
principal the later one counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from mcp_sidecar.store.chain import Draft, append, lock_head
from mcp_sidecar.store.engine import reading
from mcp_sidecar.store.engine import write as written
from mcp_sidecar.store.store import Store
from mcp_sidecar.store.tables import ChainHead, Entry

BEGUN: Final = "debug-on"
ENDED: Final = "debug-off"
KIND: Final = "debug"
MOST_SECONDS: Final = 86_400
"""How long one word may hold. What is wanted for longer is what the audit log is for."""


@dataclass(frozen=True, slots=True)
class DebugWord:
    """One word: `at` in Unix milliseconds, `until` in Unix seconds, 0 where it was taken back."""

    server: str
    principal: str
    at: int
    until: int
    actor: str
    why: str = ""

    def holds(self, now: float) -> bool:
        """Return whether it holds at a Unix time in seconds: not for ever, and not from a clock that is ahead."""
        return now < self.until and abs(now - self.at / 1000) < MOST_SECONDS

    def is_of(self, server: str | None, principal: str | None) -> bool:
        """Return whether it is of a request to this server by this principal."""
        return self.server in ("", server) and self.principal in ("", principal)


class DebugStore(Store):
    """The store, for who debugs."""

    def debug(self, word: DebugWord) -> None:
        """Have every request of a server or principal logged for a while, or no longer. Raises StoreError."""
        written(self._engine, partial(_write, word=word))

    def debug_words(self, since: int = 0) -> tuple[int, list[DebugWord]]:
        """Return the words behind an entry of the chain by its number, and the number of the last entry."""
        with reading(self._engine) as session:
            return _read(session, since)


def _write(session: Session, word: DebugWord) -> None:
    action = BEGUN if word.until else ENDED
    draft = Draft(
        word.at, word.actor, action, word.server, KIND, word.principal, "", action, word.why, {"until": word.until}
    )
    append(session, lock_head(session), [draft])


def _read(session: Session, since: int) -> tuple[int, list[DebugWord]]:
    last = session.execute(select(ChainHead.seq)).scalar_one()
    if last == since:
        return last, []
    query = select(Entry).where(Entry.seq > since, Entry.seq <= last, Entry.action.in_((BEGUN, ENDED)))
    found = session.scalars(query.order_by(Entry.seq))
    return last, [
        DebugWord(entry.server, entry.name, entry.at, json.loads(entry.detail)["until"], entry.actor, entry.why)
        for entry in found
    ]


def latest(known: Iterable[DebugWord], now: float) -> list[DebugWord]:
    """Return, of words in the chain's order, those that hold at a Unix time in seconds."""
    last = {(debug_word.server, debug_word.principal): debug_word for debug_word in known}
    return [debug_word for debug_word in last.values() if debug_word.holds(now)]
