"""Usage in the store: rows that only ever grow, by hours, then days, then in all; and which records were taken.

A row's numbers are sums, and so are those of hours that become a day, and of days that are kept no longer and become
one row without a principal: no roll-up changes what was counted in all. Records and the proof that they were taken are
written in one transaction, so a collector that ends in the middle neither loses nor doubles anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from functools import cache, partial
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Engine,
    Index,
    LargeBinary,
    String,
    Text,
    bindparam,
    delete,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from mcp_core.telemetry.chain import START, LogHead
from mcp_core.telemetry.tally import BUCKETS, NUMBERS, Counted, UsageKey
from mcp_sidecar.store.engine import StoreError, file_mark, is_file, open_engine, reading, store_url, write
from mcp_sidecar.store.migrate import check_schema, upgrade
from mcp_sidecar.store.tables import Base

HOUR: Final = 1
DAY: Final = 24
EVER: Final = 0
"""What `hours` of a row says: how long it is. A row of EVER has hour 0 and no principal."""

_DIMS: Final = UsageKey._fields
_BUSY_MS: Final = 5_000
_PARTS: Final = {"yield_per": 100}
_SUMS: Final = (*NUMBERS, *(f"b{number}" for number in range(BUCKETS)))


class UsageRow(Base):
    """Sums of one key. `key` is a digest of all that tells rows apart."""

    __tablename__ = "usage"
    __table_args__ = (Index("usage_by_hour", "hour"),)

    key: Mapped[str] = mapped_column(String(32), primary_key=True)
    hours: Mapped[int] = mapped_column(BigInteger)
    hour: Mapped[int] = mapped_column(BigInteger)
    collector: Mapped[str] = mapped_column(Text)
    server: Mapped[str] = mapped_column(Text)
    method: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    principal: Mapped[str] = mapped_column(Text)
    era: Mapped[str] = mapped_column(Text)
    lane: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    error: Mapped[str] = mapped_column(Text)
    calls: Mapped[int] = mapped_column(BigInteger)
    failed: Mapped[int] = mapped_column(BigInteger)
    took: Mapped[int] = mapped_column(BigInteger)
    asked: Mapped[int] = mapped_column(BigInteger)
    waited: Mapped[int] = mapped_column(BigInteger)
    sent: Mapped[int] = mapped_column(BigInteger)
    received: Mapped[int] = mapped_column(BigInteger)
    retries: Mapped[int] = mapped_column(BigInteger)
    b0: Mapped[int] = mapped_column(BigInteger)
    b1: Mapped[int] = mapped_column(BigInteger)
    b2: Mapped[int] = mapped_column(BigInteger)
    b3: Mapped[int] = mapped_column(BigInteger)
    b4: Mapped[int] = mapped_column(BigInteger)
    b5: Mapped[int] = mapped_column(BigInteger)
    b6: Mapped[int] = mapped_column(BigInteger)
    b7: Mapped[int] = mapped_column(BigInteger)
    b8: Mapped[int] = mapped_column(BigInteger)
    b9: Mapped[int] = mapped_column(BigInteger)
    b10: Mapped[int] = mapped_column(BigInteger)
    b11: Mapped[int] = mapped_column(BigInteger)
    b12: Mapped[int] = mapped_column(BigInteger)
    b13: Mapped[int] = mapped_column(BigInteger)
    b14: Mapped[int] = mapped_column(BigInteger)


class Delivery(Base):
    """One batch of records that was taken: `ids` are those of its requests, a line each. `at` is Unix milliseconds."""

    __tablename__ = "delivery"
    __table_args__ = (Index("delivery_by_time", "at"),)

    key: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger)
    ids: Mapped[bytes] = mapped_column(LargeBinary)


class AuditHead(Base):
    """How far the audit log of one collector goes, as far as anybody was told."""

    __tablename__ = "audit_head"

    collector: Mapped[str] = mapped_column(String(64), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))


_TAKEN: Final = select(Delivery.key).where(Delivery.key == bindparam("digest"))
_TAKE: Final = insert(Delivery)


@dataclass(frozen=True, slots=True)
class UsageBatch:
    """What one delivery adds: the ids of its requests, when it came (Unix milliseconds), and what they count.

    `audit` is how far the audit log goes with it, where there is one.
    """

    ids: Sequence[str]
    at: int
    counts: Mapping[UsageKey, Counted]
    audit: LogHead | None = None


def take(engine: Engine, collector: str, batch: UsageBatch) -> bool:
    """Write down a batch; False where the very same batch is there already, taken by another collector of this store.

    Raises:
        StoreError: the database cannot be reached or written; nothing of the batch is there.
    """
    ids = "\n".join(batch.ids)
    digest = _digest(ids)

    def work(session: Session) -> bool:
        if session.execute(_TAKEN, {"digest": digest}).first() is not None:
            return False
        session.connection().execute(_TAKE, {"key": digest, "at": batch.at, "ids": ids.encode()})
        _add(session, (_row(collector, HOUR, key, counted) for key, counted in batch.counts.items()))
        if batch.audit is not None:
            session.merge(AuditHead(collector=collector, seq=batch.audit.seq, hash=batch.audit.hash))
        return True

    return write(engine, work)


def audit_head(engine: Engine, collector: str) -> LogHead:
    """Return how far the audit log of a collector goes. Raises StoreError."""
    with reading(engine) as session:
        row = session.get(AuditHead, collector)
        return START if row is None else LogHead(row.seq, row.hash)


def taken(engine: Engine, most: int) -> list[str]:
    """Return the ids of requests whose records were taken last, newest batch first. Raises StoreError."""
    found: list[str] = []
    newest = select(Delivery.ids).order_by(Delivery.at.desc())
    with reading(engine) as session, closing(session.scalars(newest, execution_options=_PARTS)) as batches:
        for ids in batches:
            found += ids.decode().split("\n")
            if len(found) >= most:
                break
    return found[:most]


def forget_deliveries(engine: Engine, before: int) -> None:
    """Forget which records were taken before then: Kong holds none of them any more. Raises StoreError."""
    write(engine, lambda session: session.execute(delete(Delivery).where(Delivery.at < before)) and None)


def totals(engine: Engine, collector: str) -> dict[UsageKey, Counted]:
    """Return all that one collector ever counted, with hour 0. Raises StoreError."""
    told = [getattr(UsageRow, name) for name in _DIMS[1:]]
    sums = [func.sum(getattr(UsageRow, name)) for name in _SUMS]
    with reading(engine) as session:
        rows = session.execute(select(*told, *sums).where(UsageRow.collector == collector).group_by(*told)).all()
    return {UsageKey(0, *row[: len(told)]): _counted(row[len(told) :]) for row in rows}


def rows_between(
    engine: Engine, first: int, last: int, server: str | None = None
) -> Iterator[tuple[UsageKey, Counted]]:
    """Yield what was counted in hours from `first` until before `last`; a day counts by its first hour.

    Raises StoreError.
    """
    told = [getattr(UsageRow, name) for name in _DIMS]
    sums = [func.sum(getattr(UsageRow, name)) for name in _SUMS]
    wanted = select(*told, *sums).where(UsageRow.hours != EVER, UsageRow.hour >= first, UsageRow.hour < last)
    if server is not None:
        wanted = wanted.where(UsageRow.server == server)
    with reading(engine) as session:
        rows = session.execute(wanted.group_by(*told).order_by(*told)).all()
    for row in rows:
        yield UsageKey(*row[: len(told)]), _counted(row[len(told) :])


def roll_up(engine: Engine, now_hour: int, hours_kept: int, days_kept: int) -> int:
    """Make days of hours that are older than `hours_kept`, and one sum of days that are older than `days_kept`.

    Returns how many rows became others. Raises StoreError.
    """
    today = now_hour - now_hour % DAY

    def work(session: Session) -> int:
        days = _move(session, HOUR, DAY, today - hours_kept)
        return days + _move(session, DAY, EVER, today - days_kept * DAY)

    return write(engine, work)


def _move(session: Session, of: int, into: int, before: int) -> int:
    old = (UsageRow.hours == of, UsageRow.hour < before - before % DAY)
    found = session.scalars(select(UsageRow).where(*old)).all()
    made: dict[str, dict[str, Any]] = {}
    for row in found:
        values = {name: getattr(row, name) for name in _DIMS}
        values |= {"hour": row.hour - row.hour % DAY} if into == DAY else {"hour": 0, "principal": ""}
        made_row = _row(row.collector, into, UsageKey(**values), None)
        kept = made.setdefault(made_row["key"], made_row)
        for name in _SUMS:
            kept[name] += getattr(row, name)
    _add(session, iter(made.values()))
    session.execute(delete(UsageRow).where(*old))
    return len(found)


def _row(collector: str, hours: int, key: UsageKey, counted: Counted | None) -> dict[str, Any]:
    told = key._asdict()
    counts = dict.fromkeys(_SUMS, 0) if counted is None else _sums(counted)
    digest = _digest("\0".join(map(str, (collector, hours, *key))))
    return {"key": digest, "hours": hours, "collector": collector, **told, **counts}


def _sums(counted: Counted) -> dict[str, int]:
    return {field.name: getattr(counted, field.name) for field in fields(counted) if field.name != "buckets"} | {
        f"b{number}": count for number, count in enumerate(counted.buckets)
    }


def _counted(sums: Sequence[Any]) -> Counted:
    whole = [int(one) for one in sums]
    return Counted(**dict(zip(NUMBERS, whole, strict=False)), buckets=whole[len(NUMBERS) :])


def _add(session: Session, rows: Iterator[dict[str, Any]]) -> None:
    """Add to the rows that are there, and make those that are not."""
    several = list(rows)
    if several:
        session.connection().execute(_upsert(session.get_bind().dialect.name), several)


@cache
def _upsert(dialect: str) -> Any:
    """Return the statement that adds to rows or makes them: writing it anew took half of a small transaction."""
    statement = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(UsageRow)
    more = {name: getattr(UsageRow, name) + getattr(statement.excluded, name) for name in _SUMS}
    return statement.on_conflict_do_update(index_elements=[UsageRow.key], set_=more)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _wait_briefly(connection: Any, _record: Any) -> None:
    # Kong waits 10 s for an answer and holds the batch all the while: better it hears soon that it must.
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")


class UsageStore:
    """Usage in the store at an address (store_url), whose schema is this release's. Every call may raise StoreError."""

    def __init__(self, address: str, *, migrate: bool = False) -> None:
        """Open it; `migrate` brings its schema to this release. Raises ValueError for an address that is none."""
        url = store_url(address)
        if is_file(url) and not migrate and file_mark(url) is None:
            raise StoreError(f"there is no store {url.database}: start the sidecar with MCP_SIDECAR_STORE")
        self._engine = open_engine(url, create=migrate)
        if is_file(url):
            event.listen(self._engine, "connect", _wait_briefly)
        try:
            (upgrade if migrate else check_schema)(self._engine)
        except BaseException:
            self._engine.dispose()
            raise
        self.take = partial(take, self._engine)
        self.taken = partial(taken, self._engine)
        self.audit_head = partial(audit_head, self._engine)
        self.forget_deliveries = partial(forget_deliveries, self._engine)
        self.totals = partial(totals, self._engine)
        self.rows_between = partial(rows_between, self._engine)
        self.roll_up = partial(roll_up, self._engine)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()
