"""The schema of the store, brought up to date by Alembic. It is never brought down."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from mcp_sidecar.store.engine import StoreError, said

_FOLDER: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x6B6D6370
"""The key of PostgreSQL's advisory lock: two nodes may start at once."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config


def upgrade(engine: Engine, *, create: bool = True) -> None:
    """Bring the schema to this release. Raises StoreError, also where there is none and not `create`."""
    with said(engine), engine.connect().execution_options(writes=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        _check_known(connection)
        if not create and _current(connection) is None:
            raise StoreError("the store is empty")
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check_schema(engine: Engine) -> None:
    """Raise StoreError unless the schema is this release's."""
    with said(engine), engine.connect() as connection:
        _check_known(connection)
        if _current(connection) != _script().get_current_head():
            raise StoreError("the store has no schema of this release: run `mcp-sidecar migrate`, or start the sidecar")


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _check_known(connection: Connection) -> None:
    current = _current(connection)
    if current is not None and current not in {walk_revision.revision for walk_revision in _script().walk_revisions()}:
        raise StoreError(f"the store was written by a later release (schema {current}): upgrade this one")
