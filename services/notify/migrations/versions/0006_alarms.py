"""Alarms that are raised or suspected."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make their table."""
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
