"""Templates of chats."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """None is changed yet."""
    op.create_table(
        "templates",
        sa.Column("kind", sa.String(20), primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("changed", sa.String(32), nullable=False),
        sa.Column("changed_by", sa.String(120), nullable=False),
    )
