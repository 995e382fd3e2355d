"""The tables. Times are Unix milliseconds, digests and hashes 64 hexadecimal digits, JSON is canonical text."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

HEX: Final = 64
WORD: Final = 32
SERVER: Final = 255


class Base(DeclarativeBase):
    """What all tables share."""


class Entry(Base):
    """One link of the chain: what was seen or decided. Rows are added, never changed."""

    __tablename__ = "entry"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(SERVER))
    action: Mapped[str] = mapped_column(String(WORD))
    server: Mapped[str] = mapped_column(String(SERVER))
    kind: Mapped[str] = mapped_column(String(WORD))
    name: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(HEX))
    state: Mapped[str] = mapped_column(String(WORD))
    why: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text)
    # Two writers that saw the same head would both name it: the second one is refused.
    previous: Mapped[str] = mapped_column(String(HEX), unique=True)
    hash: Mapped[str] = mapped_column(String(HEX), unique=True)


class Version(Base):
    """One version of an item. `item` is the digest of server, kind and name, for names can be too long for an index."""

    __tablename__ = "version"

    item: Mapped[str] = mapped_column(String(HEX), primary_key=True)
    digest: Mapped[str] = mapped_column(String(HEX), primary_key=True)
    server: Mapped[str] = mapped_column(String(SERVER))
    kind: Mapped[str] = mapped_column(String(WORD))
    name: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(WORD))
    reason: Mapped[str] = mapped_column(String(WORD))
    content: Mapped[str] = mapped_column(Text)
    findings: Mapped[str] = mapped_column(Text)
    first_seen: Mapped[int] = mapped_column(BigInteger)
    last_seen: Mapped[int] = mapped_column(BigInteger)
    differs: Mapped[bool]
    # The generation at which the standing of its item changed last by it.
    generation: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")

    __table_args__ = (Index("version_by_server", "server"), Index("version_by_generation", "generation"))


class ChainHead(Base):
    """The one row (id 1) that writers lock: where the chain ends, and how often what guards must know has changed."""

    __tablename__ = "head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(HEX))
    generation: Mapped[int] = mapped_column(BigInteger)


class Known(Base):
    """A server that was heard of, how the last look at it ended ("" for never), and its settings of the scanner.

    `target` is where it is, as JSON ("" where no guard said that).

    `generation` is that at which these settings changed last, or the server was first heard of; `versions` are so many
    of its items as are kept, with `size` characters of content.
    """

    __tablename__ = "server"

    name: Mapped[str] = mapped_column(String(SERVER), primary_key=True)
    looked: Mapped[int] = mapped_column(BigInteger)
    outcome: Mapped[str] = mapped_column(String(WORD))
    scan: Mapped[str] = mapped_column(Text, default="{}", server_default="{}")
    generation: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    versions: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    size: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    target: Mapped[str] = mapped_column(Text, default="", server_default="")


class Lease(Base):
    """What one of several sidecars does for all: who does it, until when, and what it told the others last."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(WORD), primary_key=True)
    holder: Mapped[str] = mapped_column(String(SERVER))
    until: Mapped[int] = mapped_column(BigInteger)
    told: Mapped[str] = mapped_column(Text)
