"""Who used what, hour by hour, and which of Kong's records were taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_TEXTS = ("collector", "server", "method", "name", "principal", "era", "lane", "outcome", "reason", "error")
_NUMBERS = ("calls", "failed", "took", "asked", "waited", "sent", "received", "retries")


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "usage",
        sa.Column("key", sa.String(32), primary_key=True),
        sa.Column("hours", sa.BigInteger, nullable=False),
        sa.Column("hour", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in _TEXTS),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _NUMBERS),
        *(sa.Column(f"b{number}", sa.BigInteger, nullable=False) for number in range(15)),
    )
    op.create_index("usage_by_hour", "usage", ["hour"])
    op.create_table(
        "delivery",
        sa.Column("key", sa.String(32), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("ids", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "audit_head",
        sa.Column("collector", sa.String(64), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("delivery_by_time", "delivery", ["at"])
