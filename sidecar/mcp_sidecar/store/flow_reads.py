"""What callers of virtual servers have read, as far as flow rules must know it: it is the same on every sidecar.

A row is for one session, or for all that a caller did without one, and says until when each kind of reading counts.
Names and session ids are there as digests alone. A caller has MOST_SESSIONS rows at most: what is read in further
sessions counts for all of the caller's. So the table is as large as the number of callers, and rows go with their time.
A few more rows are answers of people who were asked by another sidecar than the one that heard them, and those that
were used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from sqlalchemy import BigInteger, Engine, Index, String, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from mcp_core.adaptive.flow import ReadLabel
from mcp_sidecar.store.engine import StoreGoneError, file_mark, is_file, open_engine, reading, store_url, write
from mcp_sidecar.store.tables import HEX, Base

MOST_SESSIONS: Final = 64
"""Sessions of one caller with one virtual server of which is known what was read in each."""
NO_SESSION: Final = ""
MOST_ANSWERS: Final = 16
"""Answers of one caller that wait for the sidecar that asked."""
_EVERY_SESSION: Final = "*"
_ANSWERS: Final = "answers"
_SPENT: Final = "spent"


class FlowRead(Base):
    """Until when (Unix milliseconds) each kind of reading counts; 0 for what was not read."""

    __tablename__ = "flow_read"
    __table_args__ = (Index("flow_read_by_caller", "caller"), Index("flow_read_by_time", "until"))

    key: Mapped[str] = mapped_column(String(HEX), primary_key=True)
    caller: Mapped[str] = mapped_column(String(HEX))
    untrusted: Mapped[int] = mapped_column(BigInteger)
    private: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[int] = mapped_column(BigInteger)


class FlowReads:
    """The table. Opening it asks the database for nothing: it is there as soon as the store is."""

    def __init__(self, address: str) -> None:
        """`address` is what store_url takes. Raises ValueError, and StoreError without a driver."""
        self._url = store_url(address)
        self._engine: Engine = open_engine(self._url, create=False)
        self._file = file_mark(self._url)
        self._replaced = False

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @contextmanager
    def _same_file(self) -> Iterator[None]:
        """Use the file that was there before, as long as it is in its place.

        What was read stands in it alone: in another file nobody would have read anything. After another one it is not
        trusted any more either: what was written last stood in a file beside it (`-wal`), which the other one has used.

        Raises:
            StoreGoneError: it was taken away or replaced since this was opened.
        """
        self._check()
        yield
        self._check()

    def _check(self) -> None:
        if not is_file(self._url):
            return
        now = file_mark(self._url)
        if self._file is None:
            self._file = now
        self._replaced = self._replaced or now not in (None, self._file)
        if self._replaced or (now is None and self._file is not None):
            where = self._url.database
            raise StoreGoneError(
                f"the file of the store, {where}, was taken away or replaced, and what was read stood in it: "
                "restart the sidecar, and have agents begin new sessions"
            )

    def read_by(self, server: str, caller: str, session: str, now: int) -> frozenset[ReadLabel]:
        """Return what counts as read now (Unix milliseconds), in a session or without one (NO_SESSION).

        Raises:
            StoreError: the database cannot be reached or read.
        """
        who = _digest(server, caller)
        keys = [_digest(who, one) for one in _rows_of(session)]
        with self._same_file(), reading(self._engine) as open_:
            rows = open_.scalars(select(FlowRead).where(FlowRead.key.in_(keys))).all()
            return frozenset(label for label in ReadLabel for row in rows if getattr(row, label.value) > now)

    def note(self, server: str, caller: str, until: Mapping[str, int], reads: Iterable[ReadLabel], now: int) -> None:
        """Write down that a caller reads something: session (or NO_SESSION) -> until when it counts there.

        Raises:
            StoreError: the database cannot be reached or written.
        """
        who, labels = _digest(server, caller), list(reads)

        def work(open_: Session) -> None:
            open_.execute(delete(FlowRead).where(FlowRead.until <= now))
            for session, end in until.items():
                row = _row(open_, who, session)
                for label in labels:
                    setattr(row, label.value, max(getattr(row, label.value), end))
                row.until = max(row.until, end)
                open_.flush()

        with self._same_file():
            write(self._engine, work)

    def leave_answer(self, server: str, caller: str, asked: str, until: int, now: int, *, yes: bool) -> None:
        """Leave a person's answer to a question for the sidecar that asked it. Raises StoreError.

        One that comes when too many wait is left out.
        """
        who = _digest(server, caller, _ANSWERS)

        def work(open_: Session) -> None:
            open_.execute(delete(FlowRead).where(FlowRead.until <= now))
            key = _digest(who, asked)
            if open_.get(FlowRead, key) is None and _count(open_, who) < MOST_ANSWERS:
                open_.add(FlowRead(key=key, caller=who, untrusted=0, private=until if yes else 0, until=until))

        with self._same_file():
            write(self._engine, work)

    def answer_to(self, server: str, caller: str, asked: str, now: int) -> bool | None:
        """Return whether a person's answer to a question was yes, None where there is none yet. Raises StoreError."""
        with self._same_file(), reading(self._engine) as open_:
            row = open_.get(FlowRead, _digest(_digest(server, caller, _ANSWERS), asked))
            return None if row is None or row.until <= now else row.private > now

    def spend(self, server: str, caller: str, yes: str, until: int, now: int) -> bool:
        """Use a person's yes up until it is of no more use. Returns whether nobody did before. Raises StoreError.

        Of one caller so many are known as answers are.
        """
        who = _digest(server, caller, _SPENT)

        def work(open_: Session) -> bool:
            open_.execute(delete(FlowRead).where(FlowRead.until <= now))
            key = _digest(who, yes)
            if open_.get(FlowRead, key) is not None or _count(open_, who) >= MOST_ANSWERS:
                return False
            open_.add(FlowRead(key=key, caller=who, untrusted=0, private=0, until=until))
            return True

        with self._same_file():
            return write(self._engine, work)


def _rows_of(session: str) -> tuple[str, ...]:
    return (NO_SESSION,) if session == NO_SESSION else (session, _EVERY_SESSION)


def _row(open_: Session, who: str, session: str) -> FlowRead:
    """Return the row of a session: that of all of them, where the caller has too many."""
    row = open_.get(FlowRead, _digest(who, session))
    if row is None and session not in (NO_SESSION, _EVERY_SESSION) and _count(open_, who) >= MOST_SESSIONS:
        return _row(open_, who, _EVERY_SESSION)
    if row is None:
        row = FlowRead(key=_digest(who, session), caller=who, untrusted=0, private=0, until=0)
        open_.add(row)
    return row


def _count(session: Session, caller: str) -> int:
    return session.execute(select(func.count()).where(FlowRead.caller == caller)).scalar_one()


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
