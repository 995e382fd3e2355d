"""Who was cut off, and who was let in again: entries of the chain, which no other table repeats.

An entry has the kind (subject, client, session) and the name of what is cut off, in its detail the issuer, and the Unix
time in seconds until which it holds. A session's name is its digest: its id would open it.
"""

from __future__ import annotations

import json
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from mcp_core.auth.revoked import Word
from mcp_sidecar.store.chain import Draft, append, lock_head
from mcp_sidecar.store.tables import ChainHead, Entry

REVOKED: Final = "revoked"
RESTORED: Final = "restored"


def write(session: Session, word: Word, *, kind: str, name: str, issuer: str, reviewer: str, why: str) -> None:
    """Write down that somebody was cut off, or let in again where the word holds until 0."""
    action = REVOKED if word.until else RESTORED
    detail = {"issuer": issuer, "until": word.until}
    draft = Draft(word.at, reviewer, action, "", kind, name, word.digest.hex(), action, why, detail)
    append(session, lock_head(session), [draft])


def read(session: Session, since: int) -> tuple[int, list[Word]]:
    """Return the words behind an entry of the chain by its number, and the number of the last entry."""
    last = session.execute(select(ChainHead.seq)).scalar_one()
    if last == since:
        return last, []
    query = select(Entry).where(Entry.seq > since, Entry.seq <= last, Entry.action.in_((REVOKED, RESTORED)))
    found = session.scalars(query.order_by(Entry.seq))
    return last, [Word(bytes.fromhex(entry.digest), entry.at, json.loads(entry.detail)["until"]) for entry in found]
