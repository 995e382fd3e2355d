"""Whether this release reads the store that the sidecar is told of."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Final

from kong_mcp.doctor.finding import CheckResult, fail, ok, warn

_BEFORE: Final = (
    "copy it while no sidecar runs; the sidecar brings it up to date at its start, and an older one cannot read it then"
)


def check_store(where: str | None) -> CheckResult:
    """Say whether this release reads the store: an SQLite file is looked into, a database's URL is not.

    The number of its schema is Alembic's (table alembic_version); this release's are the names of its migrations.
    """
    check = "store"
    if not where:
        return ok(check, "MCP_SIDECAR_STORE names none")
    if "://" in where:
        return warn(check, "a database is not looked into", f"pg_dump it: {_BEFORE.partition('; ')[2]}")
    if not Path(where).exists():
        return ok(check, f"there is no {where} yet")
    try:
        found = _schema(Path(where))
    except (OSError, sqlite3.Error) as error:
        return fail(check, f"{where} cannot be read as a store: {error}", "name the store, or take its backup")
    known = sorted(path.name[1:5] for path in _migrations().glob("v[0-9]*.py"))
    schema = found or "none"
    if schema not in known:
        return fail(
            check, f"{where} was written by a later release (schema {schema})", "install that release, or take a backup"
        )
    if schema != known[-1]:
        return warn(check, f"{where} has schema {schema}, this release has {known[-1]}", _BEFORE)
    return ok(check, f"{where} has this release's schema, {schema}")


def _schema(store: Path) -> str | None:
    """Return the number that a copy of the store has: even a reader makes files beside one, as root ones of root's.

    Raises:
        OSError, sqlite3.Error: it cannot be copied, or is no store.
    """
    with tempfile.TemporaryDirectory(prefix="kong-mcp-") as folder:
        for path in (store, store.with_name(f"{store.name}-wal")):
            if path.exists():
                shutil.copyfile(path, Path(folder) / path.name)
        with closing(sqlite3.connect(Path(folder) / store.name)) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found[0]) if found else None


def _migrations() -> Path:
    package = import_module("mcp_sidecar").__file__
    return Path(package or "").parent / "store" / "migrations" / "versions"
