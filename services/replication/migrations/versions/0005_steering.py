"""Transfers that are paused, cancelled, or have their turn before others."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add columns; transfers that fetch get their turn by age, as before."""
    op.add_column("transfers", sa.Column("paused", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("transfers", sa.Column("priority", sa.Integer, nullable=False, server_default="0"))
    op.add_column("transfers", sa.Column("turn", sa.String(40)))
    op.execute("UPDATE transfers SET turn = '1' || planned WHERE state IN ('planned', 'moving')")
    op.create_index("transfers_by_turn", "transfers", ["turn", "transfer_id"])
    op.create_index("transfers_by_time", "transfers", ["planned", "transfer_id"])
