"""Alarms that are raised or suspected, and events that wait for the broker."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "alarms",
        sa.Column("kind", sa.String(60), primary_key=True),
        sa.Column("about", sa.String(120), primary_key=True),
        sa.Column("severity", sa.String(20), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("mark", sa.String(60), nullable=False),
        sa.Column("since", sa.String(32), nullable=False),
        sa.Column("seen", sa.String(32), nullable=False),
        sa.Column("told", sa.String(32)),
        sa.Column("repeated", sa.Integer, nullable=False),
        sa.Column("gone", sa.String(32)),
    )
    op.create_table(
        "outbox",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(36), nullable=False, unique=True),
        sa.Column("type", sa.String(80), nullable=False),
        sa.Column("envelope", sa.Text, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
    )
