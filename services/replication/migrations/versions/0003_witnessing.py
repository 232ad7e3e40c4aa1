"""What peers told of their audit logs."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make its table."""
    op.create_table(
        "witnessed",
        sa.Column("peer_id", sa.String(60), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("received", sa.String(32), nullable=False),
        sa.Column("contradicts", sa.Boolean, nullable=False),
        sa.Column("envelope", sa.Text, nullable=False),
    )
