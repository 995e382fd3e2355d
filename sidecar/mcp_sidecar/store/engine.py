"""The way to the database: SQLite in a file, or PostgreSQL, and one way to write for both."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.orm import Session

WRITE_TRIES: Final = 10
"""How often a transaction is begun again that another writer got in the way of."""

_BUSY_SECONDS: Final = 30.0
_PATIENCE: Final = {"connect_timeout": 5, "tcp_user_timeout": 15_000, "options": "-c lock_timeout=30000"}
"""Parameters of libpq: a database that is gone must not be waited for as long as TCP would (seconds, ms, ms)."""
_T = TypeVar("_T")


class StoreError(RuntimeError):
    """The store cannot be used; the message says what to do, and holds no password."""


class StoreGoneError(StoreError):
    """The file of the store is no longer the one that was opened: it is to be opened anew."""


def store_url(text: str) -> URL:
    """Return the URL of a store: a file's path for SQLite, or postgresql://USER:PASSWORD@HOST/DATABASE.

    Raises:
        ValueError: it is neither.
    """
    wanted = "write the path of a file, or postgresql://USER:PASSWORD@HOST/DATABASE"
    if "://" not in text:
        if not text or text.startswith(":"):
            raise ValueError(wanted)
        return URL.create("sqlite+pysqlite", database=text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(wanted) from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername != "postgresql+psycopg":
        raise ValueError(wanted)
    return url


def open_engine(url: URL, *, create: bool = True) -> Engine:
    """Return an engine for a URL of `store_url`. Where not `create`, a file that is not there is an error.

    Raises:
        StoreError: the driver of PostgreSQL is not installed.
    """
    if is_file(url):
        engine = create_engine(url, creator=partial(_connect, url.database or "", "rwc" if create else "rw"))
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        given = {name: value for name, value in _PATIENCE.items() if name not in url.query}
        return create_engine(url, pool_pre_ping=True, pool_size=2, max_overflow=2, connect_args=given)
    except ModuleNotFoundError:
        raise StoreError("PostgreSQL needs its driver: pip install 'kong-mcp[postgres]'") from None


def is_file(url: URL) -> bool:
    """Return whether a store is a file of SQLite."""
    return url.drivername.startswith("sqlite")


def file_mark(url: URL) -> tuple[int, int] | None:
    """Return what tells a store's file from any other in its place, or None where there is no file."""
    try:
        found = os.stat(url.database or "")  # noqa: PTH116 - a URL's path
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _connect(path: str, mode: str) -> sqlite3.Connection:
    address = f"file:{quote(path)}?mode={mode}"
    return sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, check_same_thread=False)


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver's own transactions begin too late: a reader that becomes a writer would meet a changed database.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    # An entry that was acknowledged is on the disk.
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Give a session that sees one moment of the store.

    Raises:
        StoreError: the database cannot be reached or read.
    """
    with said(engine), engine.connect() as plain:
        connection = plain if engine.dialect.name == "sqlite" else _snapshot(plain)
        with Session(connection) as session:
            yield session


def _snapshot(connection: Connection) -> Connection:
    return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def write(engine: Engine, work: Callable[[Session], _T]) -> _T:
    """Do `work` in one transaction and return what it returned; begin again where another writer got in the way.

    Raises:
        StoreError: the database cannot be reached or written, or others got in the way WRITE_TRIES times.
    """
    for tries_left in reversed(range(WRITE_TRIES)):
        try:
            with (
                said(engine),
                engine.connect().execution_options(writes=True) as connection,
                Session(connection) as session,
            ):
                done = work(session)
                session.commit()
                return done
        except _InTheWayError:
            if not tries_left:
                raise StoreError("other writers got in the way too often: try again") from None
    raise AssertionError


class _InTheWayError(Exception):
    """Another writer was quicker."""


_SERIALIZATION: Final = frozenset({"40001", "40P01"})


@contextlib.contextmanager
def said(engine: Engine) -> Iterator[None]:
    """Say what the database said in words that an operator can use."""
    try:
        yield
    except IntegrityError as error:
        raise _InTheWayError from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in _SERIALIZATION:
            raise _InTheWayError from error
        url = engine.url
        where = url.database if is_file(url) else url.render_as_string(hide_password=True)
        words = str(error.orig).strip().splitlines()
        advice = _advice(Path(url.database or ""), error.orig) if is_file(url) else ""
        raise StoreError(f"the store {where} cannot be used: {words[0] if words else 'no word why'}{advice}") from error


def _advice(path: Path, error: BaseException | None) -> str:
    """Return what to do about an error of SQLite, whose own words name no file. "" where nothing is known."""
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR"):
        return (
            f"; make room on the disk of {path.parent}: it may be full, or files have reached the largest size that "
            "this process may write (ulimit -f, LimitFSIZE)"
        )
    if name.startswith("SQLITE_CANTOPEN") and path.is_dir():
        return "; it is a folder: name a file in it"
    if name.startswith("SQLITE_CANTOPEN") and not path.parent.is_dir():
        return f"; make the folder {path.parent}, or name a file in a folder that is there"
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
        return f"; let this user read and write it and its folder {path.parent}, or name another file"
    if name == "SQLITE_NOTADB":
        return "; name the file of a store, or take its backup"
    return ""
