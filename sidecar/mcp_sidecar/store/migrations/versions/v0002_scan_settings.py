"""The scanner's settings of each server, as its guards signed them last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; until a guard speaks, the scanner is as it ships."""
    op.add_column("server", sa.Column("scan", sa.Text, nullable=False, server_default="{}"))
