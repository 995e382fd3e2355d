"""Leases: which of several sidecars does what one is enough for, and what it tells the others.

A lease is one row. Whoever holds it renews it; when it was not renewed in time, the first one to ask gets it. `now` is
each caller's own clock, in Unix milliseconds: sidecars whose clocks differ by more than a lease is long may both hold
it for a while, and do the same work twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.orm import Session

from mcp_sidecar.store.engine import write
from mcp_sidecar.store.tables import Lease


@dataclass(frozen=True, slots=True)
class Tenure:
    """Who has a lease, until when, and what that one told last ("" for nothing)."""

    holder: str
    until: int
    told: str


def take(engine: Engine, name: str, holder: str, now: int, lasts: int, told: str | None) -> Tenure:
    """Take or renew a lease for so many milliseconds, where nobody else has it. Returns who has it then.

    `told` is what the holder tells the others; None leaves what was told, for a taker that does not know better.

    Raises:
        StoreError: the database cannot be reached or written.
    """

    def work(session: Session) -> Tenure:
        row = session.scalar(select(Lease).where(Lease.name == name).with_for_update())
        if row is None:
            session.execute(
                insert(Lease).values(name=name, holder=holder, until=now + lasts, told="" if told is None else told)
            )
            return Tenure(holder, now + lasts, told or "")
        if row.holder != holder and row.until > now:
            return Tenure(row.holder, row.until, row.told)
        said = row.told if told is None else told
        session.execute(update(Lease).where(Lease.name == name).values(holder=holder, until=now + lasts, told=said))
        return Tenure(holder, now + lasts, said)

    return write(engine, work)


def leave(engine: Engine, name: str, holder: str) -> None:
    """Give a lease up, so that another one need not wait for its end. Raises StoreError."""

    def work(session: Session) -> None:
        session.execute(update(Lease).where(Lease.name == name, Lease.holder == holder).values(until=0))

    write(engine, work)
