"""What callers of virtual servers have read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "flow_read",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("caller", sa.String(64), nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("untrusted", "private", "until")),
    )
    op.create_index("flow_read_by_caller", "flow_read", ["caller"])
    op.create_index("flow_read_by_time", "flow_read", ["until"])
