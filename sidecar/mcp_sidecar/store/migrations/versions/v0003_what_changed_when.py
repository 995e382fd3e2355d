"""The generation at which each version and server changed last, and how much is kept of each server."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns. What was there before counts as changed before everything else."""
    op.add_column("version", sa.Column("generation", sa.BigInteger, nullable=False, server_default="0"))
    op.create_index("version_by_generation", "version", ["generation"])
    for name in ("generation", "versions", "size"):
        op.add_column("server", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    kept = "FROM version WHERE version.server = server.name"
    op.execute(
        f"UPDATE server SET versions = (SELECT COUNT(*) {kept}), "  # noqa: S608 - no text from outside
        f"size = (SELECT COALESCE(SUM(LENGTH(content)), 0) {kept})"
    )
