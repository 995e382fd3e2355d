"""The chain, the versions, the head row and the known servers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_HEX = 64
_WORD = 32
_SERVER = 255


def upgrade() -> None:
    """Make the tables, and refuse changes of entries in the database itself."""
    entry = op.create_table(
        "entry",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(_SERVER), nullable=False),
        sa.Column("action", sa.String(_WORD), nullable=False),
        sa.Column("server", sa.String(_SERVER), nullable=False),
        sa.Column("kind", sa.String(_WORD), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.String(_HEX), nullable=False),
        sa.Column("state", sa.String(_WORD), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("previous", sa.String(_HEX), nullable=False, unique=True),
        sa.Column("hash", sa.String(_HEX), nullable=False, unique=True),
    )
    op.create_table(
        "version",
        sa.Column("item", sa.String(_HEX), primary_key=True),
        sa.Column("digest", sa.String(_HEX), primary_key=True),
        sa.Column("server", sa.String(_SERVER), nullable=False),
        sa.Column("kind", sa.String(_WORD), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.String(_WORD), nullable=False),
        sa.Column("reason", sa.String(_WORD), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("findings", sa.Text, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("differs", sa.Boolean, nullable=False),
    )
    op.create_index("version_by_server", "version", ["server"])
    head = op.create_table(
        "head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(_HEX), nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "seq": 0, "hash": "0" * _HEX, "generation": 0}])
    op.create_table(
        "server",
        sa.Column("name", sa.String(_SERVER), primary_key=True),
        sa.Column("looked", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(_WORD), nullable=False),
    )
    _append_only(entry.name)


def _append_only(table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for deed in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{deed.lower()} BEFORE {deed} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'entries are only added'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION kong_mcp_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'entries are only added'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION kong_mcp_append_only()"
    )
