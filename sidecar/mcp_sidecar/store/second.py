"""The second reader's words: one for each digest, kept in the chain, which may close versions and never opens one.

What a person decided on is not read: a person's word stands.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.orm import Session

from mcp_core.pins.canonical import canonical
from mcp_core.pins.states import OPEN, Grade, State
from mcp_core.scan import Finding, ItemKind, Severity
from mcp_core.scan.items import path_text
from mcp_sidecar.store.chain import SEEN, SELF, Draft, append, lock_head
from mcp_sidecar.store.observe import News
from mcp_sidecar.store.rows import REVIEWED
from mcp_sidecar.store.tables import Entry, Version

READ: Final = "read"
"""The action of an entry that holds a word of the second reader; the actor is the gateway, the state that before it."""
CLOSED: Final = "second-reader"
"""The reason of a version that waits because of such a word."""
FAMILY: Final = "second-reader"


class Opinion(StrEnum):
    """What the second reader says of an item. HARMLESS changes nothing; the others have a person asked."""

    HARMLESS = "harmless"
    UNSURE = "unsure"
    STEERS = "steers"


_MESSAGES: Final = {
    Opinion.UNSURE: "The second reader cannot tell whether it steers the model.",
    Opinion.STEERS: "The second reader takes it to steer the model.",
}


Place: TypeAlias = tuple[int, str, str]
"""Generation, key of the item and digest of a version: the order in which versions are read."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A version that no person decided on, by its key in the table; `content` is its canonical text."""

    generation: int
    item: str
    digest: str
    server: str
    content: str
    state: str

    @property
    def place(self) -> Place:
        """Return where it stands in the order of all."""
        return self.generation, self.item, self.digest

    @property
    def is_open(self) -> bool:
        """Return whether agents may see it."""
        return self.state in {state.value for state in OPEN}


def words(session: Session, after: int) -> tuple[int, dict[str, tuple[Opinion, str]]]:
    """Return the words behind an entry of the chain (digest -> word and reason), and the number of the last of them."""
    found: dict[str, tuple[Opinion, str]] = {}
    columns = Entry.seq, Entry.digest, Entry.detail
    for seq, digest, detail in session.execute(
        select(*columns).where(Entry.seq > after, Entry.action == READ).order_by(Entry.seq)
    ):
        said = json.loads(detail)
        found[digest], after = (Opinion(said["word"]), str(said["said"])), seq
    return after, found


def asked_since(session: Session, at: int) -> dict[str, int]:
    """Return how many words were given about items of each server since a time (Unix milliseconds)."""
    counts = select(Entry.server, func.count()).where(Entry.action == READ, Entry.at >= at).group_by(Entry.server)
    return dict(session.execute(counts).all())


def unread(session: Session, behind: Place, most: int, *, is_open: bool) -> list[Unread]:
    """Return versions that no person decided on, in the order of their places, behind one of them.

    They are those that agents may see where `is_open`, else those that wait.
    """
    opened = Version.state.in_([state.value for state in OPEN])
    order = Version.generation, Version.item, Version.digest
    found = session.execute(
        select(*order, Version.server, Version.content, Version.state)
        .where(tuple_(*order) > behind, opened if is_open else ~opened)
        .where(Version.reason != REVIEWED, Version.state != State.REJECTED.value)
        .order_by(*order)
        .limit(most)
    )
    return [Unread(*row) for row in found]


def say(session: Session, one: Unread, word: Opinion, said: str, *, known: bool, now: int) -> News | None:
    """Write a word of the second reader down, and close the version that it is about where the word is strict.

    `known` says that this digest has its word in the chain already. Returns what is new, None where nothing was closed.
    `now` is in Unix milliseconds.
    """
    head = lock_head(session)
    row = session.get(Version, (one.item, one.digest))
    if row is None or row.reason == REVIEWED:  # forgotten, or decided on, while the model read
        return None
    kind, closes = ItemKind(row.kind), word is not Opinion.HARMLESS and row.state in {state.value for state in OPEN}
    findings = json.loads(row.findings)
    if word is not Opinion.HARMLESS:
        path = path_text(kind, row.name, None)
        severity = Severity.BLOCK if word is Opinion.STEERS else Severity.FLAG
        its = Finding(f"{FAMILY}.{word.value}", FAMILY, severity, path, said[:160], _MESSAGES[word]).to_json()
        findings = [*findings, its] if its not in findings else findings
    drafts = []
    if not known:
        detail = {"word": word.value, "said": said}
        drafts.append(Draft(now, SELF, READ, row.server, row.kind, row.name, row.digest, row.state, word.value, detail))
    values = {"findings": canonical(findings)}
    news = None
    if closes:
        head.generation += 1
        values |= {"state": State.QUARANTINED.value, "reason": CLOSED}
        grade = Grade(State.QUARANTINED, CLOSED)
        shown = tuple(Finding(**{**found, "severity": Severity(found["severity"])}) for found in findings)
        news = News(SEEN, row.server, kind, row.name, row.digest, grade, shown)
        drafts.append(news.draft(now))
    key = Version.item == row.item, Version.digest == row.digest
    generation = head.generation if closes else row.generation
    session.execute(update(Version).where(*key).values(**values, generation=generation))
    append(session, head, drafts)
    return news
