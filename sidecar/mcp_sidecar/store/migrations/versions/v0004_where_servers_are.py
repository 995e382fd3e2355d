"""Where each server is, as a guard said last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column. Of what was there before, the next answer to an agent tells."""
    op.add_column("server", sa.Column("target", sa.Text, nullable=False, server_default=""))
